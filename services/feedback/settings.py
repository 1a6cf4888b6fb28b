"""Settings of the feedback service."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from services.runtime.errors import Problem
from services.runtime.settings import ServerSettings, not_positive


@dataclass(frozen=True)
class FeedbackSettings(ServerSettings):
    port: int = 50055
    metrics_port: int = 9055
    policy: str = "127.0.0.1:50051"  # who generates the responses of campaigns
    reward: str = "127.0.0.1:50052"  # who scores them, for pairs drawn by uncertainty
    work_dir: Path = (
        Path.home() / ".cache" / "rlhf" / "feedback"
    )  # of imports and exports; nothing in it is needed later
    lease_minutes: float = 30.0  # how long an item is kept for a rater who does not answer
    max_campaigns: int = 1000
    max_items: int = 100_000  # of one campaign
    max_campaign_mib: int = 1024  # of the texts of one campaign
    max_raters: int = 10_000
    max_import_mib: int = 512

    def problems(self) -> Iterator[Problem]:
        yield from super().problems()
        yield from not_positive(self, "lease_minutes", "max_campaigns", "max_items", "max_campaign_mib")
        yield from not_positive(self, "max_raters", "max_import_mib")
