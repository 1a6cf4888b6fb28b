"""The policy's weights on their way to the generator: one version per step, named exactly."""

from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import fmean
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from services.storage.models import TRAINING, Version
from services.trainer.worker import checkpoints
from services.trainer.worker.context import StageContext, read_version
from services.trainer.worker.experience import Rollout

KEPT_VERSIONS = 4
GRACE_SECONDS = 30.0  # a replica may just be fetching a version that is no longer acceptable


@dataclass
class WeightPublisher:
    """`acceptable` may have made the next step's rollouts, the newest first: a version's place is its age in steps.

    Others are deleted after a while, unless a checkpoint that is still there names them.
    """

    context: StageContext
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    max_staleness: int
    acceptable: list[Version] = field(default_factory=list)
    named: deque[list[Version]] = field(default_factory=lambda: deque(maxlen=checkpoints.KEPT))  # by the newest ones

    @property
    def name(self) -> str:
        return f"{self.context.attempt.objects.run_id}-{self.context.stage}"

    def asked(self, step: int) -> list[Version]:
        """What Generate may answer the 0-based `step` with.

        All that is acceptable and of one name, which is what a request can name. A deterministic run leaves no choice:
        it stays with one version for `max_staleness + 1` steps.
        """
        if self.context.deterministic:
            return [self.acceptable[step % (self.max_staleness + 1)]]
        return [version for version in self.acceptable if version.model == self.acceptable[0].model]

    def lag(self, rollouts: Sequence[Rollout]) -> float:
        """Mean number of steps by which the weights that made the rollouts are older than the newest."""
        ages = {version.digest: age for age, version in reversed(list(enumerate(self.acceptable)))}
        return fmean(ages[rollout.digest] for rollout in rollouts)

    def publish(self, step: int) -> Version:
        """After `step` steps."""
        version = self.context.publish(self.name, self.model, self.tokenizer, step, kind=TRAINING)
        self.acceptable = [version, *self.acceptable][: self.max_staleness + 1]
        keep = {known.version for versions in (self.acceptable, *self.named) for known in versions}
        self.context.ranks.first(lambda: self.context.models.prune(self.name, keep, KEPT_VERSIONS, GRACE_SECONDS))
        return version

    def state(self) -> list[dict[str, Any]]:
        """For a checkpoint: what stays acceptable beside the version that is published next."""
        self.named.append(self.acceptable[: self.max_staleness])
        return [asdict(version) for version in self.named[-1]]

    def restore(self, step: int, state: list[dict[str, Any]]) -> None:
        """Publishes the weights after `step` again, the same bytes under this attempt's id: rollouts made under the
        other id are known by the digest. Older versions are those that the checkpoint names."""
        self.acceptable = [read_version(value) for value in state]
        self.named.append(self.acceptable)
        self.publish(step)
