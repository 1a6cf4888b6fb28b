from services.simulator.background import documents
from services.simulator.base_model import WEIGHTS
from services.simulator.base_model.__main__ import DOCUMENTS, SEED
from services.simulator.splits import cases
from services.simulator.world import load_world

WORLDS = [load_world("home"), load_world("harbour")]


def test_no_held_out_prompt_is_in_the_text_of_the_base_model() -> None:
    text = "\n".join(documents(WORLDS, DOCUMENTS, SEED))
    hidden = [case.prompt for world in WORLDS for split in ("held_out", "unseen_template", "unseen_family")
              for case in cases(world, split)]  # fmt: skip
    assert len(hidden) > 1500
    assert [prompt for prompt in hidden if prompt in text] == []


def test_the_text_is_the_same_every_time() -> None:
    assert list(documents(WORLDS, 50, SEED)) == list(documents(WORLDS, 50, SEED))
    assert list(documents(WORLDS, 50, SEED)) != list(documents(WORLDS, 50, SEED + 1))


def test_the_committed_weights_are_small() -> None:
    assert sum(file.stat().st_size for file in WEIGHTS.glob("*.safetensors")) <= 8 * 1024 * 1024
