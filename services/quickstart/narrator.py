"""Tells a person how far things are: progress bars on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rlhf import RunHandle

# What is worth seeing of a step, in order; whichever of them the stage reports.
SHOWN = ("loss", "accuracy", "reward", "kl", "entropy", "response_length")


@dataclass
class Narrator:
    console: Console = field(default_factory=Console)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str, title: str) -> Iterator[None]:
        started = time.monotonic()
        self.console.print(f"[bold]{title}[/bold] …" if self.console.is_terminal else f"{title} …")
        yield
        self.seconds[name] = round(time.monotonic() - started, 1)
        self.console.print(f"  done in {self.seconds[name]:.0f} s")

    def say(self, line: str) -> None:
        """As it is: addresses stay whole, whatever the width."""
        self.console.print(line, soft_wrap=True, markup=False, highlight=False)

    def count(self, what: str, total: int, done: Callable[[], int], seconds: float) -> None:
        """Shows how many are done, asking every so many seconds, until all are."""
        shown = None
        with self._progress() as progress:
            task = progress.add_task(what, total=total, figures="")
            while (count := done()) < total:
                progress.update(task, completed=count)
                if not self.console.is_terminal and count != shown:
                    self.say(f"  {count} of {total} {what}")
                shown = count
                time.sleep(seconds)
            progress.update(task, completed=total)

    def follow(self, run: RunHandle, timeout: float, bar: bool = True) -> list[dict[str, float]]:
        """Shows a run until it ends, on a terminal by a `bar`; returns its curves: one dict of metrics per step."""
        curves: list[dict[str, float]] = []
        with self._progress(bar) as progress:
            task = progress.add_task(run.name, total=None, figures="")
            for event in run.watch(timeout=timeout):
                if not event.metrics:
                    continue
                curves.append({"step": event.step, **event.metrics})
                figures = "  ".join(f"{name} {event.metrics[name]:.3g}" for name in SHOWN if name in event.metrics)
                progress.update(task, completed=event.step, total=event.total_steps, figures=figures)
                if not self.console.is_terminal and event.step % max(1, event.total_steps // 4) == 0:
                    self.console.print(f"  {run.name} {event.step}/{event.total_steps}  {figures}")
        run.wait(timeout=timeout)
        return curves

    def _progress(self, bar: bool = True) -> Progress:
        columns = (TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        shown = bar and self.console.is_terminal
        return Progress(*columns, TextColumn("{task.fields[figures]}"), console=self.console, disable=not shown)
