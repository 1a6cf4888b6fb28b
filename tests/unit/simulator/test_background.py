import subprocess
from pathlib import Path

from services.simulator.background import documents
from services.simulator.base_model.__main__ import DOCUMENTS, SEED
from services.simulator.splits import cases
from services.simulator.world import load_world

WORLDS = [load_world("home"), load_world("harbour")]


def test_no_held_out_prompt_is_in_the_text_of_the_base_model(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("\n".join(documents(WORLDS, DOCUMENTS, SEED)))
    hidden = [case.prompt for world in WORLDS for split in ("held_out", "unseen_template", "unseen_family")
              for case in cases(world, split)]  # fmt: skip
    assert len(hidden) > 1500
    assert found_in(text, hidden) == []
    assert found_in(text, [text.read_text()[5000:5020]]), "what is there is found"


def found_in(text: Path, strings: list[str]) -> list[str]:
    """By grep: Python takes half a minute."""
    assert all(len(string.splitlines()) == 1 for string in strings), "grep looks for lines"
    command = ["grep", "--only-matching", "--fixed-strings", "--file=-", text]
    done = subprocess.run(command, input="\n".join(strings), stdout=subprocess.PIPE, text=True)
    assert done.returncode in (0, 1)
    return done.stdout.splitlines()


def test_the_text_is_the_same_every_time() -> None:
    assert list(documents(WORLDS, 50, SEED)) == list(documents(WORLDS, 50, SEED))
    assert list(documents(WORLDS, 50, SEED)) != list(documents(WORLDS, 50, SEED + 1))
