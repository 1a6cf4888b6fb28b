from pathlib import Path

import pytest

from services.storage.location import open_store
from services.storage.object_store import ObjectStore
from services.trainer import logs
from services.trainer.logs import LogKeeper


class Printed:
    """What a worker has printed so far."""

    def __init__(self) -> None:
        self.data = b""

    def read(self, offset: int, limit: int) -> bytes:
        return self.data[offset : offset + limit]


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store(str(tmp_path))


@pytest.fixture
def printed() -> Printed:
    return Printed()


def chunks(store: ObjectStore) -> list[str]:
    return [info.key for info in store.list("runs/run-1/attempts/1/log")]


def test_whole_lines_are_shipped_until_the_last_time(store: ObjectStore, printed: Printed) -> None:
    keeper = LogKeeper(store, "run-1", 1, printed.read)
    printed.data = b"one\ntw"
    keeper.ship()
    assert logs.read_log(store, "run-1", 1, 0) == b"one\n"
    printed.data += b"o\nthree"
    keeper.ship()
    assert logs.read_log(store, "run-1", 1, 4) == b"two\n"
    keeper.ship(last=True)
    assert logs.read_log(store, "run-1", 1, 0) == b"one\ntwo\nthree"


def test_another_control_plane_goes_on_where_the_first_was(store: ObjectStore, printed: Printed) -> None:
    printed.data = b"one\n"
    LogKeeper(store, "run-1", 1, printed.read).ship()
    printed.data += b"two\n"
    LogKeeper(store, "run-1", 1, printed.read).ship()
    assert logs.read_log(store, "run-1", 1, 0) == b"one\ntwo\n"


def test_compaction_leaves_one_object_and_every_byte(store: ObjectStore, printed: Printed) -> None:
    keeper = LogKeeper(store, "run-1", 1, printed.read)
    for number in range(5):
        printed.data += f"line {number}\n".encode()
        keeper.ship()
    assert len(chunks(store)) == 5
    logs.compact(store, "run-1", 1)
    assert len(chunks(store)) == 1
    assert logs.read_log(store, "run-1", 1, 0) == printed.data
    assert logs.read_log(store, "run-1", 1, 14) == printed.data[14:]


def test_a_log_is_bounded_and_says_so(store: ObjectStore, printed: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "MAX_LOG_BYTES", 1000)
    monkeypatch.setattr(logs, "CHUNK_BYTES", 300)
    printed.data = b"spam spam\n" * 1000
    keeper = LogKeeper(store, "run-1", 1, printed.read)
    for _ in range(3):
        keeper.ship()
    kept = logs.read_log(store, "run-1", 1, 0)
    assert kept[:1000] == printed.data[:1000]
    assert kept[1000:] == b"\n... the rest of this log is left out: it is longer than 16 MiB\n"


def test_the_tail_is_what_explains_a_failure(store: ObjectStore, printed: Printed) -> None:
    printed.data = b"".join(f"line {n}\n".encode() for n in range(100)) + b"MemoryError\n"
    LogKeeper(store, "run-1", 1, printed.read).ship(last=True)
    assert logs.tail(store, "run-1", 1).splitlines()[-2:] == ["line 99", "MemoryError"]


async def test_a_stream_goes_through_all_attempts(store: ObjectStore, printed: Printed) -> None:
    printed.data = b"first\n"
    LogKeeper(store, "run-1", 1, printed.read).ship(last=True)
    printed.data = b"second\n" * 100_000
    LogKeeper(store, "run-1", 2, printed.read).ship(last=True)
    pieces = [p async for p in logs.stream(store, "run-1", lambda: 2, lambda: True, follow=True)]
    assert pieces[0].text == "first\n"
    assert {p.attempt for p in pieces[1:]} == {2}
    assert "".join(p.text for p in pieces[1:]) == "second\n" * 100_000
    assert all(p.text.endswith("\n") and len(p.text) <= logs.CHUNK_BYTES for p in pieces)
