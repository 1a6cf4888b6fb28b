"""Curves of a run in the terminal: dots of braille, two by four in a character."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

from rich.columns import Columns
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rlhf.cli.output import notes
from rlhf.cli.progress import event_line
from rlhf.run import StepEvent

# What is drawn, where a stage reports it, in this order; as many as fit the terminal. A title has MAX_TITLE characters
# at most, so that the value after it is never cut off.
TITLES = {
    "loss": "loss (nats)",
    "accuracy": "right order (share)",
    "margin": "margin (logits)",
    "reward": "reward (normalised)",
    "score": "score (normalised)",
    "kl": "KL (nats/response)",
    "response_length": "length (tokens)",
    "entropy": "entropy (nats/token)",
    "without_eos": "without end (share)",
    "value_loss": "value loss",
    "explained_variance": "explained variance",
    "clip_fraction": "clipped (share)",
    "grad_norm": "gradient norm",
    "learning_rate": "learning rate",
    "tokens_per_second": "tokens per second",
}
MAX_TITLE = 21
WIDTH, HEIGHT = 34, 5  # of a plot, in characters
FRAME_WIDTH, FRAME_HEIGHT = WIDTH + 5, HEIGHT + 2  # with its border, and a space to the next one
LINES_BESIDES = 4  # of the terminal: progress, and what happened to the run

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

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        columns = max(1, (options.max_width + 1) // FRAME_WIDTH)
        rows = max(1, (console.height - LINES_BESIDES) // FRAME_HEIGHT)
        shown = [name for name in TITLES if name in self._values][: rows * columns]
        yield self._progress()
        yield Columns([_panel(TITLES[name], self._values[name]) for name in shown])

    def _progress(self) -> Table:
        bar = ProgressBar(total=max(self._total, 1), completed=self._step, width=WIDTH)
        line = Table.grid(padding=(0, 1))
        line.add_row(Text(f"{self._stage} {self._step}/{self._total}", style="bold"), bar)
        return line


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
    columns = _columns(values, 2 * width)
    finite = [value for value in columns if value is not None]
    low, high = min(finite, default=0.0), max(finite, default=1.0)
    cells = [[0] * width for _ in range(height)]
    for x, value in enumerate(columns):
        if value is not None:
            share = (value - low) / (high - low) if high > low else 0.5
            y = round((1 - share) * (4 * height - 1))
            cells[y // 4][x // 2] |= DOTS[x % 2][y % 4]
    return ["".join(chr(0x2800 + cell) for cell in row) for row in cells]


def _columns(values: Sequence[float], count: int) -> list[float | None]:
    """One value for each column: means of many, or a line from each of a few to the next."""
    if len(values) < 2:
        return [_mean(values)] if values else []
    if len(values) >= count:
        return [_mean(values[i * len(values) // count : (i + 1) * len(values) // count]) for i in range(count)]
    places = (i * (len(values) - 1) / (count - 1) for i in range(count))
    return [_mean_between(values, place) for place in places]


def _mean_between(values: Sequence[float], place: float) -> float | None:
    left = math.floor(place)
    share = place - left
    found = values[left] * (1 - share) + values[left + 1] * share if share else values[left]
    return found if math.isfinite(found) else None


def _mean(values: Sequence[float]) -> float | None:
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else None
