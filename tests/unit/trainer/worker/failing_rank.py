"""The worker, whose rank 1 comes to grief in its third step: RANK_1 says how."""

import os
import signal
import sys
from typing import Any

from services.runtime.logs import configure_logging
from services.trainer.worker import supervised
from services.trainer.worker.__main__ import main, settings_or_exit

steps = 0
original = supervised._step


def step(*args: Any) -> dict[str, float]:
    global steps
    steps += 1
    if steps == 3 and os.environ["RANK"] == "1":
        if os.environ["RANK_1"] == "raises":
            raise ValueError("a defect of one rank")
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*args)


if __name__ == "__main__":
    configure_logging(as_json=False, label=f"rank {os.environ['RANK']}")
    supervised._step = step
    sys.exit(main(settings_or_exit()))
