"""Torch work beside the model thread, in a thread that ends with it."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Result = TypeVar("Result")


async def in_own_thread(work: Callable[..., Result], *args: Any) -> Result:
    """`work(*args)`, as `asyncio.to_thread` does it, whose threads live on.

    OpenMP keeps a team of threads for every thread that ran torch. While there are more of them than cores, libgomp
    puts them to sleep between parallel regions, which made decoding half as fast for as long as the process lived.
    """
    executor = ThreadPoolExecutor(1)
    try:
        return await asyncio.get_running_loop().run_in_executor(executor, work, *args)
    finally:
        executor.shutdown(wait=False)
