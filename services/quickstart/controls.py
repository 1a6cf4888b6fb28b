"""Negative controls: what must not help does not, and what must hurt does. Judged like the road itself."""

import dataclasses
import json
import random
from collections.abc import Callable
from pathlib import Path

import rlhf
import safetensors.torch

from services.quickstart.judging import answer, questions
from services.quickstart.material import LabelledPair, write_comparisons
from services.quickstart.road import Road
from services.simulator.evaluation import Effect, effect

# AdamW moves a weight by about the learning rate: this much rounds away in fp32, and 0 means "the recipe's default".
NO_LEARNING_RATE = 1e-12


def run_controls(road: Road) -> dict[str, dict]:
    """Each control's gold against SFT's on held-out prompts, and whether it came out as it must."""
    shuffled, inverted = _shuffle(road.pairs, road.seed), [_inverted(pair) for pair in road.pairs]
    return {
        # Constant means also: the same for answers that do not end.
        "ppo, constant reward": _ppo(
            road, "constant", _not_raised, reward=_edited_reward(road, 0.0), missing_eos_value=0.0
        ),
        "ppo, learning rate 0": _ppo(road, "still", _not_raised, learning_rate=NO_LEARNING_RATE),
        "ppo, reward sign flipped": _ppo(road, "flipped", _lowered, reward=_edited_reward(road, -1.0)),
        "ppo, shuffled labels": _ppo(road, "shuffled", _not_raised, reward=_reward_of(road, "shuffled", shuffled)),
        "dpo, shuffled labels": _dpo(road, "shuffled", _not_raised),
        "ppo, inverted labels": _ppo(road, "inverted", _lowered, reward=_reward_of(road, "inverted", inverted)),
        "dpo, inverted labels": _dpo(road, "inverted", _lowered),
    }


def _not_raised(difference: Effect) -> bool:
    return not difference.above(0.0)


def _lowered(difference: Effect) -> bool:
    return difference.high < 0.0


def _ppo(
    road: Road,
    name: str,
    expected: Callable[[Effect], bool],
    reward: str = "",
    learning_rate: float | None = None,
    missing_eos_value: float | None = None,
) -> dict:
    spec = rlhf.Ppo(
        policy_model=road.models["sft"], reward_model=reward or road.models["reward"], prompts="prompts",
        steps=road.plan.ppo_steps, max_new_tokens=road.plan.max_new_tokens, learning_rate=learning_rate,
        missing_eos_value=missing_eos_value,
    )  # fmt: skip
    return _judge(road, road.train(f"control-ppo-{name}", spec), expected)


def _dpo(road: Road, labels: str, expected: Callable[[Effect], bool]) -> dict:
    return _judge(road, road.train(f"control-dpo-{labels}", road.dpo_spec(f"comparisons-{labels}")), expected)


def _reward_of(road: Road, labels: str, pairs: list[LabelledPair]) -> str:
    """A reward model of its own for these labels."""
    path = write_comparisons(pairs, road.folder / f"comparisons-{labels}.jsonl")
    dataset = road.client.datasets.upload(path, name=f"comparisons-{labels}")
    return road.train(f"control-reward-{labels}", road.reward_spec(str(dataset)))


def _edited_reward(road: Road, factor: float) -> str:
    """The trained reward model with its scores multiplied: -1 flips the sign, 0 makes them all equal."""
    folder = Path(road.client.models.download(road.models["reward"], road.folder / f"reward-times-{factor:g}"))
    weights_file, config_file = folder / "model.safetensors", folder / "config.json"
    weights, config = safetensors.torch.load_file(weights_file), json.loads(config_file.read_text())
    for name in ("classifier.weight", "classifier.bias"):
        weights[name] *= factor
    config["reward_offset"] *= factor
    safetensors.torch.save_file(weights, weights_file, {"format": "pt"})
    config_file.write_text(json.dumps(config))
    return str(road.client.models.upload(folder, name=f"reward-times{'-minus' * (factor < 0)}-{abs(factor):g}"))


def _shuffle(pairs: list[LabelledPair], seed: int) -> list[LabelledPair]:
    rng = random.Random(f"shuffle-{seed}")
    return [_inverted(pair) if rng.random() < 0.5 else pair for pair in pairs]


def _inverted(pair: LabelledPair) -> LabelledPair:
    return dataclasses.replace(pair, chosen=pair.rejected, rejected=pair.chosen)


def _judge(road: Road, model: str, expected: Callable[[Effect], bool]) -> dict:
    pool = questions(road.world)["held_out"]
    size = (road.plan.evaluation_samples, road.plan.max_new_tokens)
    sft, control = (
        answer(road.clients, road.world, asked, road.models["sft"], pool, *size)
        for asked in (road.models["sft"], model)
    )
    difference = effect(control.judged, sft.judged)
    return {"passed": expected(difference), "must": expected.__name__.strip("_").replace("_", " "),
            "held_out": dataclasses.asdict(difference), **control.summary}  # fmt: skip
