"""Traces by OpenTelemetry: off unless OTEL_EXPORTER_OTLP_ENDPOINT says where to send them, and free of cost then.

`pip install rlhf-services[tracing]` brings what is needed. A trace's context travels in the metadata of calls: a PPO
step is one trace through generation, scoring and log-probs, whichever processes do them.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

from services.runtime.errors import Conflict

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
NAME = "rlhf"

_tracer: Any = None  # None: off

Result = TypeVar("Result")


def start_tracing(service: str) -> None:
    """Where the environment asks for it. Raises Conflict where the packages are missing."""
    if not os.environ.get(ENDPOINT):
        return
    try:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError as error:
        raise Conflict(f"{ENDPOINT} is set and {error.name} is missing: pip install rlhf-services[tracing]") from None
    trace_with(BatchSpanProcessor(OTLPSpanExporter()), service)


def trace_with(processor: Any, service: str) -> None:
    """Spans go to an OpenTelemetry span processor from now on."""
    global _tracer
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    provider = TracerProvider(resource=Resource.create({"service.name": f"rlhf-{service}"}))
    provider.add_span_processor(processor)
    _tracer = provider.get_tracer(NAME)


def stop_tracing() -> None:
    global _tracer
    _tracer = None


@contextmanager
def span(name: str, **attributes: Any) -> Iterator[None]:
    """A part of whatever span is open here."""
    if _tracer is None:
        yield
        return
    with _tracer.start_as_current_span(name, attributes=attributes):
        yield


@contextmanager
def server_span(path: str, metadata: Mapping[str, Any]) -> Iterator[None]:
    """A call that arrived, as a part of its caller's span; `path` is "/package.Service/Method"."""
    if _tracer is None:
        yield
        return
    from opentelemetry.propagate import extract
    from opentelemetry.trace import SpanKind

    caller = extract({name: value for name, value in metadata.items() if isinstance(value, str)})
    with _tracer.start_as_current_span(path.lstrip("/"), context=caller, kind=SpanKind.SERVER):
        yield


def outgoing() -> list[tuple[str, str]]:
    """The metadata by which the called one goes on with this trace."""
    if _tracer is None:
        return []
    from opentelemetry.propagate import inject

    carrier: dict[str, str] = {}
    inject(carrier)
    return list(carrier.items())


def carried(work: Callable[..., Result]) -> Callable[..., Result]:
    """`work` with the context of here, for another thread; once."""
    return partial(copy_context().run, work)
