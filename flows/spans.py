"""The spans of answers, by a recorder of our own: what the process records with stays untouched."""

import json
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import format_trace_id


class SpanRecorder(SpanProcessor):
    """Records spans through `tracer`; `taken` hands out those of one answer, also while others are under way."""

    def __init__(self) -> None:
        self._ended: dict[str, list[ReadableSpan]] = {}
        provider = TracerProvider(sampler=ALWAYS_ON, resource=Resource.get_empty(), shutdown_on_exit=False)
        provider.add_span_processor(self)
        self.tracer = provider.get_tracer("plumbline")

    def on_end(self, span: ReadableSpan) -> None:
        """Keep a span that has ended with the others of its trace."""
        context = span.get_span_context()
        if context is not None:
            self._ended.setdefault(format_trace_id(context.trace_id), []).append(span)

    def taken(self, trace_id: str) -> list[dict[str, Any]]:
        """The spans of one trace, as OpenTelemetry writes them; they are forgotten here."""
        return [json.loads(span.to_json(indent=None)) for span in self._ended.pop(trace_id, [])]
