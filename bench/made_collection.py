"""A collection of given passages in a store of its own, written as an ingest writes it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from knowledge.record import Document, Parsed, Passage, Recipe
from knowledge.source import PUBLIC
from knowledge.store import Collection, Store
from knowledge.terms import terms_of
from pipelines.ingestion.commit import commit_rows
from pipelines.ingestion.plan import Plan, Step
from pipelines.ingestion.stage import stage_rows
from pipelines.ingestion.vectors import Embedder

NAME, LANGUAGES = "bench", ("eng",)


def make_collection(passages: Mapping[str, Passage], embedder: Embedder, place: Path) -> Collection:
    """One document with one passage for each name, public, indices built. `named` tells a hit's name."""
    store = Store(place, embedder.dimensions)
    collection = store.create(NAME)
    steps = tuple(Step(_document(name), "added") for name in passages)
    plan = Plan(NAME, Recipe("bench", "bench", embedder.embed_id), steps, deleted=())
    parsed = (
        Parsed(
            f"{NAME}/{name}",
            passage.headings[0] if passage.headings else "",
            (replace(passage, terms=terms_of(passage.indexed_text, LANGUAGES)),),
        )
        for name, passage in passages.items()
    )
    commit_rows(collection, stage_rows(plan, parsed, collection, store.schema, embedder), store.schema)
    return collection


def named(doc_id: str) -> str:
    """The name under which the passage was given."""
    return doc_id.removeprefix(f"{NAME}/")


def _document(name: str) -> Document:
    return Document(
        doc_id=f"{NAME}/{name}",
        doc_sha="",
        source=NAME,
        uri=name,
        local_path="",
        size_bytes=0,
        modified_at=datetime.fromtimestamp(0, UTC),
        groups=(PUBLIC,),
        languages=LANGUAGES,
    )
