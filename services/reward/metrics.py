from collections.abc import Callable

from prometheus_client import REGISTRY, CollectorRegistry

from services.reward.scores import Reason
from services.runtime.definitions import counter
from services.serving.metrics import MODEL, Child, Definitions, ModelSeries, ServingMetrics


class RewardDefinitions(Definitions):
    def __init__(self) -> None:
        super().__init__("reward", "items")
        self.failed_scores = counter(
            "rlhf_reward_failed_scores_total", "items", "Items that got no score, by reason", (*MODEL, "reason")
        )
        self.truncated = counter(
            "rlhf_reward_truncated_total", "items", "Items whose prompt lost its start to fit the context", MODEL
        )


DEFINITIONS = RewardDefinitions()


class RewardSeries(ModelSeries):
    def __init__(self, child: Child, clock: Callable[[], float]) -> None:
        super().__init__(DEFINITIONS, child, clock)
        self.truncated = child(DEFINITIONS.truncated)
        self.failed = {reason: child(DEFINITIONS.failed_scores, reason) for reason in Reason}


RewardMetrics = ServingMetrics[RewardSeries]


def reward_metrics(registry: CollectorRegistry = REGISTRY) -> RewardMetrics:
    return ServingMetrics(DEFINITIONS, RewardSeries, registry)
