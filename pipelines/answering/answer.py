"""answer: one question through the assistant: screened, retrieved, assembled, called, checked."""

import time
import uuid
from collections.abc import Sequence

from knowledge.manifest import Manifest
from knowledge.policy import Policy
from knowledge.record import Hit
from knowledge.store import Collection
from knowledge.trace import Answer, Usage
from pipelines.answering.assemble import assemble
from pipelines.answering.check import Checked, check
from pipelines.answering.retrieve import retrieve
from pipelines.answering.route import call_model
from pipelines.answering.screen import screen
from pipelines.ingestion.embed import Embedder


def answer(
    question: str,
    *,
    manifest: Manifest,
    policy: Policy,
    collection: Collection,
    embedder: Embedder,
    groups: Sequence[str] = (),
) -> Answer:
    """One traced answer for a reader of these groups, from the version of the collection that is open."""
    started = time.perf_counter()
    contexts: tuple[Hit, ...] = ()
    model, usage, cost_usd = "none", Usage(), 0.0
    if topic := screen(question, policy):
        checked = Checked(topic.reply, topic.outcome, f"policy: {topic.name}", ())
    else:
        hits = retrieve(question, collection, embedder, groups=groups, limit=manifest.retrieval.limit)
        request = assemble(question, hits, manifest, policy)
        reply = call_model(request, manifest, embedder.embed)
        checked = check(reply, request, manifest.replies, policy)
        contexts, model, usage, cost_usd = request.contexts, reply.model, reply.usage, reply.cost_usd
    return Answer(
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
        trace_id=uuid.uuid4().hex,
        prompt_digest=manifest.prompt_digest,
    )
