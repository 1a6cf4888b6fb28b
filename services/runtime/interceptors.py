"""What happens around every call: who calls, admission, a deadline, errors as rich statuses, metrics.

Health is left alone: it answers everybody at all times, and a health watcher must not hold up a stop. Reflection is for
those with a token, and else left alone too.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import grpc

from services.runtime.admission import Admission
from services.runtime.errors import DeadlinePassed, ServiceError, abort, as_service_error
from services.runtime.identity import Gate, Identity, answer_to
from services.runtime.logs import call_fields, during
from services.runtime.metrics import Rpc
from services.runtime.permissions import roles_for
from services.runtime.tracing import server_span

Behaviour = Callable[[Any, grpc.aio.ServicerContext], Awaitable[Any]]

# By (requests stream, responses stream): the handler's attribute and the function that makes a handler.
KINDS = {
    (False, False): ("unary_unary", grpc.unary_unary_rpc_method_handler),
    (False, True): ("unary_stream", grpc.unary_stream_rpc_method_handler),
    (True, False): ("stream_unary", grpc.stream_unary_rpc_method_handler),
    (True, True): ("stream_stream", grpc.stream_stream_rpc_method_handler),
}


OPEN = ("/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch")
OWN = "/grpc."
# A client's time runs out before a server's, which began to count when the call arrived.
LATENCY_SECONDS = 0.1


class CallInterceptor(grpc.aio.ServerInterceptor):
    """`deadline_seconds` is given to calls that bring no deadline. Streaming methods are async generators."""

    def __init__(self, admission: Admission, deadline_seconds: float, gate: Gate) -> None:
        self._admission, self._deadline_seconds, self._gate = admission, deadline_seconds, gate

    async def intercept_service(self, continuation, handler_call_details):
        handler = await continuation(handler_call_details)
        method: str = handler_call_details.method
        if method in OPEN:
            return handler
        try:
            identity = self._identify(handler_call_details)
        except ServiceError as error:
            return _refusal(error, Rpc(method) if handler else None)
        if handler is None or method.startswith(OWN):
            return handler
        kind, make_handler = KINDS[handler.request_streaming, handler.response_streaming]
        wrap = self._stream if handler.response_streaming else self._unary
        behaviour = wrap(method, identity, getattr(handler, kind))
        return make_handler(behaviour, handler.request_deserializer, handler.response_serializer)

    def _identify(self, details: grpc.HandlerCallDetails) -> Identity:
        metadata = {key: value for key, value in details.invocation_metadata if isinstance(value, str)}
        what = details.method.rpartition(".")[2]
        return self._gate.admit(metadata.get("authorization"), roles_for(details.method), what)

    def _unary(self, method: str, identity: Identity, answer: Behaviour) -> Behaviour:
        async def behaviour(request: Any, context: grpc.aio.ServicerContext) -> Any:
            answer_to(identity)
            async with self._call(method, context):
                return await answer(request, context)

        return behaviour

    def _stream(self, method: str, identity: Identity, answers: Callable[..., Any]) -> Behaviour:
        async def behaviour(request: Any, context: grpc.aio.ServicerContext) -> None:
            answer_to(identity)
            async with self._call(method, context), aclosing(answers(request, context)) as responses:
                async for response in responses:
                    await context.write(response)

        return behaviour

    @asynccontextmanager
    async def _call(self, path: str, context: grpc.aio.ServicerContext) -> AsyncIterator[None]:
        rpc, metadata = Rpc(path), dict(context.invocation_metadata() or ())
        with during(**call_fields(metadata)), server_span(path, metadata):
            async with _errors_answered(rpc, context):
                with self._admission.admit():
                    # Inside as well: an admitted call is in progress until its error has been sent.
                    async with _errors_answered(rpc, context), self._deadline(context):
                        yield
            rpc.end("OK")

    @asynccontextmanager
    async def _deadline(self, context: grpc.aio.ServicerContext) -> AsyncIterator[None]:
        seconds = self._deadline_seconds if context.time_remaining() is None else None
        try:
            async with asyncio.timeout(seconds) as timeout:
                yield
        except TimeoutError as error:
            if timeout.expired():
                raise DeadlinePassed(f"no answer within {seconds} s, the limit of calls without a deadline") from error
            raise


def _refusal(error: ServiceError, rpc: Rpc | None) -> grpc.RpcMethodHandler:
    """As a stream of requests of which none is read: whoever is refused cannot fill memory with a message first.

    Calls of methods that do not exist are not counted: each would be a new series of the metrics.
    """

    async def refuse(requests: Any, context: grpc.aio.ServicerContext) -> None:
        if rpc:
            rpc.end(error.code.name)
        await abort(context, error)

    return grpc.stream_stream_rpc_method_handler(refuse)


@asynccontextmanager
async def _errors_answered(rpc: Rpc, context: grpc.aio.ServicerContext) -> AsyncIterator[None]:
    try:
        yield
    except grpc.aio.AbortError:
        raise  # answered already
    except asyncio.CancelledError:
        remaining = context.time_remaining()
        rpc.end("CANCELLED" if remaining is None or remaining > LATENCY_SECONDS else DeadlinePassed.code.name)
        raise
    except Exception as error:
        failure = as_service_error(error)
        rpc.end(failure.code.name)
        await abort(context, failure)
