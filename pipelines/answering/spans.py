"""Spans: what each step of an answer got and gave, in OpenInference's words. They cost nothing where nobody records."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

from opentelemetry.trace import Span, Tracer

from knowledge.record import Hit
from knowledge.trace import Answer
from pipelines.answering.request import ModelReply, ModelRequest

Kind = Literal["CHAIN", "GUARDRAIL", "RETRIEVER", "LLM"]


@contextmanager
def step(tracer: Tracer, name: str, kind: Kind, given: object) -> Iterator[Span]:
    """A span around one step, with what the step was given."""
    with tracer.start_as_current_span(name) as span:
        if span.is_recording():
            span.set_attribute("openinference.span.kind", kind)
            span.set_attribute("input.value", _plain(given))
        yield span


def gave(span: Span, result: object) -> None:
    """Record what a step gave."""
    if span.is_recording():
        span.set_attribute("output.value", _plain(result))


def found(span: Span, hits: Sequence[Hit]) -> None:
    """Record the passages a search found, best first."""
    if span.is_recording():
        gave(span, [_passage(hit) for hit in hits])


def called(span: Span, request: ModelRequest, reply: ModelReply) -> None:
    """Record the messages a model got, its reply and its tokens."""
    if span.is_recording():
        messages = [{"role": "system", "content": request.system}, {"role": "user", "content": request.user}]
        span.set_attribute("input.value", _plain({"messages": messages}))
        span.set_attribute("llm.model_name", reply.served_model or reply.model)
        span.set_attribute("llm.token_count.prompt", reply.usage.input_tokens)
        span.set_attribute("llm.token_count.completion", reply.usage.output_tokens)
        if reply.fallback:
            span.set_attribute("plumbline.fallback", reply.fallback)
        gave(span, {"choices": [{"message": {"role": "assistant", "content": reply.text}}]})


def answered(span: Span, answer: Answer) -> None:
    """Record what the reader got to see."""
    if span.is_recording():
        cited = [{"number": each.number, "doc_id": each.doc_id} for each in answer.citations]
        gave(span, {"text": answer.text, "outcome": answer.outcome, "reason": answer.reason, "citations": cited})


def _passage(hit: Hit) -> dict[str, object]:
    about = {"doc_id": hit.doc_id, "doc_uri": hit.uri, "chunk_id": hit.chunk_id, "title": hit.title}
    return {"page_content": hit.text, "metadata": {**about, "score": round(hit.score, 4)}, "id": hit.chunk_id}


def _plain(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
