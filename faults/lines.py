"""The requests of a batch: each answered as a direct call would be, counted under `batch:` and its path."""

from collections.abc import Mapping
from typing import Any

from faults.batches import Batch, Desk, Line, read_lines
from faults.calls import Conditions
from faults.counting import add_one
from faults.models import digest_of, reply_to
from faults.picking import CHAT, EMBEDDINGS, seconds_of
from faults.replies import RefusedError
from faults.settings import BATCH, Rule

PRICE_SHARE = 0.5  # of the price of a direct call


def make_batch(content: Mapping[str, Any], desk: Desk, conditions: Conditions) -> Batch:
    """A batch that begins now and keeps the settings that hold now. Raises RefusedError."""
    endpoint, metadata = content.get("endpoint"), content.get("metadata")
    if endpoint not in (CHAT, EMBEDDINGS):
        raise RefusedError(f"'endpoint' must be {CHAT} or {EMBEDDINGS}.")
    if content.get("completion_window") != "24h":
        raise RefusedError("'completion_window' must be 24h.")
    if metadata is not None and not isinstance(metadata, dict):
        raise RefusedError("'metadata' must be an object.")
    file = desk.file(str(content.get("input_file_id")))
    if file.purpose != "batch":
        raise RefusedError(f"The file {file.id} has the purpose '{file.purpose}', not 'batch'.")
    requests, faults = read_lines(file.content, str(endpoint))
    batch = Batch(
        id=desk.next_id("batch_"),
        endpoint=str(endpoint),
        input_file_id=file.id,
        metadata=metadata,
        lines=[] if faults else [_line(name, body, str(endpoint), conditions) for name, body in requests],
        faults=faults,
        seconds=seconds_of(conditions.settings.batch_seconds, conditions.counts.calls),
        ends=conditions.settings.batch_ends,
    )
    desk.batches[batch.id] = batch
    return desk.batch(batch.id)


def _line(custom_id: str, body: Mapping[str, Any], endpoint: str, conditions: Conditions) -> Line:
    """One request with its reply, which is counted and charged when its turn comes."""
    path, counts, behaviours = BATCH + endpoint, conditions.counts, conditions.settings.behaviours
    digest = digest_of(endpoint, body)
    rule: Rule | None = None
    try:
        rule = conditions.picker.pick(path, body, number=digest)
        reply = reply_to(endpoint, {**body, "stream": False}, digest, behaviours, rule)
    except RefusedError as refusal:
        reply, rule = refusal.reply, None

    def count() -> None:
        tally = counts.receive(path)
        add_one(tally.by_model, str(body.get("model")))
        if rule:
            add_one(tally.by_fault, rule.kind)
        counts.finish(tally, status=reply.status, digest=digest, sound=reply.status == 200 and rule is None)
        counts.charge(tally, reply.usage, behaviours.usd_per_million, share=PRICE_SHARE)

    return Line(custom_id, reply, count)
