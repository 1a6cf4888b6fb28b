"""Progress of long work on stderr: bars on a terminal, plain lines elsewhere."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from rlhf.calls import Progress as ProgressCallback
from rlhf.cli.output import notes, size
from rlhf.run import Run, StepEvent
from rlhf.runs import RunHandle

# Shown beside a bar, where a stage reports them.
SHOWN_METRICS = ("loss", "accuracy", "held_out_accuracy", "reward", "score", "kl")


@contextmanager
def transfer(label: str) -> Iterator[ProgressCallback]:
    """A callback for uploads and downloads."""
    if not notes.is_terminal:
        with _plain_transfer(label) as callback:
            yield callback
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=notes) as progress:
        task = progress.add_task(label, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@contextmanager
def _plain_transfer(label: str) -> Iterator[ProgressCallback]:
    done_bytes = 0

    def callback(done: int, total: int) -> None:
        nonlocal done_bytes
        done_bytes = done

    yield callback
    notes.print(f"{label}: {size(done_bytes)}", highlight=False)


def follow(run: RunHandle) -> Run:
    """Shows a run until it ends; raises RunFailedError where it does not succeed."""
    notes.print(f"run {run.id} ({run.name}); leave with Ctrl-C, it goes on", highlight=False)
    show_events(run.watch())
    return run.wait()


def show_events(events: Iterable[StepEvent]) -> None:
    if not notes.is_terminal:
        for event in events:
            notes.print(event_line(event), highlight=False, markup=False)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[metrics]}"),
    )
    with Progress(*columns, console=notes) as progress:
        bars: dict[str, TaskID] = {}
        for event in events:
            _show(progress, bars, event)


def _show(progress: Progress, bars: dict[str, TaskID], event: StepEvent) -> None:
    if not event.metrics:
        progress.console.print(event_line(event), highlight=False, markup=False)
        return
    if event.stage not in bars:
        bars[event.stage] = progress.add_task(event.stage, total=event.total_steps, metrics="")
    progress.update(
        bars[event.stage], completed=event.step, total=event.total_steps, metrics=metrics_text(event.metrics)
    )


def event_line(event: StepEvent) -> str:
    if event.metrics:
        return f"{event.stage} {event.step}/{event.total_steps} {metrics_text(event.metrics)}".rstrip()
    return f"attempt {event.run.attempt} {event.run.state}{f': {event.run.reason}' if event.run.reason else ''}"


def metrics_text(metrics: Mapping[str, float]) -> str:
    return " ".join(f"{name} {metrics[name]:.4g}" for name in SHOWN_METRICS if name in metrics)
