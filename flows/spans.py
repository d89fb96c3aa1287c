"""The spans of one answer after another, by a recorder of our own: what the process records with stays untouched."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry.context import Context, attach, detach
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON


class SpanRecorder:
    """Records spans through `tracer`; `taken` hands out those of one answer."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(sampler=ALWAYS_ON, resource=Resource.get_empty(), shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = provider.get_tracer("plumbline")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """What is recorded in here is a trace of its own, also where Prefect records its runs."""
        token = attach(Context())
        try:
            yield
        finally:
            detach(token)

    def taken(self) -> list[dict[str, Any]]:
        """The spans since the last call, as OpenTelemetry writes them."""
        spans = self._exporter.get_finished_spans()
        self._exporter.clear()
        return [json.loads(span.to_json(indent=None)) for span in spans]
