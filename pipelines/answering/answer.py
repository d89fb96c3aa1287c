"""answer: one question through the assistant: screened, retrieved, assembled, called, checked."""

import time
import uuid
from collections.abc import Sequence

from opentelemetry.trace import Span, Tracer, format_trace_id, get_tracer

from knowledge.manifest import Manifest
from knowledge.policy import Policy
from knowledge.record import Hit
from knowledge.store import Collection
from knowledge.trace import Answer, Usage
from pipelines.answering.assemble import assemble
from pipelines.answering.check import Checked, check
from pipelines.answering.request import ModelReply, ModelRequest
from pipelines.answering.retrieve import retrieve
from pipelines.answering.route import call_model
from pipelines.answering.screen import screen
from pipelines.answering.spans import answered, called, found, gave, step
from pipelines.ingestion.embed import Embedder


def answer(
    question: str,
    *,
    manifest: Manifest,
    policy: Policy,
    collection: Collection,
    embedder: Embedder,
    groups: Sequence[str] = (),
    tracer: Tracer | None = None,
) -> Answer:
    """One traced answer for a reader of these groups, from the version of the collection that is open.

    tracer: who records the spans; the process's own where none is given, which records nothing unless it is set up.
    """
    started = time.perf_counter()
    tracer = tracer or get_tracer("plumbline")
    contexts: tuple[Hit, ...] = ()
    model, usage, cost_usd = "none", Usage(), 0.0
    with step(tracer, "answer", "CHAIN", {"question": question, "groups": list(groups)}) as span:
        if topic := _screened(tracer, question, policy):
            checked = topic
        else:
            hits = _retrieved(tracer, question, manifest, collection=collection, embedder=embedder, groups=groups)
            request = _assembled(tracer, question, hits, manifest, policy)
            reply = _called(tracer, request, manifest, embedder)
            checked = _checked(tracer, reply, request, manifest, policy)
            contexts, model, usage, cost_usd = request.contexts, reply.model, reply.usage, reply.cost_usd
        result = Answer(
            question=question,
            text=checked.text,
            outcome=checked.outcome,
            reason=checked.reason,
            citations=checked.citations,
            contexts=contexts,
            model=model,
            usage=usage,
            cost_usd=cost_usd,
            latency_ms=round((time.perf_counter() - started) * 1000, 2),
            trace_id=_trace_id(span),
            prompt_digest=manifest.prompt_digest,
        )
        answered(span, result)
    return result


def _screened(tracer: Tracer, question: str, policy: Policy) -> Checked | None:
    with step(tracer, "screen", "GUARDRAIL", question) as span:
        topic = screen(question, policy)
        gave(span, topic.name if topic else "passed")
    return Checked(topic.reply, topic.outcome, f"policy: {topic.name}", ()) if topic else None


def _retrieved(
    tracer: Tracer,
    question: str,
    manifest: Manifest,
    *,
    collection: Collection,
    embedder: Embedder,
    groups: Sequence[str],
) -> list[Hit]:
    with step(tracer, "retrieve", "RETRIEVER", question) as span:
        hits = retrieve(question, collection, embedder, groups=groups, limit=manifest.retrieval.limit)
        found(span, hits)
    return hits


def _assembled(tracer: Tracer, question: str, hits: Sequence[Hit], manifest: Manifest, policy: Policy) -> ModelRequest:
    with step(tracer, "assemble", "CHAIN", [hit.chunk_id for hit in hits]) as span:
        request = assemble(question, hits, manifest, policy)
        gave(span, [context.chunk_id for context in request.contexts])
    return request


def _called(tracer: Tracer, request: ModelRequest, manifest: Manifest, embedder: Embedder) -> ModelReply:
    with step(tracer, "call", "LLM", manifest.route[0]) as span:
        reply = call_model(request, manifest, embedder.embed)
        called(span, request, reply)
    return reply


def _checked(tracer: Tracer, reply: ModelReply, request: ModelRequest, manifest: Manifest, policy: Policy) -> Checked:
    with step(tracer, "check", "CHAIN", reply.text) as span:
        checked = check(reply, request, manifest.replies, policy)
        gave(span, {"outcome": checked.outcome, "reason": checked.reason})
    return checked


def _trace_id(span: Span) -> str:
    context = span.get_span_context()
    return format_trace_id(context.trace_id) if context.is_valid else uuid.uuid4().hex
