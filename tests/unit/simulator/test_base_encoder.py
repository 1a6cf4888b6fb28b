import random
import re

import pytest
import torch

from services.language_model.chat import Message
from services.language_model.loading import load_tokenizer, new_reward
from services.language_model.scoring import encode_for_reward, is_encoder, raw_scores
from services.language_model.tokens import is_encoder_tokenizer
from services.simulator import base_encoder, base_model
from services.simulator.base_encoder.__main__ import encode, pair_tokenizer
from services.simulator.corruption import CorruptedLibrary, Document
from services.simulator.splits import cases
from services.simulator.world import load_world

WORLDS = [load_world("home"), load_world("harbour")]


def documents(count: int, seed: int = 0) -> list[Document]:
    libraries, rng = [CorruptedLibrary(world) for world in WORLDS], random.Random(seed)
    return [rng.choice(libraries).document(rng) for _ in range(count)]


def test_the_text_is_the_same_every_time() -> None:
    assert documents(50) == documents(50)
    assert documents(50) != documents(50, seed=1)


def test_no_held_out_prompt_is_in_the_text() -> None:
    """Questions are of the training split, and no telling spells one."""
    hidden = {case.prompt for world in WORLDS for split in ("held_out", "unseen_template", "unseen_family")
              for case in cases(world, split)}  # fmt: skip
    asked = {document.question for document in documents(20_000)}
    assert len(asked) > 1000
    assert not asked & hidden
    some = " ".join(document.text for document in documents(2000))
    assert not [prompt for prompt in hidden if prompt in some]


def test_a_sum_is_marked_where_it_is_wrong_and_a_right_one_only_where_another_was_asked_for() -> None:
    right = wrong = 0
    for document in documents(4000):
        for found in re.finditer(r"(\d+) plus (\d+) (is \d+)", document.text):
            a, b, claim = found.groups()
            marked = any(first <= found.start(3) and found.end(3) <= last for first, last in document.wrong)
            if claim == f"is {int(a) + int(b)}":
                right += 1
                assert not marked or f"{a} plus {b}" not in document.question, document
            else:
                wrong += 1
                assert marked, document
    assert right > 100
    assert wrong > 100


def test_tokens_are_marked_that_have_characters_of_what_is_wrong() -> None:
    tokenizer = pair_tokenizer()
    text = "5 plus 3 is 2. Gold is a metal."
    ids_BT, real_BT, wrong_BT = encode(
        tokenizer, [Document("What do 5 plus 3 make?", text, [(9, 13)]), Document("", text, [])]
    )
    assert tokenizer.decode(ids_BT[0][wrong_BT[0] > 0]).strip() == "is 2"
    assert wrong_BT[1].sum() == 0
    assert real_BT.sum(1).tolist() == [
        len(tokenizer("What do 5 plus 3 make?", text).input_ids),
        len(tokenizer(text).input_ids),
    ]


def test_a_reward_model_starts_from_the_committed_weights() -> None:
    tokenizer, model = load_tokenizer(base_encoder.WEIGHTS), new_reward(base_encoder.WEIGHTS, seed=0)
    assert is_encoder_tokenizer(tokenizer)
    assert is_encoder(model)
    pairs = [("Name three birds.", "1. crow 2. owl 3. duck"), ("What is 2 plus 2?", "4.")]
    ids = [encode_for_reward(tokenizer, [Message("user", prompt)], answer) for prompt, answer in pairs]
    with torch.no_grad():
        together, alone = raw_scores(model, ids, 0), torch.cat([raw_scores(model, [one], 0) for one in ids])
    assert together.tolist() == pytest.approx(alone.tolist(), abs=1e-4)
    assert together.std() > 1e-3, "the head is more than zeros"


def test_the_committed_weights_are_small() -> None:
    files = [file for package in (base_model, base_encoder) for file in package.WEIGHTS.glob("*.safetensors")]
    assert len(files) == 2
    assert sum(file.stat().st_size for file in files) <= 8 * 1024 * 1024
