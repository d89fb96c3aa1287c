"""rows: what the index holds of a document, but for the vectors."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from knowledge.record import Document, Parsed, Recipe
from knowledge.store import Collection
from knowledge.terms import terms_of
from pipelines.ingestion.plan import Step
from pipelines.ingestion.split import count_tokens


def new_rows(document: Document, parsed: Parsed, recipe: Recipe) -> list[dict[str, Any]]:
    """The rows of a parsed document."""
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
            "terms": passage.terms,
            "text_sha": hashlib.sha256(passage.indexed_text.encode()).hexdigest(),
            "tokens": count_tokens(passage.text),
            "findings": list(passage.findings),
            "signature": parsed.signature if ordinal == 0 else None,
            "duplicate_of": None,
        }
        for ordinal, passage in enumerate(parsed.passages)
    ]


def reused_rows(steps: Sequence[Step], collection: Collection, embed_id: str) -> list[dict[str, Any]]:
    """The rows that documents take over, under their own names and as their sources speak of them now."""
    found = collection.rows_of({step.reuse for step in steps if step.reuse}).drop_columns(["vector"])
    held: dict[str, list[Mapping[str, Any]]] = {}
    for row in found.to_pylist():
        held.setdefault(row["doc_id"], []).append(row)
    return [
        {
            **_of_earlier_releases(row),
            **row,
            **_place(step.document, row["ordinal"]),
            "embed_id": embed_id,
            "duplicate_of": None,
            # the rows of another document are taken over at the time of this one's own file
            **({"modified_at": row["modified_at"]} if step.reuse == step.document.doc_id else {}),
        }
        for step in steps
        for row in held[step.reuse or ""]
    ]


def _of_earlier_releases(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a row lacks that an earlier release wrote."""
    terms = {} if "terms" in row else {"terms": terms_of(row["indexed_text"], row["languages"])}
    return {"findings": [], **terms}


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
        "tags": list(document.tags),
        "superseded_by": document.superseded_by,
    }
