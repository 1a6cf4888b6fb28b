"""The curves of the quickstart's runs, the same ones as on the Run dashboard."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from services.monitoring.curves import CURVES, Curve

STAGES = {"sft": "SFT", "reward": "Reward model", "ppo": "PPO", "dpo": "DPO"}

Steps = Sequence[Mapping[str, float]]  # of a stage: "step" and what it reported


@dataclass(frozen=True)
class Plot:
    """`lines` is title → (steps, values)."""

    title: str
    stage: str
    unit: str
    reading: str
    lines: Mapping[str, tuple[list[float], list[float]]]


def plots(curves: Mapping[str, Steps]) -> Iterator[Plot]:
    """Stage by stage, each curve of which the stage has reported anything."""
    for stage, name in STAGES.items():
        for curve in CURVES:
            if lines := _lines(curve, curves.get(stage, ())):
                yield Plot(f"{name}: {curve.title}", stage, curve.unit, curve.description, lines)


def _lines(curve: Curve, steps: Steps) -> dict[str, tuple[list[float], list[float]]]:
    lines = {}
    for figure in curve.figures:
        if points := [(step["step"], step[figure.key]) for step in steps if figure.key in step]:
            lines[figure.title] = ([step for step, _ in points], [value for _, value in points])
    return lines
