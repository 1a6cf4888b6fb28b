"""The policy's weights on their way to the generator: one version per step, named exactly."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from services.storage.models import Version
from services.trainer.worker.context import StageContext
from services.trainer.worker.experience import Rollout

KEPT_VERSIONS = 4
GRACE_SECONDS = 30.0  # a replica may just be fetching a version that is no longer acceptable


@dataclass
class WeightPublisher:
    """`acceptable` may answer the next Generate, the newest first; older ones go after a while."""

    context: StageContext
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    max_staleness: int
    acceptable: list[Version] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.context.attempt.objects.run_id}-{self.context.stage}"

    def lag(self, rollouts: Sequence[Rollout]) -> float:
        """Mean number of steps by which the weights that made the rollouts are older than the newest."""
        ages = {version.digest: age for age, version in reversed(list(enumerate(self.acceptable)))}
        return fmean(ages[rollout.digest] for rollout in rollouts)

    def publish(self, step: int) -> Version:
        """After `step` steps."""
        version = self.context.publish(self.name, self.model, self.tokenizer, step, kind="training")
        # The versions of one request share a name; the starting policy has another one.
        older = [known for known in self.acceptable if known.model == version.model]
        self.acceptable = [version, *older][: self.max_staleness + 1]
        keep = {known.version for known in self.acceptable}
        self.context.ranks.first(lambda: self.context.models.prune(self.name, keep, KEPT_VERSIONS, GRACE_SECONDS))
        return version
