"""A real server around the echo service, in this process or in one of its own."""

import importlib.util
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from types import ModuleType

import grpc
import pytest

from services.runtime.server import Address, running
from services.runtime.settings import ServerSettings

ECHO = Path(__file__).with_name("echo_server.py")


@pytest.fixture(scope="session")
def echo() -> ModuleType:
    spec = importlib.util.spec_from_file_location("echo_server", ECHO)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
async def start(echo: ModuleType) -> AsyncIterator[Callable[..., Awaitable[tuple[Address, grpc.aio.Channel]]]]:
    """`await start(deadline_seconds=1)` gives the address of a running server and a channel to it."""
    async with AsyncExitStack() as stack:

        async def begin(**changed) -> tuple[Address, grpc.aio.Channel]:
            settings = ServerSettings(storage="unused", **{"drain_seconds": 1.0, **changed})
            address = await stack.enter_async_context(running("echo", settings, echo.register))
            channel = await stack.enter_async_context(grpc.aio.insecure_channel(str(address)))
            return address, channel

        yield begin
