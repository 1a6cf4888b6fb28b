"""Curves of a run in the terminal: dots of braille, two by four in a character."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from rich.columns import Columns
from rich.console import Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.text import Text

from rlhf.cli.output import notes
from rlhf.cli.progress import event_line
from rlhf.run import StepEvent

# What is drawn, where a stage reports it, with a title for people; at most MAX_PLOTS, in this order.
TITLES = {
    "loss": "loss (nats)",
    "accuracy": "pairs in the right order",
    "margin": "margin (logits)",
    "reward": "reward (normalised)",
    "score": "score (normalised)",
    "kl": "KL to the reference (nats per response)",
    "response_length": "response length (tokens)",
    "entropy": "entropy (nats per token)",
    "without_eos": "responses without an end (share)",
    "value_loss": "value loss",
    "explained_variance": "explained variance",
    "clip_fraction": "clip fraction (share of tokens)",
    "grad_norm": "gradient norm",
    "learning_rate": "learning rate",
    "tokens_per_second": "tokens per second",
}
MAX_PLOTS = 9
WIDTH, HEIGHT = 34, 5  # of a plot, in characters

# The dot of column 0 or 1 and row 0 to 3, as a bit of U+2800.
DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))


class Curves:
    """What a run has reported so far. Draws the stage under way."""

    def __init__(self) -> None:
        self._stage, self._step, self._total = "", 0, 0
        self._values: dict[str, list[float]] = defaultdict(list)

    def add(self, event: StepEvent) -> None:
        if event.stage != self._stage:
            self._stage = event.stage
            self._values.clear()
        self._step, self._total = event.step, event.total_steps
        for name, value in event.metrics.items():
            self._values[name].append(value)

    def __rich__(self) -> Group:
        shown = [name for name in TITLES if name in self._values][:MAX_PLOTS]
        plots = [_panel(TITLES[name], self._values[name]) for name in shown]
        return Group(self._progress(), Columns(plots))

    def _progress(self) -> Group:
        text = Text(f"{self._stage} {self._step}/{self._total}", style="bold")
        return Group(text, ProgressBar(total=max(self._total, 1), completed=self._step, width=WIDTH))


def draw(events: Iterable[StepEvent]) -> None:
    """Until they end; changes of the run's state are lines above the curves."""
    curves = Curves()
    with Live(curves, console=notes, refresh_per_second=4) as live:
        for event in events:
            if event.metrics:
                curves.add(event)
            else:
                live.console.print(event_line(event), highlight=False, markup=False)


def _panel(title: str, values: Sequence[float]) -> Panel:
    finite = [value for value in values if math.isfinite(value)]
    last = f"{values[-1]:.4g}"
    range_ = f"{min(finite):.3g} … {max(finite):.3g}" if finite else "no number"
    body = Text("\n".join(plot(values, WIDTH, HEIGHT)), style="cyan", no_wrap=True)
    return Panel(body, title=f"{title} [bold]{last}[/]", subtitle=range_, width=WIDTH + 4, title_align="left")


def plot(values: Sequence[float], width: int, height: int) -> list[str]:
    """Lines of text, the highest values in the first; what is not a number leaves a gap."""
    columns = [_mean(part) for part in _parts(values, 2 * width)]
    finite = [value for value in columns if value is not None]
    low, high = min(finite, default=0.0), max(finite, default=1.0)
    cells = [[0] * width for _ in range(height)]
    for x, value in enumerate(columns):
        if value is not None:
            share = (value - low) / (high - low) if high > low else 0.5
            y = round((1 - share) * (4 * height - 1))
            cells[y // 4][x // 2] |= DOTS[x % 2][y % 4]
    return ["".join(chr(0x2800 + cell) for cell in row) for row in cells]


def _parts(values: Sequence[float], count: int) -> Iterator[Sequence[float]]:
    """At most `count` pieces of about the same length."""
    pieces = min(count, len(values))
    for i in range(pieces):
        yield values[i * len(values) // pieces : (i + 1) * len(values) // pieces]


def _mean(values: Sequence[float]) -> float | None:
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else None
