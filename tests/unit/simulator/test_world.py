import json
from pathlib import Path

import pytest

from services.runtime.errors import InvalidInput
from services.simulator import world
from services.simulator.world import JUDGED_BY, WORLDS, load_world, simulator_digest

DOCS = Path(__file__).parents[3] / "docs/simulator.md"


def test_a_world_can_be_named_or_given_as_a_file() -> None:
    assert load_world(WORLDS / "home.json") == load_world("home")
    assert simulator_digest(load_world("home")) != simulator_digest(load_world("harbour"))


@pytest.mark.parametrize("name", ["home", "harbour"])
def test_the_documented_digest_is_that_of_the_code(name: str) -> None:
    """A change of the world, of gold or of how results are judged is a dated decision with a new digest."""
    assert f"| {name} | `{simulator_digest(load_world(name))}` |" in DOCS.read_text()


def test_the_digest_covers_every_module_but_those_that_make_text_for_other_uses(monkeypatch, tmp_path: Path) -> None:
    package = Path(world.__file__).parent
    modules = {file.stem for file in package.glob("*.py")}
    assert modules - set(JUDGED_BY) == {"__init__", "annotators", "background", "corruption", "examples"}
    before = simulator_digest(load_world())
    for module in JUDGED_BY:
        (tmp_path / f"{module}.py").write_bytes((package / f"{module}.py").read_bytes())
    monkeypatch.setattr(world, "__file__", str(tmp_path / "world.py"))
    assert simulator_digest(load_world()) == before
    for module in ("evaluation", "world"):
        source = (tmp_path / f"{module}.py").read_text()
        (tmp_path / f"{module}.py").write_text(source.replace("0.5", "0.4") + "\n")
        assert simulator_digest(load_world()) != before
        (tmp_path / f"{module}.py").write_text(source)


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
