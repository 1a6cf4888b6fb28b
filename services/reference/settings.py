from dataclasses import dataclass

from services.serving.settings import BatchServerSettings


@dataclass(frozen=True)
class ReferenceSettings(BatchServerSettings):
    port: int = 50053
    metrics_port: int = 9053
