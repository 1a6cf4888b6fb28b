"""Curves on a terminal."""

import io
import math
from types import SimpleNamespace

import pytest
from rich.console import Console
from rlhf.cli import curves
from rlhf.cli.curves import DOTS, plot
from rlhf.run import event_from

from ..scripted_server import make_events


def dots(lines: list[str]) -> set[tuple[int, int]]:
    """(column, row) of every dot, from the top left."""
    return {
        (2 * x + dx, 4 * y + dy)
        for y, line in enumerate(lines)
        for x, cell in enumerate(line)
        for dx in (0, 1)
        for dy in range(4)
        if (ord(cell) - 0x2800) & DOTS[dx][dy]
    }


def test_a_line_that_rises_goes_from_the_bottom_left_to_the_top_right() -> None:
    assert dots(plot([0, 1, 2, 3], width=2, height=1)) == {(0, 3), (1, 2), (2, 1), (3, 0)}


def test_a_constant_is_a_line_in_the_middle() -> None:
    assert {row for _, row in dots(plot([5.0] * 6, width=3, height=2))} == {4}


def test_more_values_than_columns_are_averaged() -> None:
    assert dots(plot([0, 0, 2, 4, 4, 8, 9, 9], width=2, height=1)) == {(0, 3), (1, 2), (2, 1), (3, 0)}


def test_what_is_no_number_leaves_a_gap_and_does_no_harm() -> None:
    assert {column for column, _ in dots(plot([1.0, math.nan, math.inf, 2.0], width=2, height=1))} == {0, 3}
    assert dots(plot([math.nan], width=1, height=1)) == set()
    assert plot([], width=2, height=1) == ["\u2800\u2800"]


def test_a_run_is_drawn_with_its_last_values(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100, color_system=None)
    monkeypatch.setattr(curves, "notes", console)
    curves.draw(map(event_from, make_events()))
    shown = screen.getvalue()
    for part in ("attempt 1 queued", "sft 3/3", "loss (nats) 0.3333", "0.333 … 1"):
        assert part in shown
    assert any(0x2800 < ord(cell) <= 0x28FF for cell in shown)


def screen(width: int, height: int, metrics: dict[str, float]) -> list[str]:
    shown = curves.Curves()
    run = SimpleNamespace(attempt=1, state="running", reason="")
    for step in range(1, 4):
        shown.add(SimpleNamespace(stage="ppo", step=step, total_steps=3, metrics=metrics, run=run))  # type: ignore[arg-type]
    console = Console(file=io.StringIO(), force_terminal=True, width=width, height=height, color_system=None)
    with console.capture() as captured:
        console.print(shown)
    return captured.get().splitlines()


@pytest.mark.parametrize(("width", "height", "plots"), [(80, 24, 4), (120, 40, 15), (200, 60, 15), (30, 5, 1)])
def test_as_many_plots_are_drawn_as_fit_the_terminal(width: int, height: int, plots: int) -> None:
    lines = screen(width, height, dict.fromkeys(curves.TITLES, 1.0))
    assert len(lines) <= max(height - 1, 8)
    assert sum(line.count("╭") for line in lines) == plots


def test_titles_leave_room_for_the_value_and_the_bar_has_a_line_of_its_own() -> None:
    lines = screen(160, 60, dict.fromkeys(curves.TITLES, -1.234e-05))
    assert lines[0].startswith("ppo 3/3 ━")
    assert "╭" not in lines[0]
    assert all(f"{title} -1.234e-05" in "\n".join(lines) for title in curves.TITLES.values())
    assert max(map(len, curves.TITLES.values())) <= curves.MAX_TITLE


def test_a_few_values_are_a_line_over_the_whole_width() -> None:
    assert dots(plot([0, 3], width=2, height=1)) == {(0, 3), (1, 2), (2, 1), (3, 0)}
    assert {column for column, _ in dots(plot([1, 2, math.nan, 2, 1], width=4, height=1))} == {0, 1, 6, 7}
    assert dots(plot([1.0], width=2, height=1)) == {(0, 2)}
