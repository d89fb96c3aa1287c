"""stage: the rows of every document that is new, changed, renamed or copied, written aside for one commit."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import pyarrow as pa

from knowledge.record import Parsed, Rejected
from knowledge.store import Collection
from pipelines.ingestion.plan import Plan, Step, says_the_same
from pipelines.ingestion.rows import new_rows, reused_rows
from pipelines.ingestion.stopwatch import Stopwatch
from pipelines.ingestion.vectors import Embedder, TextVectors

ROWS = 4_000  # written at once: memory holds no more, and a collection has few files


class Contracts(Protocol):
    """Who is shown all staged rows before the commit."""

    def add(self, rows: pa.Table) -> None:
        """The next rows."""


@dataclass(frozen=True, slots=True)
class Staged:
    """Fragments that await their commit, the documents whose rows they replace, and what was kept out."""

    fragments: tuple[str, ...]
    rows: int
    replaced: frozenset[str]
    rejected: tuple[Rejected, ...]
    texts_embedded: int


NOTHING_STAGED = Staged((), rows=0, replaced=frozenset(), rejected=(), texts_embedded=0)


def join(plan: Plan, shards: Sequence[Staged]) -> Staged:
    """What was staged of a plan's shards, for one commit of all."""
    return Staged(
        fragments=tuple(fragment for each in shards for fragment in each.fragments),
        rows=sum(each.rows for each in shards),
        replaced=frozenset({*plan.deleted, *plan.dropped}.union(*(each.replaced for each in shards))),
        rejected=tuple(item for each in shards for item in each.rejected),
        texts_embedded=sum(each.texts_embedded for each in shards),
    )


def stage_rows(
    plan: Plan,
    outcomes: Iterable[Parsed | Rejected],
    collection: Collection,
    schema: pa.Schema,
    embedder: Embedder,
    *,
    contracts: Contracts | None = None,
    stopwatch: Stopwatch | None = None,
) -> Staged:
    """Write the rows of every document that is new, changed, renamed or copied, in the order of the plan.

    A rejected document replaces nothing, so its last good version stays served; but to today's readers alone, and
    under today's columns and embedder.
    """
    watch = stopwatch or Stopwatch()
    rejected: list[Rejected] = []
    fragments: list[str] = []
    count = 0
    with TextVectors(collection, embedder) as vectors:
        for rows in _shards(plan, outcomes, collection, schema, rejected):
            with watch("embed"):
                table = _table(rows, vectors, schema)
            if contracts is not None:
                with watch("validate"):
                    contracts.add(table)
            with watch("write"):
                fragments += collection.stage(table)
            count += table.num_rows
        out = {item.doc_id for item in rejected}
        staged = {step.document.doc_id for step in plan.steps if step.stages_rows} - out
        staged |= {step.document.doc_id for step in _kept(plan, out, collection, schema)}
        moved = {step.reuse for step in plan.steps if step.change == "renamed" and step.reuse}
        return Staged(
            fragments=tuple(fragments),
            rows=count,
            replaced=frozenset({*staged, *moved, *plan.deleted, *plan.dropped}),
            rejected=tuple(rejected),
            texts_embedded=vectors.embedded,
        )


def _shards(
    plan: Plan,
    outcomes: Iterable[Parsed | Rejected],
    collection: Collection,
    schema: pa.Schema,
    rejected: list[Rejected],
) -> Iterator[list[dict[str, Any]]]:
    """Rows to write, some thousands at a time; on the way `rejected` is filled."""
    documents = {step.document.doc_id: step.document for step in plan.steps if step.needs_parser}
    rows: list[dict[str, Any]] = []
    for outcome in outcomes:
        if isinstance(outcome, Rejected):
            rejected.append(outcome)
            continue
        rows += new_rows(documents[outcome.doc_id], outcome, plan.recipe)
        if len(rows) >= ROWS:
            yield rows
            rows = []
    reused = [step for step in plan.steps if step.reuse]
    reused += _kept(plan, {item.doc_id for item in rejected}, collection, schema)
    for start in range(0, len(reused), ROWS):
        rows += reused_rows(reused[start : start + ROWS], collection, plan.recipe.embed_id)
        if len(rows) >= ROWS:
            yield rows
            rows = []
    if rows:
        yield rows


def _kept(plan: Plan, rejected: set[str], collection: Collection, schema: pa.Schema) -> list[Step]:
    """Documents in quarantine whose last good rows stay, but as sources now speak, or with other columns or vectors."""
    held = {step.document.doc_id: step for step in plan.steps if step.change == "quarantined" and not step.reuse}
    held |= {step.document.doc_id: step for step in plan.steps if step.document.doc_id in rejected}
    indexed = collection.documents() if held else {}
    other_columns = bool(held) and not schema.equals(collection.schema)
    return [
        replace(step, reuse=doc_id)
        for doc_id, step in sorted(held.items())
        if doc_id in indexed
        and doc_id not in plan.dropped
        and (
            other_columns
            or not says_the_same(step.document, indexed[doc_id])
            or indexed[doc_id].recipe.embed_id != plan.recipe.embed_id
        )
    ]


def _table(rows: Sequence[dict[str, Any]], vectors: TextVectors, schema: pa.Schema) -> pa.Table:
    plain = pa.Table.from_pylist(list(rows), schema=schema.remove(schema.get_field_index("vector")))
    found = vectors.of([row["indexed_text"] for row in rows], [row["text_sha"] for row in rows])
    column = pa.FixedSizeListArray.from_arrays(pa.array(found.ravel()), found.shape[1])
    return plain.append_column(schema.field("vector"), column).cast(schema)
