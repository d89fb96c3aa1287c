"""Rows of a collection as tests want them, made without parsing or embedding anything."""

import hashlib
from datetime import UTC, datetime

import pyarrow as pa

from knowledge.store import chunk_schema

WIDTH = 4


def row_of(doc_id, ordinal=0, **columns):
    text = f"Passage {ordinal} of {doc_id}."
    return {
        "chunk_id": f"{doc_id}#{ordinal}",
        "doc_id": doc_id,
        "doc_sha": "0" * 64,
        "parse_id": "p",
        "split_id": "s",
        "embed_id": "e",
        "source": "d",
        "uri": doc_id,
        "title": "",
        "headings": [],
        "ordinal": ordinal,
        "page": None,
        "text": text,
        "indexed_text": text,
        "terms": text,
        "text_sha": hashlib.sha256(text.encode()).hexdigest(),
        "tokens": 5,
        "groups": ["public"],
        "languages": ["eng"],
        "modified_at": datetime(2026, 1, 2, tzinfo=UTC),
        "vector": [1.0] + [0.0] * (WIDTH - 1),
    } | columns


def table_of(rows):
    return pa.Table.from_pylist(rows, schema=chunk_schema(WIDTH))


def rows_of(count, chunks=1, **columns):
    return [row_of(f"d/{number}", ordinal, **columns) for number in range(count) for ordinal in range(chunks)]
