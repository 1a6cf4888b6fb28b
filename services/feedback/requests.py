"""Requests of clients that are newer than this service: what it does not know of them it refuses, in every call."""

import functools
import inspect
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, TypeVar

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message

from services.runtime.errors import InvalidInput
from services.runtime.unknown_fields import unknown_fields

Servicer = TypeVar("Servicer", bound=type)


def known(request: Message) -> Message:
    """The request itself. Raises InvalidInput for every field, at any depth, that this version does not know."""
    found = [replace(p, field=p.field.removeprefix("request.")) for p in unknown_fields("request", request)]
    if found:
        raise InvalidInput(*found)
    return request


def refuses_unknown_fields(service: ServiceDescriptor):
    """Decorates the class that answers the calls of `service`."""

    def decorated(servicer: Servicer) -> Servicer:
        for method in service.methods:
            setattr(servicer, method.name, _checked(getattr(servicer, method.name)))
        return servicer

    return decorated


def _checked(method: Any) -> Any:
    if inspect.isasyncgenfunction(method):

        @functools.wraps(method)
        async def streamed(self: Any, requests: Any, context: Any) -> AsyncIterator[Any]:
            async for answer in method(self, _known(requests), context):
                yield answer

        return streamed

    @functools.wraps(method)
    async def answered(self: Any, requests: Any, context: Any) -> Any:
        return await method(self, _known(requests), context)

    return answered


def _known(requests: Any) -> Any:
    """One, or a stream of them."""
    return known(requests) if isinstance(requests, Message) else _each(requests)


async def _each(requests: AsyncIterator[Message]) -> AsyncIterator[Message]:
    async for request in requests:
        yield known(request)
