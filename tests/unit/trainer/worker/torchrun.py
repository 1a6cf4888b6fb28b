"""The worker in several processes, as a launcher starts it; nobody listens at the services' addresses."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.unit.trainer.worker.small_world import SmallWorld

NOBODY = "127.0.0.1:1"
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--max-restarts=0")


@contextmanager
def torchrun(
    world: SmallWorld, number: int, processes: int = 2, module: str = "services.trainer.worker"
) -> Iterator[subprocess.Popen]:
    """Attempt `number` of the world's run; it prints to `log.txt` in a folder of its own."""
    folder = world.folder / str(number)
    folder.mkdir()
    flags = ["--storage", str(world.folder / "storage"), "--run", world.run_id, "--attempt", str(number)]
    flags += [text for name in ("trainer", "policy", "reward", "reference") for text in (f"--{name}", NOBODY)]
    command = [sys.executable, *TORCHRUN, f"--nproc-per-node={processes}", "-m", "--", module, *flags]
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen([*command, "--work-dir", str(folder)], stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)
