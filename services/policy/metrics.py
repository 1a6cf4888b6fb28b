from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram

from services.runtime.metrics import SECONDS
from services.serving.metrics import ServingMetrics


class PolicyMetrics(ServingMetrics):
    def __init__(self, registry: CollectorRegistry = REGISTRY):
        super().__init__("policy", "samples", registry)
        self.generation_tokens = Counter("rlhf_policy_generation_tokens", "Tokens sampled", registry=registry)
        self.first_token = Histogram(
            "rlhf_policy_time_to_first_token_seconds", "Until a stream's first text", buckets=SECONDS, registry=registry
        )
