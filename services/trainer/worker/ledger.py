"""Which rollouts each step used: persisted before use, found again on resume, counted beside the calls."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from services.storage.models import Version
from services.trainer.attempts import Attempt, lineage, read_json
from services.trainer.worker.experience import Rollout, read_rollouts, scored

KEPT_STEPS = 32  # older rollouts go; the newest ones are for people to read and for a resume


class BadExperience(AssertionError):
    """A rollout that must not be learnt from."""


@dataclass
class Ledger:
    """Of one stage of one attempt. `calls` and `items` count what was answered, by RPC method."""

    attempt: Attempt
    stage: str
    calls: dict[str, int] = field(default_factory=dict)
    items: dict[str, int] = field(default_factory=dict)
    used: int = 0  # rollouts

    def record(self, step: int, rollouts: Sequence[Rollout], acceptable: Sequence[Version]) -> None:
        """Persists what step `step` (0-based) is about to use, and for people to read those whose score failed.

        Raises BadExperience unless every rollout is there once and was made by the bytes of an acceptable version.
        """
        check(rollouts, acceptable)
        self.used += len(scored(rollouts))
        counts = {"calls": self.calls, "items": self.items, "used": self.used}
        value = {"step": step, **counts, "rollouts": [asdict(rollout) for rollout in rollouts]}
        self.attempt.store.put(self._key(self.attempt, step), json.dumps(value).encode())
        if step >= KEPT_STEPS:
            self.attempt.store.delete(self._key(self.attempt, step - KEPT_STEPS))

    def replay(self, step: int, acceptable: Sequence[Version]) -> list[Rollout] | None:
        """What an ancestor persisted for this step, if it was made by the bytes that are acceptable now."""
        digests = {version.digest for version in acceptable}
        for ancestor, _ in lineage(self.attempt.store, self.attempt.run_id, self.attempt.number)[1:]:
            value = read_json(self.attempt.store, self._key(ancestor, step))
            if value and {rollout["digest"] for rollout in value["rollouts"]} <= digests:
                return read_rollouts(value["rollouts"])
        return None

    def _key(self, attempt: Attempt, step: int) -> str:
        return f"{attempt.prefix}rollouts/{self.stage}/{step:08d}.json"


def check(rollouts: Sequence[Rollout], acceptable: Sequence[Version]) -> None:
    places = {(rollout.place, rollout.sample) for rollout in rollouts}
    if len(places) != len(rollouts):
        raise BadExperience("a rollout was handed out twice")
    digests = {version.digest for version in acceptable}
    strangers = sorted({rollout.version for rollout in rollouts if rollout.digest not in digests})
    if strangers:
        raise BadExperience(f"rollouts of {strangers}, acceptable are {[str(version) for version in acceptable]}")
