from pathlib import Path

from services.storage.location import open_store
from services.trainer.attempts import Attempt, Base
from services.trainer.history import happenings
from services.trainer.records import RunRecord, RunState, Transition

HISTORY = [
    (1, RunState.QUEUED, ""),
    (1, RunState.QUEUED, "no node has room for it"),
    (1, RunState.RUNNING, ""),
    (1, RunState.RUNNING, "the trainer came back and found the worker alive"),
    (2, RunState.QUEUED, "its pod was evicted"),
    (3, RunState.QUEUED, "its Job was deleted"),
    (3, RunState.CANCELLED, "somebody cancelled it"),
]


def test_each_change_has_its_time_a_word_for_machines_and_a_message_for_people(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    Attempt(store, "run-1", 2).write_base(Base())
    Attempt(store, "run-1", 3).write_base(Base(1, "ppo", 20))
    history = tuple(Transition(*entry, at=float(at)) for at, entry in enumerate(HISTORY))
    told = list(happenings(store, RunRecord("run-1", "", 0.0, history)))
    assert [event.at for event in told] == [0, 1, 2, 3, 4, 5, 6]
    assert [(event.attempt, event.reason, event.message) for event in told] == [
        (1, "Queued", "the run was accepted"),
        (1, "Waiting", "no node has room for it"),
        (1, "Running", "the worker runs"),
        (1, "Adopted", "the trainer came back and found the worker alive"),
        (2, "Queued", "attempt 2 starts from the beginning: its pod was evicted"),
        (3, "Queued", "attempt 3 goes on from step 20 of stage ppo: its Job was deleted"),
        (3, "Cancelled", "somebody cancelled it"),
    ]
