"""The flow `check`: is the candidate fresh and does it find what it should? If so, it serves."""

import time
from datetime import UTC, datetime

from prefect import flow

from evals.freshness import Freshness, measure_freshness
from evals.gate import Gate, hold_for_quarantine, judge_retrieval, read_gates
from evals.paired import Paired
from evals.retrieval import RetrievalQuality
from flows.announce import announce_check
from flows.connect import Connections, connect
from flows.forms import CollectionName
from flows.labelled import COMPARED, compare_with, measure_version
from flows.results import CheckResult
from flows.screen import say
from flows.state import hold_state
from flows.step import step
from flows.tracking.steps import log_check
from knowledge.quarantine import accept_all

SERVED = 5  # versions that have served are kept for going back to them, however many have been made since


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
        tonight = compare_retrieval(collection, version, quality)
        result = decide(collection, version, freshness, quality, tonight=tonight, started=started)
        log_check(result, quality)
        announce_check(result)
        return result


@step
def find_candidate(collection: str) -> int:
    """The newest version of the collection that adds up."""
    return connect().store.candidate(collection).version


@step
def check_freshness(collection: str, version: int) -> tuple[Freshness, ...]:
    """Compare what each source lists now with what this version holds."""
    connections = connect()
    indexed = connections.store.open(collection, version=version).documents()
    held = [entry.rejected for entry in connections.history.quarantined(collection)]
    now = datetime.now(UTC)
    return tuple(
        measure_freshness(source, connections.list_documents(source), indexed, held, now)
        for source in connections.sources(collection)
    )


@step
def check_retrieval(collection: str, version: int) -> RetrievalQuality:
    """Rank documents for every labelled query, each with its own reader's groups, and score the rankings."""
    return measure_version(connect(), collection, version)


@step
def compare_retrieval(collection: str, version: int, quality: RetrievalQuality) -> Paired | None:
    """Ask what serves the same queries on the same day."""
    connections = connect()
    serving = connections.production_version(collection)
    return None if serving is None else compare_with(connections, collection, serving, version, quality)


@step
def decide(
    collection: str,
    version: int,
    freshness: tuple[Freshness, ...],
    quality: RetrievalQuality,
    *,
    tonight: Paired | None,
    started: float,
) -> CheckResult:
    """Hold the floors and what serves against the measures, and move the pointer or leave it."""
    connections = connect()
    gates = read_gates(connections.project.evals / "gates.yaml")
    floors = gates.floors.get(collection, {})
    gate = judge_retrieval(quality, floors, min_queries=gates.min_queries, margin=gates.margin, tonight=tonight)
    gate = look_at_quarantine(connections, collection, gate, sum(each.documents for each in freshness))
    moved = gate.opens and move_pointers(connections, collection, version, gate.verdict, gate.reason)
    if gate.opens:
        accept_all(connections.history, collection)
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
        per_query={query: round(scores[COMPARED], 4) for query, scores in quality.per_query.items()},
    )


def look_at_quarantine(connections: Connections, collection: str, gate: Gate, listed: int) -> Gate:
    """Hold a version that lost too many documents at once; not the first one, whose place no better one has."""
    if connections.production_version(collection) is None:
        return gate
    kept_out = connections.history.quarantined(collection)
    new = [entry.rejected.doc_id for entry in kept_out if entry.accepted_at is None]
    held = hold_for_quarantine(gate, new, listed, max_share=connections.settings.alarms.quarantine_share)
    if held == gate:
        return gate
    remedy = f"mend them, or let them pass with `plumbline quarantine accept --all --collection {collection}`"
    return Gate("fail", f"{held.reason}; {remedy}")


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
        opened, tag = connections.store.open(collection), holder.replace(":", "-")
        opened.tag(f"production-{tag}", version)
        opened.keep(f"served-{tag}", connections.history.served(holder, collection, last=SERVED))
    return moved
