"""Labelled queries in one version of a collection: each asked with its own reader's groups, and scored."""

from collections.abc import Sequence
from contextlib import closing

from evals.labels import Indexed
from evals.paired import Paired, pair
from evals.query import Query, read_queries
from evals.retrieval import RetrievalQuality, measure_retrieval
from flows.connect import Connections
from flows.screen import say
from knowledge.store import Collection
from pipelines.answering.retrieve import Asked, retrieve_many

COMPARED = "nDCG@10"  # of the candidate and of what serves
DEPTH = 50  # passages a query fetches, so that twenty different documents are among them


def measure_version(connections: Connections, collection: str, version: int) -> RetrievalQuality:
    """How the labelled queries fare in one version of a collection. Raises ContentError, CollectionError."""
    opened = connections.store.open(collection, version=version)
    queries = read_queries(connections.project.evals / "queries", collection)
    asked = [Asked(query.text, query.groups) for query in queries]
    with closing(connections):
        hits = retrieve_many(asked, opened, connections.embedder, limit=DEPTH)
    found = {query.id: each for query, each in zip(queries, hits, strict=True)}
    return measure_retrieval(queries, found, what_stands(opened, queries))


def compare_with(
    connections: Connections, collection: str, serving: int, version: int, quality: RetrievalQuality
) -> Paired | None:
    """What a version, of this quality, gains or loses against the one that serves, query by query.

    None where what serves has vectors of another embedder: nobody can ask it any more as it was asked.
    """
    if connections.store.open(collection, version=serving).embed_ids() != {connections.embedder.embed_id}:
        say(f"check: version {serving} serves, with vectors of another embedder; the floors alone decide")
        return None
    production = quality if serving == version else measure_version(connections, collection, serving)
    return pair(*({query: each[COMPARED] for query, each in of.per_query.items()} for of in (quality, production)))


def what_stands(opened: Collection, queries: Sequence[Query]) -> Indexed:
    """What a version holds, as far as the labels of these queries speak of it."""
    documents, duplicates = set(opened.documents()), opened.duplicates()
    chunks = {chunk_id for query in queries for chunk_id in query.relevant_chunks}
    quoted = {span.doc_id for query in queries for span in query.relevant_spans}
    labelled = quoted | {chunk_id.rpartition("#")[0] for chunk_id in chunks}
    shown = {duplicates.get(doc_id, doc_id) for doc_id in labelled}
    rows = opened.rows_of(shown, columns=["chunk_id", "doc_id", "text"]).to_pylist() if shown else []
    there = {row["chunk_id"] for row in rows}
    passages: dict[str, list[str]] = {}
    for row in rows:
        passages.setdefault(row["doc_id"], []).append(row["text"])
    return Indexed(documents, duplicates, chunks & there, passages)
