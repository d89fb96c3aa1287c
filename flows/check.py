"""The flow `check`: is the candidate fresh and does it find what it should? If so, it serves."""

import time
from contextlib import closing
from datetime import UTC, datetime

from prefect import flow

from evals.freshness import Freshness, measure_freshness
from evals.gate import judge_retrieval, read_gates
from evals.retrieval import RetrievalQuality, measure_retrieval, read_queries
from flows.announce import announce_check
from flows.connect import Connections, connect
from flows.forms import CollectionName
from flows.results import CheckResult
from flows.screen import say
from flows.state import hold_state
from flows.step import step
from flows.tracking.steps import log_check
from pipelines.answering.retrieve import Asked, retrieve_many
from pipelines.ingestion.sync import list_documents

DEPTH = 30  # passages a query fetches, so that ten different documents are among them


@flow(name="check", flow_run_name="check {collection}")
def check(collection: CollectionName = "support") -> CheckResult:
    """Measure freshness and retrieval of the candidate; move the pointer when the floors hold.

    Args:
        collection: Which collection to check; its newest version is the candidate.
    """
    started = time.perf_counter()
    with hold_state(connect().project, f"check {collection}"):
        version = find_candidate(collection)
        freshness = check_freshness(collection, version)
        quality = check_retrieval(collection, version)
        result = decide(collection, version, freshness, quality, started)
        log_check(result, quality)
        announce_check(result)
        return result


@step
def find_candidate(collection: str) -> int:
    """The newest version of the collection."""
    return connect().store.open(collection).version


@step
def check_freshness(collection: str, version: int) -> tuple[Freshness, ...]:
    """Compare what each source lists now with what this version holds."""
    connections = connect()
    indexed = connections.store.open(collection, version=version).documents()
    held = [entry.rejected for entry in connections.history.quarantined(collection)]
    now = datetime.now(UTC)
    return tuple(
        measure_freshness(source, list_documents(source, project=connections.project.folder), indexed, held, now)
        for source in connections.sources(collection)
    )


@step
def check_retrieval(collection: str, version: int) -> RetrievalQuality:
    """Rank documents for every labelled query, each with its own reader's groups, and score the rankings."""
    connections = connect()
    opened = connections.store.open(collection, version=version)
    queries = read_queries(connections.project.evals / "queries", collection)
    asked = [Asked(query.text, query.groups) for query in queries]
    with closing(connections):
        found = retrieve_many(asked, opened, connections.embedder, limit=DEPTH)
    ranked = {query.id: [hit.doc_id for hit in hits] for query, hits in zip(queries, found, strict=True)}
    return measure_retrieval(queries, ranked, set(opened.documents()))


@step
def decide(
    collection: str, version: int, freshness: tuple[Freshness, ...], quality: RetrievalQuality, started: float
) -> CheckResult:
    """Hold the floors against the measures, and move the pointer or leave it."""
    connections = connect()
    gates = read_gates(connections.project.evals / "gates.yaml")
    floors = gates.floors.get(collection, {})
    gate = judge_retrieval(quality, floors, min_queries=gates.min_queries)
    moved = gate.opens and move_pointers(connections, collection, version, gate.verdict, gate.reason)
    production = connections.production_version(collection)
    where = f"version {production} serves" if production is not None else "no version serves"
    say(f"check: {gate.verdict} ({gate.reason}); {where}")
    return CheckResult(
        collection=collection,
        version=version,
        freshness=freshness,
        metrics=quality.metrics,
        queries=quality.judged,
        stale_queries=quality.stale,
        verdict=gate.verdict,
        reason=gate.reason,
        production_version=production,
        moved=moved,
        seconds=round(time.perf_counter() - started, 2),
        per_query={query: round(scores["nDCG@10"], 4) for query, scores in quality.per_query.items()},
    )


def move_pointers(connections: Connections, collection: str, version: int, verdict: str, reason: str) -> bool:
    """Let everyone who uses the collection be served this version; say whether that moved anything."""
    moved = False
    for holder, release in connections.holders(collection).items():
        pointer = connections.history.pointer(holder)
        versions = {**(pointer.versions if pointer else {}), collection: version}
        if pointer is None or (pointer.release, pointer.versions) != (release, versions):
            why = f"check: {'unproven, ' if verdict != 'pass' else ''}{reason}"
            connections.history.move_pointer(holder, release=release, versions=versions, moved_by="check", reason=why)
            moved = True
        connections.store.open(collection).tag(f"production-{holder.replace(':', '-')}", version)
    return moved
