"""What a stage's fields name: models and datasets of the catalog, or the result of an earlier stage."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from services.storage.models import ModelStore, Version
from services.storage.object_store import ObjectNotFound, ObjectStore

STAGE = "stage:"  # before the name of an earlier stage


class ModelKind(StrEnum):
    LANGUAGE = "a language model"
    REWARD = "a reward model"
    ANY = "a model"


@dataclass(frozen=True)
class ModelFacts:
    """What validation has to know of a model; an empty digest or a context of 0 is unknown."""

    kind: ModelKind
    tokenizer_digest: str = ""
    chat_template_digest: str = ""
    context: int = 0  # tokens


# Fields that name models, by kind of stage.
MODELS: dict[str, dict[str, ModelKind]] = {
    "sft": {"base_model": ModelKind.LANGUAGE},
    "reward_model": {"base_model": ModelKind.ANY},
    "dpo": {"policy_model": ModelKind.LANGUAGE},
    "ppo": {"policy_model": ModelKind.LANGUAGE, "reward_model": ModelKind.REWARD},
    "evaluate": {
        "policy_model": ModelKind.LANGUAGE,
        "reference_model": ModelKind.LANGUAGE,
        "reward_model": ModelKind.REWARD,
    },
}
# Fields that name datasets, and the type of record they need.
DATASETS: dict[str, dict[str, str]] = {
    "sft": {"dataset": "demonstration"},
    "reward_model": {"dataset": "comparison", "demonstrations": "demonstration"},
    "dpo": {"dataset": "comparison"},
    "ppo": {"prompts": "prompt"},
    "evaluate": {"prompts": "prompt"},
}
# What the result of a stage is; an evaluation makes no model.
RESULTS: Mapping[str, ModelKind] = {
    "sft": ModelKind.LANGUAGE,
    "dpo": ModelKind.LANGUAGE,
    "ppo": ModelKind.LANGUAGE,
    "reward_model": ModelKind.REWARD,
}
# The field whose tokenizer and chat template a stage's result has.
ORIGINS = {"sft": "base_model", "dpo": "policy_model", "ppo": "policy_model", "reward_model": "base_model"}


def read_facts(store: ObjectStore, version: Version) -> ModelFacts:
    config = read_config(store, version)
    architecture = architecture_of(config)
    kind = ModelKind.REWARD if architecture.endswith("ForSequenceClassification") else ModelKind.LANGUAGE
    if not architecture.endswith(("ForSequenceClassification", "ForCausalLM", "LMHeadModel")):
        kind = ModelKind.ANY  # the body of an encoder: a reward model may start from it
    facts = version.metadata
    tokenizer = facts.get("prepared_tokenizer_digest") or facts.get("tokenizer_digest", "")
    return ModelFacts(kind, tokenizer, facts.get("chat_template_digest", ""), context_of(config))


def read_config(store: ObjectStore, version: Version) -> dict:
    try:
        return json.loads(store.get(f"models/{version.model}/versions/{version.version}/config.json"))
    except ObjectNotFound:
        return {}


def architecture_of(config: Mapping) -> str:
    return next(iter(config.get("architectures") or []), "")


def context_of(config: Mapping) -> int:
    """Multimodal configs (Gemma) keep the language model's own below `text_config`."""
    text = config.get("text_config") or config
    return int(text.get("max_position_embeddings") or text.get("n_positions") or 0)


def newest_facts(models: ModelStore, store: ObjectStore, reference: str) -> tuple[Version, ModelFacts]:
    """Raises NotFound, or InvalidInput for a name that cannot be one."""
    version = models.resolve(reference)
    return version, read_facts(store, version)
