"""Rows of a collection, as tests want them, and their commit."""

import hashlib
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from knowledge.terms import terms_of


def axis_vector(number, dimensions=256):
    return np.eye(dimensions, dtype=np.float32)[number]


def chunk_row(doc_id, text="some words", *, ordinal=0, groups=("public",), axis=0, dimensions=256, sha="0" * 64):
    return {
        "chunk_id": f"{doc_id}#{ordinal}",
        "doc_id": doc_id,
        "doc_sha": sha,
        "parse_id": "p",
        "split_id": "s",
        "embed_id": "e",
        "source": "docs",
        "uri": f"file/{doc_id}",
        "title": "Title",
        "headings": ["Title"],
        "ordinal": ordinal,
        "page": None,
        "text": text,
        "indexed_text": text,
        "terms": terms_of(text, ["eng"]),
        "text_sha": hashlib.sha256(text.encode()).hexdigest(),
        "tokens": 2,
        "findings": [],
        "groups": list(groups),
        "languages": ["eng"],
        "modified_at": datetime(2026, 1, 2, tzinfo=UTC),
        "vector": axis_vector(axis, dimensions).tolist(),
    }


def commit_rows(store, collection, *rows, replaced=None):
    names = sorted({row["doc_id"] for row in rows}) if replaced is None else replaced
    staged = collection.stage(pa.Table.from_pylist(list(rows), schema=store.schema)) if rows else []
    collection.commit(staged, store.schema, replaced=names)
    return collection.version
