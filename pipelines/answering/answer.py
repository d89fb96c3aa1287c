"""answer: one question through the assistant: screened, retrieved, assembled, called, checked."""

import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from opentelemetry.trace import Span, Tracer, format_trace_id, get_tracer

from knowledge.manifest import Manifest
from knowledge.policy import Policy
from knowledge.record import Hit
from knowledge.trace import Answer, Usage
from pipelines.answering.assemble import assemble
from pipelines.answering.check import Checked, check
from pipelines.answering.request import ModelReply, ModelRequest
from pipelines.answering.screen import screen
from pipelines.answering.spans import answered, called, found, gave, step


async def answer(
    question: str,
    *,
    manifest: Manifest,
    policy: Policy,
    retrieve: Callable[[str, Sequence[str]], Awaitable[list[Hit]]],
    call: Callable[[ModelRequest], Awaitable[ModelReply]],
    groups: Sequence[str] = (),
    tracer: Tracer | None = None,
) -> Answer:
    """One traced answer for a reader of these groups. Raises CallError when no model answered.

    retrieve: the passages for (question, groups), best first. call: the reply of the route.
    tracer: who records the spans; the process's own where none is given, which records nothing unless it is set up.
    """
    started = time.perf_counter()
    tracer = tracer or get_tracer("plumbline")
    contexts: tuple[Hit, ...] = ()
    reply = ModelReply("", "none", Usage())
    with step(tracer, "answer", "CHAIN", {"question": question, "groups": list(groups)}) as span:
        if topic := _screened(tracer, question, policy):
            checked = topic
        else:
            with step(tracer, "retrieve", "RETRIEVER", question) as retrieving:
                hits = await retrieve(question, groups)
                found(retrieving, hits)
            request = _assembled(tracer, question, hits, manifest, policy)
            with step(tracer, "call", "LLM", list(manifest.route)) as calling:
                reply = await call(request)
                called(calling, request, reply)
            checked = _checked(tracer, reply, request, manifest, policy)
            contexts = request.contexts
        result = replace(
            _answer(question, checked, reply),
            contexts=contexts,
            latency_ms=round((time.perf_counter() - started) * 1000, 2),
            trace_id=_trace_id(span),
            prompt_digest=manifest.prompt_digest,
        )
        answered(span, result)
    return result


def _answer(question: str, checked: Checked, reply: ModelReply) -> Answer:
    """What was said and who said it."""
    return Answer(
        question=question,
        text=checked.text,
        outcome=checked.outcome,
        reason=checked.reason,
        citations=checked.citations,
        contexts=(),
        model=reply.model,
        usage=reply.usage,
        cost_usd=reply.cost_usd,
        latency_ms=0.0,
        trace_id="",
        prompt_digest="",
        served_model=reply.served_model or reply.model,
        fingerprint=reply.fingerprint,
        fallback=reply.fallback,
        first_token_ms=reply.first_token_ms,
    )


def _screened(tracer: Tracer, question: str, policy: Policy) -> Checked | None:
    with step(tracer, "screen", "GUARDRAIL", question) as span:
        topic = screen(question, policy)
        gave(span, topic.name if topic else "passed")
    return Checked(topic.reply, topic.outcome, f"policy: {topic.name}", ()) if topic else None


def _assembled(tracer: Tracer, question: str, hits: Sequence[Hit], manifest: Manifest, policy: Policy) -> ModelRequest:
    with step(tracer, "assemble", "CHAIN", [hit.chunk_id for hit in hits]) as span:
        request = assemble(question, hits, manifest, policy)
        gave(span, [context.chunk_id for context in request.contexts])
    return request


def _checked(tracer: Tracer, reply: ModelReply, request: ModelRequest, manifest: Manifest, policy: Policy) -> Checked:
    with step(tracer, "check", "CHAIN", reply.text) as span:
        checked = check(reply, request, manifest.replies, policy)
        gave(span, {"outcome": checked.outcome, "reason": checked.reason})
    return checked


def _trace_id(span: Span) -> str:
    context = span.get_span_context()
    return format_trace_id(context.trace_id) if context.is_valid else uuid.uuid4().hex
