import json
from pathlib import Path

import pytest

from services.runtime.errors import InvalidInput
from services.simulator.world import WORLDS, load_world, simulator_digest


def test_a_world_can_be_named_or_given_as_a_file() -> None:
    assert load_world(WORLDS / "home.json") == load_world("home")
    assert simulator_digest(load_world("home")) != simulator_digest(load_world("harbour"))


def test_an_unknown_world_names_those_there_are() -> None:
    with pytest.raises(InvalidInput, match="harbour, home"):
        load_world("mars")


def test_a_broken_world_lists_every_problem(tmp_path: Path) -> None:
    content = json.loads((WORLDS / "home.json").read_text())
    del content["families"]["story"], content["phrases"]["filler"]
    content["raters"]["people"][0].pop("noise")
    (tmp_path / "w.json").write_text(json.dumps(content))
    with pytest.raises(InvalidInput) as caught:
        load_world(tmp_path / "w.json")
    for name in ("families.story", "phrases.filler", "raters.people[0]"):
        assert name in str(caught.value)
