"""Who is let in, and when the last one is out."""

import asyncio

import pytest

from services.runtime.admission import Admission
from services.runtime.errors import NotReady, Overloaded


async def test_the_limit_counts_those_inside() -> None:
    admission = Admission(max_calls=1)
    with admission.admit():
        with pytest.raises(Overloaded), admission.admit():
            pass
        assert admission.running == 1
    with admission.admit():
        assert admission.running == 1


async def test_drain_waits_for_the_last_and_lets_nobody_in() -> None:
    admission = Admission(max_calls=9)
    order: list[str] = []

    async def call() -> None:
        with admission.admit():
            await asyncio.sleep(0.1)
            order.append("answered")

    running = asyncio.ensure_future(call())
    await asyncio.sleep(0)
    drain = asyncio.ensure_future(admission.drain(10))
    await asyncio.sleep(0)
    with pytest.raises(NotReady), admission.admit():
        pass
    assert await drain == 0
    assert order == ["answered"]
    await running


async def test_drain_ends_in_time_and_says_how_many_are_left() -> None:
    admission = Admission(max_calls=9)
    with admission.admit(), admission.admit():
        assert await admission.drain(0.05) == 2
    assert await admission.drain(0.05) == 0


async def test_a_call_that_fails_is_out() -> None:
    admission = Admission(max_calls=1)
    with pytest.raises(ZeroDivisionError), admission.admit():
        raise ZeroDivisionError
    assert admission.running == 0
