"""The reference service: how likely a frozen model finds given tokens."""

from collections.abc import Sequence
from dataclasses import dataclass

from rlhf.calls import Async, Sync, Unary, method
from rlhf.v1 import reference_pb2
from rlhf.versions import ModelName, ModelVersion, version_from


@dataclass(frozen=True)
class LogProbs:
    """`sequences[i]` is as long as the i-th response (nats per token)."""

    sequences: list[list[float]]
    model_version: ModelVersion


def log_probs_from(message: reference_pb2.LogProbsResponse) -> LogProbs:
    return LogProbs([list(sequence.log_probs) for sequence in message.sequences], version_from(message.model_version))


class ReferenceCalls:
    @method
    def log_probs(
        self,
        sequences: Sequence[tuple[Sequence[int], Sequence[int]]],
        *,
        model: ModelName,
        temperature: float = 1.0,
        deterministic: bool = False,
        timeout: float = 120.0,
    ) -> Unary[LogProbs]:
        """Log-probs of the response tokens of (prompt_ids, response_ids) pairs; logits are divided by `temperature`."""
        request = reference_pb2.LogProbsRequest(
            model=str(model),
            sequences=[reference_pb2.TokenSequence(prompt_ids=p, response_ids=r) for p, r in sequences],
            temperature=temperature,
            deterministic=deterministic,
        )
        return Unary("LogProbs", request, log_probs_from, timeout)


class Reference(ReferenceCalls, Sync):
    """`client.reference`"""


class AsyncReference(ReferenceCalls, Async):
    """`client.reference` of an AsyncClient."""
