"""The report's curves against the Run dashboard's."""

from services.monitoring.curves import CURVES
from services.monitoring.dashboards.run import RUN_DASHBOARD
from services.quickstart.curves import STAGES, plots

EVERYTHING = {key: float(place) for place, key in enumerate(key for curve in CURVES for key in curve.keys)}


def test_the_report_has_the_plots_of_the_run_dashboard() -> None:
    drawn = [plot.title.removeprefix("PPO: ") for plot in plots({"ppo": [{"step": 1, **EVERYTHING}]})]
    (curves,) = [row for row in RUN_DASHBOARD.rows if row.title == "Curves"]
    assert drawn == [panel.title for panel in curves.panels]


def test_a_stage_has_the_plots_of_what_it_reported() -> None:
    found = list(plots({"sft": [{"step": 1, "loss": 3.0}, {"step": 2, "loss": 2.0, "seconds": 9.0}]}))
    assert [(plot.title, plot.unit) for plot in found] == [("SFT: Loss", "nats")]
    assert dict(found[0].lines) == {"Loss": ([1, 2], [3.0, 2.0])}


def test_quantiles_share_a_plot() -> None:
    steps = [{"step": 1, "reward_p10": -1.0, "reward_p50": 0.0, "reward_p90": 1.0}]
    (plot,) = plots({"ppo": steps})
    assert [values for _, values in plot.lines.values()] == [[-1.0], [0.0], [1.0]]


def test_all_stages_of_the_quickstart_are_drawn() -> None:
    assert list(STAGES) == ["sft", "reward", "ppo", "dpo"]
