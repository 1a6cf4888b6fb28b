"""When a process is to stop."""

import asyncio
import signal
import sys


def stop_request(with_parent: bool) -> asyncio.Event:
    """Set by SIGTERM or SIGINT, and by the parent's end where `with_parent`: stdin is then a pipe of the parent's."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    if with_parent:
        _set_at_end_of_stdin(stopping)
    return stopping


def _set_at_end_of_stdin(stopping: asyncio.Event) -> None:
    """Nobody writes to it: it becomes readable when its other end is gone, however the parent ended."""
    loop = asyncio.get_running_loop()

    def ended() -> None:
        loop.remove_reader(sys.stdin)
        stopping.set()

    loop.add_reader(sys.stdin, ended)
