"""What a trace collector gets."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext

from services.runtime.tracing import stop_tracing, trace_with


class Spans:
    """Those that have ended."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()

    @property
    def all(self) -> tuple[ReadableSpan, ...]:
        return self.exporter.get_finished_spans()

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.all if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        (found,) = self.named(name)
        return found

    def parent(self, span: ReadableSpan) -> ReadableSpan:
        """Raises StopIteration for one that has none."""
        return next(other for other in self.all if span.parent and context(other).span_id == span.parent.span_id)

    def of_trace(self, span: ReadableSpan) -> list[ReadableSpan]:
        return [other for other in self.all if context(other).trace_id == context(span).trace_id]


def context(span: ReadableSpan) -> SpanContext:
    found = span.get_span_context()
    assert found, "spans that ended have one"
    return found


@contextmanager
def collected() -> Iterator[Spans]:
    spans = Spans()
    trace_with(SimpleSpanProcessor(spans.exporter), "test")
    try:
        yield spans
    finally:
        stop_tracing()
