from dataclasses import replace
from pathlib import Path

import pytest

from services.storage import open_store
from services.storage.models import Version
from services.trainer import attempts
from services.trainer.attempts import Attempt, Base
from services.trainer.worker import ledger as module
from services.trainer.worker.experience import Rollout, scored
from services.trainer.worker.ledger import BadExperience, Ledger


def version(digest: str, name: str = "1.3-a") -> Version:
    return Version("run-1-ppo", name, digest, 0.0)


def rollout(place: int, digest: str = "d3", score: float | None = 0.1) -> Rollout:
    # 0.1 and its neighbours have no short binary form: what comes back must be the same float
    logprobs = [-0.1, -1 / 3, -2.7182817459106445]
    return Rollout(
        place=place,
        sample=0,
        prompt=place,
        prompt_ids=[1, 2],
        response_ids=[3, 4, 5],
        log_probs=logprobs,
        ended=True,
        text="é ü",
        version="run-1-ppo@1.3-a",
        digest=digest,
        score=score,
        raw_score=score,
        score_error="" if score is not None else "too long",
        reference_log_probs=logprobs,
    )


@pytest.fixture
def first(tmp_path: Path) -> Attempt:
    return Attempt(open_store(str(tmp_path)), "run-1", 1)


def successor(first: Attempt) -> Attempt:
    second = Attempt(first.store, first.run_id, 2)
    second.write_base(Base(1, "ppo", 3))
    return second


def test_a_successor_finds_the_same_rollouts_where_the_weights_are_the_same(first: Attempt) -> None:
    rollouts = [rollout(0), rollout(1, score=None)]
    Ledger(first, "ppo").record(3, rollouts, [version("d3")])
    second = Ledger(successor(first), "ppo")
    assert second.replay(3, [version("d3", name="2.3-b")]) == rollouts
    assert second.replay(3, [version("other")]) is None
    assert second.replay(4, [version("d3")]) is None


def test_an_attempt_does_not_replay_itself(first: Attempt) -> None:
    ledger = Ledger(first, "ppo")
    ledger.record(3, [rollout(0)], [version("d3")])
    assert ledger.replay(3, [version("d3")]) is None


def test_a_rollout_without_a_score_is_kept_to_read_and_not_used(first: Attempt) -> None:
    ledger = Ledger(first, "ppo")
    rollouts = [rollout(0), rollout(1, score=None), rollout(2)]
    ledger.record(0, rollouts, [version("d3")])
    assert [r.place for r in scored(rollouts)] == [0, 2]
    assert ledger.used == 2
    stored = attempts.read_json(first.store, f"{first.prefix}rollouts/ppo/00000000.json")
    assert [r["score_error"] for r in stored["rollouts"]] == ["", "too long", ""]


def test_a_rollout_that_comes_twice_is_refused(first: Attempt) -> None:
    with pytest.raises(BadExperience, match="twice"):
        Ledger(first, "ppo").record(0, [rollout(0), replace(rollout(0), response_ids=[9])], [version("d3")])


def test_a_rollout_of_weights_that_are_too_old_is_refused(first: Attempt) -> None:
    acceptable = [version("d5", "1.5-e"), version("d4", "1.4-d")]
    Ledger(first, "ppo").record(5, [rollout(0, "d5"), rollout(1, "d4")], acceptable)
    with pytest.raises(BadExperience, match=r"rollouts of \['run-1-ppo@1.3-a'\], acceptable are .*1\.5-e"):
        Ledger(first, "ppo").record(5, [rollout(0, "d5"), rollout(1, "d3")], acceptable)


def test_old_rollouts_go(first: Attempt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_STEPS", 3)
    ledger = Ledger(first, "ppo")
    for step in range(6):
        ledger.record(step, [rollout(0)], [version("d3")])
    kept = [info.key.split("/")[-1] for info in first.store.list(f"{first.prefix}rollouts/ppo")]
    assert kept == ["00000003.json", "00000004.json", "00000005.json"]
