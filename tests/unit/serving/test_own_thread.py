import asyncio
import threading

import pytest

from services.serving.own_thread import in_own_thread


def seen_alive(thread: threading.Thread) -> bool:
    thread.join(5)
    return thread.is_alive()


async def test_each_call_has_a_thread_that_ends_with_it() -> None:
    threads = [await in_own_thread(threading.current_thread) for _ in range(2)]
    assert threading.current_thread() not in threads
    assert threads[0] is not threads[1]
    assert not any([await asyncio.to_thread(seen_alive, thread) for thread in threads])


async def test_arguments_go_in_and_errors_come_out() -> None:
    assert await in_own_thread(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await in_own_thread(divmod, 7, 0)
