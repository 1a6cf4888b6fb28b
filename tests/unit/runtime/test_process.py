"""What people see when a service does not start, and what log collectors see when it does."""

import logging
import sys
from dataclasses import dataclass

import pytest

from services.runtime.errors import Conflict
from services.runtime.process import run
from services.runtime.settings import Settings


@dataclass(frozen=True)
class Numbers(Settings):
    number: int = 1


def start(monkeypatch: pytest.MonkeyPatch, main, *argv: str) -> None:
    monkeypatch.setattr(sys, "argv", ["program", *argv])
    monkeypatch.setattr(logging, "basicConfig", lambda **_: None)  # the test's own log stays as it is
    run(Numbers, "RLHF_NUMBERS_", main)


def test_main_gets_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    async def main(settings: Numbers) -> None:
        seen.append(settings.number)

    start(monkeypatch, main, "--number", "3")
    assert seen == [3]


def test_bad_settings_are_one_line_each_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def main(_: Numbers) -> None:
        raise AssertionError("not with these settings")

    with pytest.raises(SystemExit) as end:
        start(monkeypatch, main, "--number", "many", "--nombre", "1")
    lines = capsys.readouterr().err.splitlines()
    assert end.value.code == 2
    assert any(line.startswith("--number: got 'many'") for line in lines)
    assert any(line.startswith("--nombre: got an unknown flag") for line in lines)
    assert "Traceback" not in "\n".join(lines)


def test_an_error_for_people_is_its_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def main(_: Numbers) -> None:
        raise Conflict("there is no bucket 'x'")

    with pytest.raises(SystemExit):
        start(monkeypatch, main)
    assert capsys.readouterr().err == "there is no bucket 'x'\n"


def test_a_defect_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(_: Numbers) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        start(monkeypatch, main)
