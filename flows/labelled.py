"""Labelled queries in one version of a collection: each asked with its own reader's groups, and scored."""

import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain

from evals.access import Leak, find_leaks
from evals.labels import Indexed
from evals.paired import Paired, pair
from evals.query import Principal, Query, read_principals, read_queries
from evals.retrieval import RetrievalQuality, measure_retrieval
from flows.connect import Connections
from flows.pointers import Standing
from flows.screen import say
from knowledge.glob import glob_matches
from knowledge.record import Hit
from knowledge.source import Source
from knowledge.store import Collection, Question
from pipelines.answering.retrieve import Asked, retrieve_many

COMPARED = "nDCG@10"  # of a candidate and of what is proven
DEPTH = 50  # passages a query fetches, so that twenty different documents are among them
SHOWN = 10  # passages of a search whose time is taken
TIMED = 50  # queries that are asked singly as well, for their latency


@dataclass(frozen=True, slots=True)
class Measured:
    """How the labelled queries fared in one version, and what was shown to whom it is not for.

    unmatched: globs of what must not be retrieved that no document of the version is like.
    """

    quality: RetrievalQuality
    leaks: tuple[Leak, ...]
    found: dict[str, list[Hit]]
    unmatched: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Compared:
    """By version what it gains or loses against the proven one; and what that one shows to whom it is not for."""

    differences: dict[int, Paired] = field(default_factory=dict)
    proven_leaks: tuple[Leak, ...] = ()


def measure_version(connections: Connections, collection: str, version: int) -> Measured:
    """Ask one version of a collection the labelled queries. Raises ContentError, CollectionError."""
    opened = connections.store.open(collection, version=version)
    folder = connections.project.evals / "queries"
    written, principals = read_queries(folder, collection), read_principals(folder, collection)
    queries = [query for query in written if query.reviewed]
    documents = opened.documents()
    with closing(connections):
        found = _ask(connections, opened, queries)
        latency_ms = _time(connections, opened, queries[:TIMED])
        as_principals = [(each, _ask(connections, opened, queries, each)) for each in principals]
    readers = _readers(connections.sources(collection), documents)
    leaks = [
        *(find_leaks(f"the reader of {each.id}", each.groups, {each.id: found[each.id]}, readers) for each in queries),
        *(
            find_leaks(each.name, each.groups, shown, readers, must_not_retrieve=each.must_not_retrieve)
            for each, shown in as_principals
        ),
    ]
    stands = what_stands(opened, documents, queries)
    quality = measure_retrieval(written, found, stands, latency_ms=latency_ms)
    unmatched = [
        f"'{glob}' of principal '{each.name}'"
        for each in principals
        for glob in each.must_not_retrieve
        if not any(glob_matches(glob, doc_id) for doc_id in documents)
    ]
    return Measured(quality, tuple(chain.from_iterable(leaks)), found, tuple(unmatched))


def compare_with(connections: Connections, collection: str, standing: Standing, measured: Measured) -> Compared:
    """What the candidate, of which this was measured, gains or loses against the proven version, query by query; and
    what serves, where it is neither.

    Nothing where that one has vectors of another embedder: nobody can ask it any more as it was asked.
    """
    if standing.proven is None:
        return Compared()
    if not _can_be_asked(connections, collection, standing.proven):
        say(f"check: version {standing.proven} is proven, with vectors of another embedder; the floors alone decide")
        return Compared()
    known = {standing.version: measured}
    for other in (standing.proven, standing.serving):
        if other is not None and other not in known and _can_be_asked(connections, collection, other):
            known[other] = measure_version(connections, collection, other)
    proven = known[standing.proven]
    differences = {
        version: pair(_compared(each.quality), _compared(proven.quality))
        for version, each in known.items()
        if each is not proven or version == standing.version
    }
    return Compared(differences, proven.leaks)


def _can_be_asked(connections: Connections, collection: str, version: int) -> bool:
    embedded = connections.store.open(collection, version=version).embed_ids()
    return embedded <= {connections.embedder.embed_id}


def _compared(quality: RetrievalQuality) -> dict[str, float]:
    return {query: each[COMPARED] for query, each in quality.per_query.items()}


def _ask(
    connections: Connections, opened: Collection, queries: Sequence[Query], principal: Principal | None = None
) -> dict[str, list[Hit]]:
    """What each query finds, asked by its own reader or as a principal."""
    asked = [Asked(query.text, principal.groups if principal else query.groups) for query in queries]
    hits = retrieve_many(asked, opened, connections.embedder, limit=DEPTH)
    return {query.id: each for query, each in zip(queries, hits, strict=True)}


def _time(connections: Connections, opened: Collection, queries: Sequence[Query]) -> dict[str, float]:
    """Milliseconds that the search of each query takes, asked alone; without its embedding."""
    vectors = connections.embedder.embed_questions([query.text for query in queries])
    taken = {}
    for query, vector in zip(queries, vectors, strict=True):
        started = time.perf_counter()
        opened.search_many([Question(query.text, vector, query.groups)], limit=SHOWN)
        taken[query.id] = 1000 * (time.perf_counter() - started)
    return taken


def _readers(sources: Sequence[Source], documents: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Who may read each document as its source says today; those of a source that is gone are left out."""
    known = {source.name: source for source in sources}
    split = ((doc_id, *doc_id.split("/", 1)) for doc_id in documents)
    return {doc_id: known[source].readers(name) for doc_id, source, name in split if source in known}


def what_stands(opened: Collection, documents: Iterable[str], queries: Sequence[Query]) -> Indexed:
    """What a version holds, as far as the labels of these queries speak of it."""
    duplicates = opened.duplicates()
    chunks = {chunk_id for query in queries for chunk_id in query.relevant_chunks}
    quoted = {span.doc_id for query in queries for span in query.relevant_spans}
    labelled = quoted | {chunk_id.rpartition("#")[0] for chunk_id in chunks}
    shown = {duplicates.get(doc_id, doc_id) for doc_id in labelled}
    rows = opened.rows_of(shown, columns=["chunk_id", "doc_id", "text"]).to_pylist() if shown else []
    there = {row["chunk_id"] for row in rows}
    passages: dict[str, list[str]] = {}
    for row in rows:
        passages.setdefault(row["doc_id"], []).append(row["text"])
    return Indexed(set(documents), duplicates, chunks & there, passages)
