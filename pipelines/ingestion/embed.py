"""embed: staged rows with their vectors; only texts that this embedder has not seen are embedded."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import pyarrow as pa

from knowledge.record import Document, Parsed, Recipe, Rejected
from knowledge.store import Collection
from pipelines.embedder import Vectors
from pipelines.ingestion.plan import Plan, Step
from pipelines.ingestion.split import count_tokens


class Embedder(Protocol):
    """Texts to unit vectors, under a fingerprint."""

    @property
    def dimensions(self) -> int:
        """Width of a vector."""

    @property
    def embed_id(self) -> str:
        """Fingerprint of everything that decides a vector."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Shape (len(texts), dimensions), float32."""

    def embed_questions(self, questions: Sequence[str]) -> Vectors:
        """The same, for questions that come together by chance."""


@dataclass(frozen=True, slots=True)
class Staged:
    """Rows ready to be validated, the documents whose rows they replace, and what was kept out."""

    rows: pa.Table
    replaced: tuple[str, ...]
    rejected: tuple[Rejected, ...]
    texts_embedded: int


def stage_rows(
    plan: Plan,
    outcomes: Iterable[Parsed | Rejected],
    collection: Collection,
    schema: pa.Schema,
    embedder: Embedder,
) -> Staged:
    """The rows of every document that is new, changed, renamed or copied.

    A rejected document replaces nothing, so its last good version stays served; but to today's readers alone.
    """
    by_id = {step.document.doc_id: step for step in plan.steps}
    rejected: list[Rejected] = []
    rows: list[dict[str, Any]] = []
    for outcome in outcomes:
        if isinstance(outcome, Rejected):
            rejected.append(outcome)
        else:
            rows += _new_rows(by_id[outcome.doc_id].document, outcome, plan.recipe)
    out = {item.doc_id for item in rejected}
    kept = _kept(plan, out, collection)
    reused = [step for step in plan.steps if step.reuse] + kept
    rows += _reused_rows(reused, collection)
    embed_id = plan.recipe.embed_id
    known = collection.vectors(embed_id)
    fresh = sorted({row["text_sha"]: row["indexed_text"] for row in rows if row["text_sha"] not in known}.items())
    vectors = embedder.embed([text for _, text in fresh])
    known |= {sha: vector.tolist() for (sha, _), vector in zip(fresh, vectors, strict=True)}
    for row in rows:
        row |= {"vector": known[row["text_sha"]], "embed_id": embed_id}
    staged = {step.document.doc_id for step in plan.steps if step.stages_rows} - out
    staged |= {step.document.doc_id for step in kept}
    moved = {step.reuse for step in plan.steps if step.change == "renamed" and step.reuse}
    return Staged(
        rows=pa.Table.from_pylist(rows, schema=schema),
        replaced=tuple(sorted(staged | moved | set(plan.deleted))),
        rejected=tuple(rejected),
        texts_embedded=len(fresh),
    )


def _kept(plan: Plan, rejected: set[str], collection: Collection) -> list[Step]:
    """Documents in quarantine whose last good rows stay, but for other readers or with another embedder's vectors."""
    held = {step.document.doc_id: step for step in plan.steps if step.change == "quarantined"}
    held |= {step.document.doc_id: step for step in plan.steps if step.document.doc_id in rejected}
    indexed = collection.documents() if held else {}
    return [
        replace(step, reuse=doc_id)
        for doc_id, step in sorted(held.items())
        if doc_id in indexed
        and (indexed[doc_id].groups != step.document.groups or indexed[doc_id].recipe.embed_id != plan.recipe.embed_id)
    ]


def _new_rows(document: Document, parsed: Parsed, recipe: Recipe) -> list[dict[str, Any]]:
    return [
        _place(document, ordinal)
        | {
            "doc_sha": document.doc_sha,
            "parse_id": recipe.parse_id,
            "split_id": recipe.split_id,
            "embed_id": recipe.embed_id,
            "title": parsed.title,
            "headings": list(passage.headings),
            "page": passage.page,
            "text": passage.text,
            "indexed_text": passage.indexed_text,
            "text_sha": hashlib.sha256(passage.indexed_text.encode()).hexdigest(),
            "tokens": count_tokens(passage.text),
        }
        for ordinal, passage in enumerate(parsed.passages)
    ]


def _reused_rows(steps: Sequence[Step], collection: Collection) -> list[dict[str, Any]]:
    """The rows of a document with the same bytes, under this document's name and access groups."""
    if not steps:
        return []
    held: dict[str, list[Mapping[str, Any]]] = {}
    for row in collection.rows_of({step.reuse for step in steps if step.reuse}).to_pylist():
        held.setdefault(row["doc_id"], []).append(row)
    return [{**row, **_place(step.document, row["ordinal"])} for step in steps for row in held[step.reuse or ""]]


def _place(document: Document, ordinal: int) -> dict[str, Any]:
    """What a row holds because of where its document stands, not of what it says."""
    return {
        "chunk_id": f"{document.doc_id}#{ordinal}",
        "doc_id": document.doc_id,
        "source": document.source,
        "uri": document.uri,
        "ordinal": ordinal,
        "groups": list(document.groups),
        "languages": list(document.languages),
        "modified_at": document.modified_at,
    }
