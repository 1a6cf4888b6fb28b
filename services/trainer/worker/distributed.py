"""Several processes for one attempt, started by torchrun: what they tell each other, and models sharded by FSDP2.

Values travel as JSON and files as bytes, so that no rank unpickles anything. Where a rank ends, the next meeting of all
fails on the others and ends them too; its words about why are left in torchrun's store.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from services.trainer.worker import batches
from services.trainer.worker.attempt import Stopped
from services.trainer.worker.ranks import ModelT, OtherRankFailed, RankLost, Ranks, as_it_is

MEETING_TIMEOUT = timedelta(hours=3)  # rank 0 waits for services for less
CHUNK_BYTES = 64 << 20

T = TypeVar("T")


@contextmanager
def join(work_dir: Path) -> Iterator[tuple[Ranks, Path]]:
    """The ranks that torchrun started and a scratch folder below `work_dir`, which the ranks of one node share."""
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    device = torch.device("cuda", local_rank) if torch.cuda.is_available() else torch.device("cpu")
    with ExitStack() as opened:

        def make_scratch() -> str:
            return Path(opened.enter_context(tempfile.TemporaryDirectory(dir=work_dir))).name

        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            yield Ranks(device), work_dir / make_scratch()
            return
        group = Group(device, leads_node=local_rank == 0)
        group.scratch = work_dir / group.first(make_scratch)
        if group.leads_node and not group.scratch.exists():
            group.scratch.mkdir()
            opened.callback(shutil.rmtree, group.scratch, ignore_errors=True)
        dist.barrier()
        yield group, group.scratch
        if not group.broken:
            dist.destroy_process_group()


class Group(Ranks):
    """One rank of several; torchrun's environment variables say which."""

    scratch: Path
    broken = False  # leaving it in order would be waiting for a rank that is no more

    def __init__(self, device: torch.device, leads_node: bool) -> None:
        super().__init__(device)
        self.leads_node = leads_node
        backend = "gloo"
        if device.type == "cuda":
            torch.cuda.set_device(device)
            backend = "cpu:gloo,cuda:nccl"
        dist.init_process_group(backend, timeout=MEETING_TIMEOUT)
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        store = dist.TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), wait_for_workers=False)
        self._words = dist.PrefixStore("words", store)
        self._mesh = init_device_mesh(device.type, (self.size,))

    def first(self, action: Callable[[], T], read: Callable[[Any], T] = as_it_is) -> T:
        if self.rank == 0:
            try:
                value = action()
            except Exception as error:
                self._broadcast({"stopped" if isinstance(error, Stopped) else "failed": str(error)})
                raise
            self._broadcast({"value": value})
            return value
        told = self._broadcast(None)
        if "stopped" in told:
            raise Stopped(told["stopped"])
        if "failed" in told:
            raise RankLost(f"rank 0 failed: {told['failed']}")
        return read(told["value"])

    def fetch(self, action: Callable[[], Path]) -> Path:
        """Nodes that do not see rank 0's copy are sent one, to the same place in their scratch folder."""
        place = self.scratch / self.first(lambda: action().relative_to(self.scratch).as_posix())
        missing = not place.exists()
        if self.sums({"missing": missing})["missing"]:
            self._send(place, missing and self.leads_node)
        return place

    def discard(self, path: Path, remove: Callable[[Path], None]) -> None:
        dist.barrier()
        if self.leads_node:
            remove(path)

    def shard(self, model: ModelT, *called: nn.Module) -> ModelT:
        blocks = {name for part in model.modules() for name in getattr(part, "_no_split_modules", None) or ()}
        units = [part for part in model.modules() if type(part).__name__ in blocks]
        for unit in [*units, *(called or [model])]:
            # Parameters are whole within a forward or backward alone, so that all else finds their shards.
            sharded = fully_shard(unit, mesh=self._mesh, reshard_after_forward=True)
            sharded.set_gradient_divide_factor(1.0)
            sharded.set_force_sum_reduction_for_comms(True)  # gloo knows no other way to multiply by one
        return model

    def micro_batches(
        self, indexes: Sequence[int], lengths: Sequence[int], sizes: Sequence[int], size: int
    ) -> list[tuple[list[int], int]]:
        """Dealt out in turn, longest first; small enough for every rank to get some."""
        share = -(-sum(sizes[index] for index in indexes) // self.size)
        pieces = batches.micro_batches(indexes, lengths, sizes, min(size or share, share))
        rounds = -(-len(pieces) // self.size)
        own = [(piece, 1) for piece in pieces[self.rank :: self.size]]
        return own + [(pieces[-1], 0)] * (rounds - len(own))

    def sums(self, values: Mapping[str, float]) -> dict[str, float]:
        totals = self.merge(torch.tensor([float(value) for value in values.values()], dtype=torch.float64))
        return dict(zip(values, totals.tolist(), strict=True))

    def merge(self, tensor: Tensor) -> Tensor:
        dist.all_reduce(tensor)
        return tensor

    def leave_word(self, words: str) -> None:
        """For rank 0, which is about to lose this rank."""
        self._words.set(str(self.rank), words)

    def cause(self, error: Exception) -> Exception:
        lost = isinstance(error, dist.DistError) or "gloo" in str(error).lower()
        self.broken = not isinstance(error, Stopped)
        if self.rank == 0 and (lost or isinstance(error, Stopped)):  # torchrun stops the others when one fails
            for rank in range(1, self.size):
                if words := self._word_of(rank):
                    return OtherRankFailed(f"rank {rank}: {words}")
        return RankLost(f"another process of this attempt ended without a word: {error}") if lost else error

    def _word_of(self, rank: int) -> str:
        try:
            return self._words.get(str(rank)).decode() if self._words.check([str(rank)]) else ""
        except RuntimeError:  # torchrun is gone, too
            return ""

    def _broadcast(self, value: Any) -> Any:
        """From rank 0, as JSON."""
        text = json.dumps(value, default=asdict).encode() if self.rank == 0 else b""
        length = torch.tensor([len(text)])
        dist.broadcast(length, src=0)
        data = torch.frombuffer(bytearray(text or int(length)), dtype=torch.uint8)
        dist.broadcast(data, src=0)
        return json.loads(data.numpy().tobytes())

    def _send(self, place: Path, write: bool) -> None:
        """A file or folder of rank 0, to the ranks that `write` it."""

        def listing() -> list[tuple[str, int]]:
            files = [place] if place.is_file() else sorted(path for path in place.rglob("*") if path.is_file())
            return [(file.relative_to(place).as_posix(), file.stat().st_size) for file in files]

        for name, size in self.first(listing):
            path = place / name
            if write:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._send_file(path, size, write)
        dist.barrier()

    def _send_file(self, path: Path, size: int, write: bool) -> None:
        mode = "rb" if self.rank == 0 else "wb"
        with open(path if self.rank == 0 or write else os.devnull, mode) as file:
            for start in range(0, size, CHUNK_BYTES):
                length = min(CHUNK_BYTES, size - start)
                data = bytearray(file.read(length)) if self.rank == 0 else bytearray(length)
                chunk = torch.frombuffer(data, dtype=torch.uint8)
                dist.broadcast(chunk, src=0)
                if self.rank:
                    file.write(data)


class Absent:
    """Stands where rank 0 alone has something; calling it means that a stage has forgotten `Ranks.first`."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> "Absent":
        return Absent(f"{self._name}.{name}")

    def __call__(self, *_: Any, **__: Any) -> Any:
        raise AssertionError(f"only rank 0 may call {self._name}")
