from functools import partial

from prometheus_client import REGISTRY, CollectorRegistry

from services.serving.metrics import Definitions, ModelSeries, ServingMetrics

DEFINITIONS = Definitions("reference", "sequences")
ReferenceMetrics = ServingMetrics[ModelSeries]


def reference_metrics(registry: CollectorRegistry = REGISTRY) -> ReferenceMetrics:
    return ServingMetrics(DEFINITIONS, partial(ModelSeries, DEFINITIONS), registry)
