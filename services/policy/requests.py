"""What is asked of the policy, checked as a whole before anything is computed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.language_model.generation import Request
from services.language_model.sampling import SamplingParams
from services.policy.model import PolicyModel
from services.policy.settings import PolicySettings
from services.serving.problems import Problems
from services.serving.prompts import Prompt, prompt_ids

MAX_STOP_CHARS = 200


@dataclass(frozen=True)
class GenerateCall:
    model: str
    acceptable_versions: Sequence[str]
    prompts: Mapping[str, Prompt]  # by what their sender calls them, for errors
    samples: int
    sampling: Mapping[str, Any]  # the fields of SamplingParams that were given
    deterministic: bool = False
    stream: bool = False


def engine_requests(call: GenerateCall, loaded: PolicyModel, settings: PolicySettings) -> list[Request]:
    """Ordered by prompt, then sample. Raises InvalidInput with all that is wrong with the call."""
    problems = Problems()
    check_limits(call, settings, problems)
    problems.check()
    prompts = [checked_prompt(loaded, prompt, name, problems) for name, prompt in call.prompts.items()]
    problems.check()
    params = SamplingParams(**call.sampling)
    return [
        Request(ids, params, prompt_index, sample_index, call.stream)
        for prompt_index, ids in enumerate(prompts)
        for sample_index in range(call.samples)
    ]


def check_limits(call: GenerateCall, settings: PolicySettings, problems: Problems) -> None:
    with problems.collected():
        SamplingParams(**call.sampling)
    if call.sampling["max_new_tokens"] > settings.max_new_tokens:
        problems.add("sampling.max_new_tokens", call.sampling["max_new_tokens"], f"at most {settings.max_new_tokens}")
    if any(len(stop) > MAX_STOP_CHARS for stop in call.sampling["stop"]):
        problems.add("sampling.stop", "a longer text", f"texts of at most {MAX_STOP_CHARS} characters")
    if not 1 <= len(call.prompts) <= settings.max_prompts:
        problems.add("prompts", len(call.prompts), f"1 to {settings.max_prompts}")
    if call.samples > settings.max_samples:
        problems.add("samples_per_prompt", call.samples, f"at most {settings.max_samples}")


def checked_prompt(loaded: PolicyModel, prompt: Prompt, name: str, problems: Problems) -> list[int]:
    ids: list[int] = []
    with problems.collected():
        ids = prompt_ids(loaded, prompt, name)
    if len(ids) >= loaded.max_context:
        problems.add(name, f"{len(ids)} tokens", f"fewer than {loaded.max_context}: the context, with kv_cache_mib")
    return ids
