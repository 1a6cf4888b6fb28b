"""A service with every kind of method, on plain bytes: what runtime promises holds for any contract.

Run as a program it is a process of its own, to be stopped by a signal.
"""

import asyncio
from collections.abc import AsyncIterator

import grpc

from services.runtime.errors import Conflict, InvalidInput, NotReady, Overloaded, Problem
from services.runtime.identity import current_identity
from services.runtime.process import run
from services.runtime.server import serve
from services.runtime.settings import ServerSettings

SERVICE = "test.Echo"
FAILURES = {
    b"invalid": InvalidInput(Problem("a.b", "1", "2"), Problem("c", "x", "y")),
    b"overloaded": Overloaded("queue full", retry_after=1.5),
    b"loading": NotReady("loading", retry_after=0.25),
    b"conflict": Conflict("it has ended"),
    b"defect": RuntimeError("the secret is 1234"),
    b"timeout": TimeoutError("of something inside"),
}


async def echo(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
    """Word by word: a number sleeps so many seconds, a name of a failure fails, "deadline" tells how long there is.

    "who" tells who calls, also in another thread.
    """
    for word in request.split():
        if word in FAILURES:
            raise FAILURES[word]
        if word == b"deadline":
            return str(context.time_remaining()).encode()
        if word == b"who":
            return (await asyncio.to_thread(current_identity)).name.encode()
        if word.replace(b".", b"").isdigit():
            await asyncio.sleep(float(word))
    return request


async def count(request: bytes, context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
    """Three answers, then what `echo` does."""
    for i in range(3):
        yield str(i).encode()
    yield await echo(request, context)


async def join(requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> bytes:
    return b"".join([await echo(request, context) async for request in requests])


async def echo_all(requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
    async for request in requests:
        yield await echo(request, context)


def register(server: grpc.aio.Server) -> list[str]:
    handlers = {
        "Echo": grpc.unary_unary_rpc_method_handler(echo),
        "Count": grpc.unary_stream_rpc_method_handler(count),
        "Join": grpc.stream_unary_rpc_method_handler(join),
        "EchoAll": grpc.stream_stream_rpc_method_handler(echo_all),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    return [SERVICE]


if __name__ == "__main__":
    run(ServerSettings, "RLHF_ECHO_", lambda settings: serve("echo", settings, register))
