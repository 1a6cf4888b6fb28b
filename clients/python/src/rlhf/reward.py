"""The reward service: how good a response is."""

from collections.abc import Sequence
from dataclasses import dataclass

from rlhf.calls import Async, Sync, Unary, method
from rlhf.inputs import Prompt, Response, prompt_message, response_message
from rlhf.v1 import reward_pb2
from rlhf.versions import ModelName, ModelVersion, version_from


@dataclass(frozen=True)
class Score:
    """A response's score, or the reason why there is none; then the numbers are None, never 0.

    `normalized` is `raw` (the logit) less the model's offset, so that demonstrations average 0. With several models
    both are means over them, `member_scores` are theirs one by one and `spread` is the standard deviation.
    """

    raw: float | None
    normalized: float | None
    member_scores: list[float]
    spread: float | None
    truncated: bool
    error: str | None
    model_versions: list[ModelVersion]

    @property
    def ok(self) -> bool:
        return self.error is None


@dataclass(frozen=True)
class RankedResponse:
    """`index` is the response's place in the list that was ranked."""

    index: int
    response: Response
    score: Score


def score_from(message: reward_pb2.Score) -> Score:
    ok = message.status == reward_pb2.SCORE_STATUS_OK
    return Score(
        raw=message.raw if ok else None,
        normalized=message.normalized if ok else None,
        member_scores=list(message.member_scores) if ok else [],
        spread=message.spread if ok else None,
        truncated=message.truncated,
        error=None if ok else message.error or "the service gave no reason",
        model_versions=[version_from(version) for version in message.model_versions],
    )


class RewardCalls:
    @method
    def score(
        self,
        pairs: Sequence[tuple[Prompt, Response]],
        *,
        model: ModelName | Sequence[ModelName] = "reward/default",
        tokenizer_digest: str = "",
        deterministic: bool = False,
        timeout: float = 120.0,
    ) -> Unary[list[Score]]:
        """Scores (prompt, response) pairs, in their order. A list of models is an ensemble.

        Pairs given as token ids need the digest of the tokenizer that made them.
        """
        request = reward_pb2.ScoreRequest(
            models=_models(model),
            items=[_item(prompt, response, f"pairs[{i}]") for i, (prompt, response) in enumerate(pairs)],
            tokenizer_digest=tokenizer_digest,
            deterministic=deterministic,
        )
        return Unary("Score", request, lambda response: [score_from(score) for score in response.scores], timeout)

    @method
    def score_sequences(
        self,
        sequences: Sequence[str],
        *,
        model: ModelName | Sequence[ModelName] = "reward/default",
        timeout: float = 120.0,
    ) -> Unary[list[Score]]:
        """Scores texts that hold prompt and response as the reward model's own chat template writes them.

        Special tokens are read where they are spelled, so nothing of it may come from people unchecked.
        """
        items = [reward_pb2.ScoreItem(sequence=sequence) for sequence in sequences]
        request = reward_pb2.ScoreRequest(models=_models(model), items=items)
        return Unary("Score", request, lambda response: [score_from(score) for score in response.scores], timeout)

    @method
    def rank(
        self,
        prompt: Prompt,
        responses: Sequence[Response],
        *,
        model: ModelName | Sequence[ModelName] = "reward/default",
        tokenizer_digest: str = "",
        timeout: float = 120.0,
    ) -> Unary[list[RankedResponse]]:
        """Sorts responses to one prompt, best first; those without a score come last."""
        request = reward_pb2.RankRequest(
            models=_models(model),
            prompt=prompt_message(prompt),
            responses=[response_message(response, f"responses[{i}]") for i, response in enumerate(responses)],
            tokenizer_digest=tokenizer_digest,
        )

        def ranked(answer: reward_pb2.RankResponse) -> list[RankedResponse]:
            return [RankedResponse(r.index, responses[r.index], score_from(r.score)) for r in answer.ranked]

        return Unary("Rank", request, ranked, timeout)


def _item(prompt: Prompt, response: Response, field: str) -> reward_pb2.ScoreItem:
    return reward_pb2.ScoreItem(prompt=prompt_message(prompt, field), response=response_message(response, field))


def _models(model: ModelName | Sequence[ModelName]) -> list[str]:
    return [str(model)] if isinstance(model, str | ModelVersion) else [str(member) for member in model]


class Reward(RewardCalls, Sync):
    """`client.reward`"""


class AsyncReward(RewardCalls, Async):
    """`client.reward` of an AsyncClient."""
