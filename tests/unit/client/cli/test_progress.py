"""What a terminal shows; the plain lines are tested with the commands."""

import io

import pytest
from rich.console import Console
from rlhf.cli import output, progress
from rlhf.run import event_from

from ..scripted_server import make_events


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    screen = io.StringIO()
    monkeypatch.setattr(progress, "notes", Console(file=screen, force_terminal=True, width=120, color_system=None))
    return screen


def test_a_run_has_a_bar_per_stage_with_its_metrics(terminal: io.StringIO) -> None:
    progress.show_events(map(event_from, make_events()))
    shown = terminal.getvalue()
    for part in ("attempt 1 queued", "sft", "3/3", "loss 0.3333", "━"):
        assert part in shown


def test_a_transfer_has_a_bar(terminal: io.StringIO) -> None:
    with progress.transfer("uploading base") as report:
        report(1_000_000, 2_000_000)
        report(2_000_000, 2_000_000)
    assert "uploading base" in terminal.getvalue()
    assert "2.0/2.0 MB" in terminal.getvalue()


def test_a_table_has_its_header_on_a_terminal_only(monkeypatch, capsys) -> None:
    screen = io.StringIO()
    output.show_table([], ("run", "state"), [("r1", "queued")], as_json=False)
    assert capsys.readouterr().out == "r1\tqueued\n"
    monkeypatch.setattr(output, "Console", lambda: Console(file=screen, force_terminal=True, color_system=None))
    output.show_table([], ("run", "state"), [("r1", "queued")], as_json=False)
    assert [line.split() for line in screen.getvalue().splitlines()] == [["run", "state"], ["r1", "queued"]]
