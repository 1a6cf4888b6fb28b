"""Services of a test's own, which it may kill: the committed base model, a judge over it, and a few rows of data."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import rlhf

from services.language_model.loading import load_tokenizer, new_reward, save
from services.local import Services
from services.simulator.base_model import WEIGHTS
from services.storage import open_store
from services.storage.object_store import ObjectStore
from services.trainer.attempts import Attempt, read_json, record_key
from tests.e2e.small_road import ROWS, first_rows

SAMPLES = 16  # of a PPO step


@dataclass(frozen=True)
class Workplace:
    services: Services
    client: rlhf.Client
    store: ObjectStore  # the services' own, for what they tell nobody
    folder: Path

    def ppo(self, steps: int, **settings: Any) -> rlhf.Ppo:
        """Over models and prompts that `stock` brought, with a checkpoint after every second step."""
        given = {"policy_model": "base", "reward_model": "judge", "prompts": "prompts", **settings}
        shape = {"prompts_per_step": SAMPLES // 2, "samples_per_prompt": 2, "max_new_tokens": 12}
        return rlhf.Ppo(steps=steps, checkpoint_every=2, **shape, **given)

    def attempt(self, run: rlhf.Run, number: int = 1) -> Attempt:
        return Attempt(self.store, run.id, number)

    def record(self, run: rlhf.Run) -> dict[str, Any]:
        return read_json(self.store, record_key(run.id)) or {}

    def worker(self, run: rlhf.Run) -> psutil.Process:
        """Of the attempt under way."""
        return psutil.Process(self.record(run)["launch"]["pid"])


@contextmanager
def workplace(folder: Path, storage: str = "", gateway: bool = False, **flags: tuple[str, ...]) -> Iterator[Workplace]:
    """Storage is `folder`/storage unless a URL is given; `flags` by service."""
    where = storage or str(folder / "storage")
    with (
        Services(where, folder / "services", flags=flags, gateway=gateway) as services,
        rlhf.Client(**services.addresses) as client,
    ):
        stock(client, folder)
        yield Workplace(services, client, open_store(where), folder)


def stock(client: rlhf.Client, folder: Path) -> None:
    save(new_reward(WEIGHTS, seed=0), load_tokenizer(WEIGHTS), folder / "judge")
    client.models.upload(WEIGHTS, name="base")
    client.models.upload(folder / "judge", name="judge")
    for kind in ROWS:
        client.datasets.upload(first_rows(kind, folder), name=kind)


def alive(process: psutil.Process) -> bool:
    """A zombie is dead: nobody has asked yet how it ended."""
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
