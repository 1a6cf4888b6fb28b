from collections.abc import Callable

from prometheus_client import REGISTRY, CollectorRegistry

from services.runtime.definitions import counter, histogram
from services.serving.metrics import MODEL, Child, Definitions, ModelSeries, ServingMetrics


class PolicyDefinitions(Definitions):
    def __init__(self) -> None:
        super().__init__("policy", "samples")
        self.generation_tokens = counter("rlhf_policy_generation_tokens_total", "tokens", "Tokens sampled", MODEL)
        self.first_token = histogram(
            "rlhf_policy_time_to_first_token_seconds", "seconds", "From a stream's arrival to its first text", MODEL
        )
        self.token_time = histogram(
            "rlhf_policy_time_per_output_token_seconds",
            "seconds",
            "One decoding step, in which every running sequence gains a token; prefills included",
            MODEL,
        )


DEFINITIONS = PolicyDefinitions()


class PolicySeries(ModelSeries):
    def __init__(self, child: Child, clock: Callable[[], float]) -> None:
        super().__init__(DEFINITIONS, child, clock)
        self.generation_tokens = child(DEFINITIONS.generation_tokens)
        self.first_token = child(DEFINITIONS.first_token)
        self.token_time = child(DEFINITIONS.token_time)


PolicyMetrics = ServingMetrics[PolicySeries]


def policy_metrics(registry: CollectorRegistry = REGISTRY) -> PolicyMetrics:
    return ServingMetrics(DEFINITIONS, PolicySeries, registry)
