"""Send calls to one service: blocking, and for asyncio. The two classes say the same, one with `await`."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Generator
from contextlib import aclosing, closing, suppress
from functools import cached_property
from typing import Any, TypeVar

import grpc
import grpc.aio

from rlhf.calls import Call, Fold, Steps, Stream, Unary, Upload
from rlhf.connections import Connection
from rlhf.credentials import Credentials
from rlhf.errors import ConnectionFailedError, RlhfError, error_from
from rlhf.retries import Retries

T = TypeVar("T")

MESSAGE_BYTES = 64 * 2**20
# One attempt at a stream lasts no longer, so that none is ever without a deadline.
STREAM_SECONDS = 600.0
OPTIONS = (
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    # A peer that vanished without a word is noticed within a minute; pings flow only while a call is open.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    # gRPC backs off up to two minutes; a service that restarts is back within seconds.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.enable_retries", 0),  # one layer of retries: `Retries`
)


class Wire:
    """One service at one address, connected to by the first call; `transport` is `grpc` or `grpc.aio`."""

    transport: Any

    def __init__(self, service: str, address: str, credentials: Credentials, stubs: tuple[type, ...]) -> None:
        self.service, self.address, self.stubs = service, address, stubs
        self.connection = Connection(address, credentials, OPTIONS, self.transport)

    @cached_property
    def rpcs(self) -> dict[str, Any]:
        return {name: rpc for stub in self.stubs for name, rpc in vars(stub(self.connection)).items()}

    def error(self, failure: grpc.RpcError) -> RlhfError:
        return error_from(failure, self.service, self.address)

    def early_end(self) -> RlhfError:
        return ConnectionFailedError(f"{self.service} at {self.address} ended the stream early")


class SyncWire(Wire):
    transport = grpc

    def make(self, call: Call[T]) -> T:
        if isinstance(call, Fold):
            return self._fold(call)
        if isinstance(call, Generator):
            return self._walk(call)
        retries = Retries(call.timeout, call.repeatable)
        while True:
            try:
                return call.read(self._attempt(call, retries.remaining()))
            except grpc.RpcError as failure:
                delay = retries.delay_after(self.error(failure))
            time.sleep(delay)

    def _attempt(self, call: Unary | Upload, timeout: float | None) -> Any:
        sent = call.request if isinstance(call, Unary) else call.requests()
        return self.rpcs[call.rpc](sent, timeout=timeout)

    def stream(self, call: Stream[T]) -> Generator[T, None, None]:
        position, retries = call.position, Retries(call.timeout, True, call.patience)
        while True:
            responses = self.rpcs[call.rpc](position.request(), timeout=retries.remaining(STREAM_SECONDS))
            try:
                for response in responses:
                    retries.succeeded()
                    if (item := position.read(response)) is not None:
                        yield item
                if position.complete:
                    return
                error = self.early_end()
            except grpc.RpcError as failure:
                error = self.error(failure)
            finally:
                responses.cancel()
            if not position.resumable:
                raise error
            time.sleep(retries.delay_after(error))

    def _fold(self, call: Fold[T]) -> T:
        with closing(call.sink()) as sink, closing(self.stream(call.stream)) as items:
            for item in items:
                sink.accept(item)
            return sink.result()

    def _walk(self, steps: Steps[T]) -> T:
        outcome: Any = None
        while True:
            try:
                step = steps.throw(outcome) if isinstance(outcome, RlhfError) else steps.send(outcome)
            except StopIteration as end:
                return end.value
            try:
                outcome = self.make(step)
            except RlhfError as error:
                outcome = error

    def close(self) -> None:
        self.connection.close()


class AsyncWire(Wire):
    transport = grpc.aio

    def __init__(self, service: str, address: str, credentials: Credentials, stubs: tuple[type, ...]) -> None:
        super().__init__(service, address, credentials, stubs)
        self.uploads = SyncWire(service, address, credentials, stubs)

    async def make(self, call: Call[T]) -> T:
        if isinstance(call, Fold):
            return await self._fold(call)
        if isinstance(call, Generator):
            return await self._walk(call)
        retries = Retries(call.timeout, call.repeatable)
        while True:
            try:
                return call.read(await self._attempt(call, retries.remaining()))
            except grpc.RpcError as failure:
                delay = retries.delay_after(self.error(failure))
            await asyncio.sleep(delay)

    def _attempt(self, call: Unary | Upload, timeout: float | None) -> Awaitable[Any]:
        if isinstance(call, Unary):
            return self.rpcs[call.rpc](call.request, timeout=timeout)
        # An upload that the service refuses half-way loses its status in gRPC's asyncio, and not in its threads, where
        # reading and hashing files hold up no event loop either.
        return _awaited(self.uploads.rpcs[call.rpc].future(call.requests(), timeout=timeout))

    async def stream(self, call: Stream[T]) -> AsyncGenerator[T, None]:
        position, retries = call.position, Retries(call.timeout, True, call.patience)
        while True:
            responses = self.rpcs[call.rpc](position.request(), timeout=retries.remaining(STREAM_SECONDS))
            try:
                async for response in responses:
                    retries.succeeded()
                    if (item := position.read(response)) is not None:
                        yield item
                if position.complete:
                    return
                error = self.early_end()
            except grpc.RpcError as failure:
                error = self.error(failure)
            finally:
                responses.cancel()
            if not position.resumable:
                raise error
            await asyncio.sleep(retries.delay_after(error))

    async def _fold(self, call: Fold[T]) -> T:
        with closing(call.sink()) as sink:
            async with aclosing(self.stream(call.stream)) as items:
                async for item in items:
                    await asyncio.to_thread(sink.accept, item)
            return await asyncio.to_thread(sink.result)

    async def _walk(self, steps: Steps[T]) -> T:
        outcome: Any = None
        while True:
            try:
                step = steps.throw(outcome) if isinstance(outcome, RlhfError) else steps.send(outcome)
            except StopIteration as end:
                return end.value
            try:
                outcome = await self.make(step)
            except RlhfError as error:
                outcome = error

    async def close(self) -> None:
        self.uploads.close()
        if closing := self.connection.close():
            await closing


async def _awaited(future: Any) -> Any:
    """The result of a call that goes on in threads; cancelled with the task that waits for it."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def ended(_: Any) -> None:
        with suppress(RuntimeError):  # the loop may have ended before a call that was cancelled
            loop.call_soon_threadsafe(done.set)

    future.add_done_callback(ended)
    try:
        await done.wait()
    finally:
        future.cancel()
    return future.result()
