"""report.json for machines, report.html for people (one file that loads nothing else), a summary on screen."""

import json
from pathlib import Path

import jinja2
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs
from rich.console import Console
from rich.table import Table

from services.quickstart.curves import Plot, plots
from services.quickstart.judging import RECOVERED_BAR

TEMPLATE = Path(__file__).parent / "report.html.jinja"
COLORS = {"base": "#8d99ae", "sft": "#3a86ff", "ppo": "#2a9d8f", "dpo": "#e76f51"}


def write_report(results: dict, out: Path) -> None:
    (out / "report.json").write_text(json.dumps(results, indent=1))
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    page = environment.from_string(TEMPLATE.read_text()).render(
        results=results,
        recovered_bar=RECOVERED_BAR,
        plotly=get_plotlyjs(),
        figures=[(_curve(plot), plot.reading) for plot in plots(results["curves"])],
        gold=_gold_plot(results["judged"]),
    )
    (out / "report.html").write_text(page)


def print_summary(results: dict, out: Path, storage: str, console: Console) -> None:
    """`storage` holds the models; empty where services that run already have them."""
    table = Table(title="Gold on held-out prompts (95 % intervals)")
    for column in ("comparison", "difference", "at matched length", "bar", ""):
        table.add_column(column)
    for name, effect in results["effects"].items():
        table.add_row(name, interval(effect["held_out"]), interval(effect["matched_length"]), f"{effect['bar']}",
                      "above" if effect["passed"] else "NOT above")  # fmt: skip
    console.print(table)
    reward = results["reward_model"]
    recovered = f"{reward['recovered']:.0%} [{reward['recovered_low']:.0%}, {reward['recovered_high']:.0%}]"
    console.print(f"Reward model: {reward['accuracy']:.1%} of {reward['pairs']} held-out pairs (Bayes ceiling "
                  f"{reward['ceiling']:.1%}): {recovered} of what can be known; the bar is {RECOVERED_BAR:.0%}: "
                  f"{'above' if reward['recovered'] >= RECOVERED_BAR else 'NOT above'}")  # fmt: skip
    for name in ("ppo", "dpo"):
        print_kl = results["judged"][name]["held_out"]
        console.print(f"KL of {name} to the reference: {print_kl['kl_to_sft']:.2f} nats per response")
    for sample in results["samples"][:3]:
        console.print(f"\n[bold]{sample['prompt']}[/bold]")
        for name in COLORS:
            console.print(f"  {name:4}  {sample[name]!r}", markup=False)
    console.print(f"\n{results['seconds']['total']:.0f} s, at most {results['peak_memory_mib']} MiB; "
                  f"report: {out / 'report.html'}")  # fmt: skip
    if storage:
        console.print(f"The models base, sft, reward, ppo and dpo are served by: rlhf up --storage {storage}")


def interval(effect: dict) -> str:
    return f"{effect['mean']:+.2f} [{effect['low']:+.2f}, {effect['high']:+.2f}]"


def _curve(plot: Plot) -> str:
    colors = (COLORS.get(plot.stage, "#6a4c93"), "#e9c46a", "#264653", "#9d4edd", "#ef476f", "#118ab2")
    lines = [
        go.Scatter(x=steps, y=values, mode="lines", name=title, line_color=color)
        for (title, (steps, values)), color in zip(plot.lines.items(), colors)
    ]
    figure = go.Figure(lines, layout={"showlegend": len(lines) > 1, "legend": {"orientation": "h", "y": -0.25}})
    return _html(figure, plot.title, plot.unit)


def _gold_plot(judged: dict) -> str:
    bars = [
        go.Bar(name=name, x=list(splits), y=[split["gold"] for split in splits.values()], marker_color=COLORS[name])
        for name, splits in judged.items()
    ]
    return _html(go.Figure(bars), "Mean gold", "points", height=360)


def _html(figure: go.Figure, title: str, unit: str, height: int = 260) -> str:
    figure.update_layout(
        title=title,
        yaxis_title=unit,
        height=height,
        template="plotly_white",
        margin={"l": 60, "r": 16, "t": 48, "b": 36},
    )
    return figure.to_html(full_html=False, include_plotlyjs=False, config={"displayModeBar": False})
