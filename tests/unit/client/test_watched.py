"""Files that are read again when they change."""

import logging
import os
from pathlib import Path

import pytest
from rlhf.watched import Watched


class Numbers(Watched[int]):
    """Counts how often it reads."""

    def __init__(self, file: Path) -> None:
        self.file, self.readings = file, 0
        super().__init__([file], self.read_number)

    def read_number(self) -> int:
        self.readings += 1
        return int(self.file.read_text())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "number").write_text("1")
    return tmp_path / "number"


def test_it_is_read_once_for_as_long_as_it_stays(file: Path) -> None:
    numbers = Numbers(file)
    assert [numbers.value() for _ in range(5)] == [1] * 5
    assert numbers.readings == 1


def test_a_rewrite_a_replacement_and_a_swapped_link_are_seen(file: Path, tmp_path: Path) -> None:
    """The last is how Kubernetes renews a mounted Secret: ..data -> a new folder."""
    link = tmp_path / "link"
    link.symlink_to(file)
    numbers = Numbers(link)
    file.write_text("20")
    assert numbers.value() == 20
    (tmp_path / "new").write_text("30")
    os.replace(tmp_path / "new", file)
    assert numbers.value() == 30
    (tmp_path / "other").write_text("40")
    (tmp_path / "second").symlink_to(tmp_path / "other")
    os.replace(tmp_path / "second", link)
    assert numbers.value() == 40


def test_a_change_that_cannot_be_read_is_waited_out(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    numbers = Numbers(file)
    with caplog.at_level(logging.WARNING):
        file.write_text("no number")
        assert [numbers.value(), numbers.value()] == [1, 1]
        assert caplog.text.count("stays in use") == 1, "said once for a change"
        file.unlink()
        assert numbers.value() == 1
    file.write_text("5")
    assert numbers.value() == 5


def test_the_first_reading_must_succeed(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Numbers(tmp_path / "none")
