"""A reward function for verl, which loads it from this file:

custom_reward_function.path=$(python -c "import rlhf.verl; print(rlhf.verl.__file__)")
custom_reward_function.name=compute_score
+custom_reward_function.reward_kwargs.model=judge

The service is found as by every client, through RLHF_REWARD, RLHF_TOKEN and so on. The prompt comes from the dataset's
`extra_info`, as verl hands over the response alone.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from rlhf.adapters import as_reward_function
from rlhf.client import Client
from rlhf.errors import InvalidInputError, Problem

PROMPT_KEYS = ("prompt", "question")


def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: Any = None,
    extra_info: Mapping[str, Any] | None = None,
    *,
    model: str = "reward/default",
    **others: Any,
) -> float:
    """The normalised score of `solution_str`. Raises InvalidInputError without a prompt."""
    prompt = next((extra_info[key] for key in PROMPT_KEYS if extra_info and extra_info.get(key)), None)
    if prompt is None:
        keys = ", ".join(extra_info or ()) or "nothing"
        raise InvalidInputError(Problem("extra_info", f"got {keys}, expected {' or '.join(PROMPT_KEYS)}"))
    return as_reward_function(_client(), model)(prompt, solution_str)


@cache
def _client() -> Client:
    """One of each process, made by the first call."""
    return Client()
