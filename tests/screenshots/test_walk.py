import re
from pathlib import Path

import pytest

from tests.screenshots.__main__ import main
from tests.screenshots.document import WALK, steps


def test_every_step_but_the_one_in_the_browser_has_commands_and_every_picture_is_there() -> None:
    assert [number for number, commands in steps().items() if not commands] == [4]
    pictures = re.findall(r"!\[.+\]\((images/walk/.+\.png)\)", WALK.read_text())
    taken = [f"images/walk/{path.name}" for path in sorted((WALK.parent / "images/walk").iterdir())]
    assert pictures == taken
    assert len(pictures) == 7


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_the_walk_can_be_walked_and_its_pictures_taken(tmp_path: Path) -> None:
    assert main(tmp_path, tmp_path / "images") == 0
