from pathlib import Path

import pytest

from services.runtime.errors import NotFound
from services.storage.location import open_store
from services.trainer.attempts import StageOutcome, read_json, record_key, spec_key
from services.trainer.records import Progress, RunRecord, RunState, Transition, read_record, read_records, write_record

RECORD = RunRecord(
    id="run-1",
    request_digest="d" * 64,
    created_at=12.5,
    history=(Transition(1, RunState.QUEUED, "", 12.5), Transition(1, RunState.RUNNING, "", 13.0)),
    launch={"launcher": "local", "pid": 7, "started": 13.25, "log": "/log"},
    progress=Progress("sft", 3, 10),
    outcomes=(StageOutcome("sft", "tuned", "1.3-0", "d", {"loss": 0.5}),),
)


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    write_record(store, RECORD)
    assert read_record(store, "run-1") == RECORD
    assert (RECORD.state, RECORD.attempt) == (RunState.RUNNING, 1)


def test_state_and_attempt_stand_at_the_top_for_workers(tmp_path: Path) -> None:
    """They look for a newer attempt and for a cancelled run, and read nothing else."""
    store = open_store(str(tmp_path))
    write_record(store, RECORD.enter(Transition(2, RunState.CANCELLED, "", 14.0)))
    raw = read_json(store, record_key("run-1"))
    assert (raw["state"], raw["attempt"]) == ("cancelled", 2)


def test_a_run_without_a_record_was_never_accepted(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    store.put(spec_key("run-0"), b"{}")
    write_record(store, RECORD)
    assert [record.id for record in read_records(store)] == ["run-1"]
    with pytest.raises(NotFound, match="no run 'run-0'"):
        read_record(store, "run-0")


def test_three_states_are_final() -> None:
    assert [state.value for state in RunState if state.ended] == ["succeeded", "failed", "cancelled"]
