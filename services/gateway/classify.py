"""vLLM's `/classify`, which verl asks for rewards."""

import time
import uuid
from typing import Annotated, Any

import rlhf
from pydantic import Field

from services.gateway.bodies import Body, ModelName, Texts
from services.gateway.conversations import MAX_MESSAGES, Message
from services.gateway.scores import MAX_TEXTS, numbers, sigmoid
from services.runtime.errors import InvalidInput, Problem


class Classify(Body):
    """`input` is text that the reward model's chat template has written; `messages` end with the answer to be scored.

    `activation` is how `use_activation` was called before; without either, probabilities come back, as from vLLM.
    `add_special_tokens` changes nothing: a beginning token is there once in any case.
    """

    model: ModelName = "reward/default"
    input: Annotated[Texts, Field(min_length=1, max_length=MAX_TEXTS)] | None = None
    messages: Annotated[list[Message], Field(min_length=2, max_length=MAX_MESSAGES)] | None = None
    use_activation: bool | None = None
    activation: bool | None = None
    add_special_tokens: bool = True

    @property
    def activated(self) -> bool:
        return next((given for given in (self.use_activation, self.activation) if given is not None), True)


async def classify(body: Classify, client: rlhf.AsyncClient) -> dict[str, Any]:
    scores = numbers(await _scores(body, client), "input" if body.input else "messages")
    return {
        "id": f"classify-{uuid.uuid4().hex}",
        "object": "list",
        "created": int(time.time()),
        "model": body.model,
        "data": [_entry(index, *found, body.activated) for index, found in enumerate(scores)],
    }


async def _scores(body: Classify, client: rlhf.AsyncClient) -> list[rlhf.Score]:
    if (body.input is None) == (body.messages is None):
        given = "both" if body.input else "nothing"
        raise InvalidInput(Problem("input", given, "a text, a list of texts, or messages instead"))
    if body.input:
        return await client.reward.score_sequences(body.input, model=body.model)
    *prompt, answer = [message.plain for message in body.messages or ()]
    if answer["role"] != "assistant":
        raise InvalidInput(Problem("messages[-1].role", repr(answer["role"]), "'assistant', whose answer is scored"))
    return await client.reward.score([(prompt, answer["content"])], model=body.model)


def _entry(index: int, raw: float, normalized: float, activated: bool) -> dict[str, Any]:
    probs = [sigmoid(raw) if activated else raw]
    return {"index": index, "label": "LABEL_0", "probs": probs, "num_classes": 1, "normalized": normalized}
