"""What `test_distributed` has two ranks do: each sees its own disk, as on two machines, and prints what it found."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from services.trainer.worker import distributed
from services.trainer.worker.attempt import Stopped
from services.trainer.worker.distributed import Group

LENGTHS = [9, 3, 7, 5, 2, 8, 4]


@dataclass(frozen=True)
class Point:
    x: float
    name: str


def fetched(group: Group) -> str:
    """What a rank reads of a folder that rank 0 fetched, and what is left of it in the end."""

    def fetch() -> Path:
        folder = group.scratch / "models" / "abc"
        (folder / "inner").mkdir(parents=True)
        (folder / "weights").write_bytes(bytes(range(256)) * 10)
        (folder / "empty").touch()
        (folder / "inner" / "config.json").write_text("{}")
        return folder

    folder = group.fetch(fetch)
    files = {str(f.relative_to(folder)): len(f.read_bytes()) for f in sorted(folder.rglob("*")) if f.is_file()}
    assert (folder / "weights").read_bytes() == bytes(range(256)) * 10
    group.discard(folder, lambda path: [file.unlink() for file in path.rglob("*") if file.is_file()])
    left = sum(file.is_file() for file in folder.rglob("*"))
    return f"{files} then {left}"


def ending(group: Group, error: Exception) -> str:
    def fail() -> None:
        raise error

    try:
        group.first(fail)
    except Exception as raised:
        return f"{type(raised).__name__}: {raised}"
    return "nothing"


def main(work_dir: Path) -> dict[str, Any]:
    distributed.CHUNK_BYTES = 1000
    with distributed.join(work_dir) as (group, scratch):
        assert isinstance(group, Group)
        found = {
            "rank": group.rank,
            "point": str(group.first(lambda: Point(0.1, "é"), lambda value: Point(**value))),
            "fetched": fetched(group),
            "dealt": [group.micro_batches(range(count), LENGTHS, [1] * 7, 2) for count in (7, 3, 1)],
            "sums": group.sums({"a": 0.1, "b": group.rank}),
            "merged": group.merge(torch.tensor([1.0, group.rank])).tolist(),
            "stopped": ending(group, Stopped("the run was cancelled")),
            "failed": ending(group, ValueError("no such model")),
        }
        if group.rank == 1:
            group.leave_word("out of ideas")
        group.sums({"meeting": 0.0})
        found["own"] = repr(group.cause(ValueError("mine")))
        found["cause"] = repr(group.cause(RuntimeError("[/gloo/pair.cc:1] Connection closed by peer")))
        found["left"] = [path.name for path in scratch.rglob("*") if path.is_file()]
    return found | {"work_dir": [path.name for path in work_dir.iterdir()]}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
