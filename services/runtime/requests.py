"""What every call does with its requests before anybody reads them, whatever they ask for."""

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message

from services.runtime.errors import InvalidInput, ServiceError
from services.runtime.unknown_fields import unknown_fields

UNREAD_SECONDS = 10.0  # for what the stream of a refused call still sends

Servicer = TypeVar("Servicer", bound=type)


def known(request: Message) -> Message:
    """The request itself. Raises InvalidInput for every field, at any depth, that this version does not know."""
    found = [replace(p, field=p.field.removeprefix("request.")) for p in unknown_fields("request", request)]
    if found:
        raise InvalidInput(*found)
    return request


def guarded(service: ServiceDescriptor) -> Callable[[Servicer], Servicer]:
    """Decorates the class that answers the calls of `service`: what a newer client says and this version does not know
    is refused, and a stream of requests that is refused is read to its end."""

    def decorated(servicer: Servicer) -> Servicer:
        for method in service.methods:
            guard = _reading_on if method.client_streaming else _knowing
            setattr(servicer, method.name, guard(getattr(servicer, method.name)))
        return servicer

    return decorated


def _knowing(method: Any) -> Any:
    if inspect.isasyncgenfunction(method):

        @functools.wraps(method)
        async def streamed(self: Any, request: Message, context: Any) -> AsyncIterator[Any]:
            async for answer in method(self, known(request), context):
                yield answer

        return streamed

    @functools.wraps(method)
    async def answered(self: Any, request: Message, context: Any) -> Any:
        return await method(self, known(request), context)

    return answered


def _reading_on(method: Any) -> Any:
    """A client that is still sending when the answer comes may see a broken stream instead of the reason."""

    @functools.wraps(method)
    async def answered(self: Any, requests: AsyncIterator[Message], context: Any) -> Any:
        try:
            return await method(self, _each(requests), context)
        except ServiceError:
            with suppress(TimeoutError):
                async with asyncio.timeout(UNREAD_SECONDS):
                    async for _ in requests:
                        pass
            raise

    return answered


async def _each(requests: AsyncIterator[Message]) -> AsyncIterator[Message]:
    async for request in requests:
        yield known(request)
