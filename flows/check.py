"""The flow `check`: is the candidate fresh, does it find what it should, and nothing else? If so, it serves."""

import time
from datetime import UTC, datetime

from prefect import flow

from evals.freshness import Freshness, name_superseded
from flows.announce import announce_check
from flows.connect import connect
from flows.forms import CollectionName
from flows.labelled import COMPARED, Compared, Measured, compare_with, measure_version
from flows.listed import measure_versions, note_freshness
from flows.pointers import Standing, stand
from flows.promotion import Evidence, promote
from flows.results import CheckResult
from flows.retrieved import hold_results
from flows.screen import say
from flows.state import hold_state
from flows.step import step
from flows.tracking.steps import log_check


@flow(name="check", flow_run_name="check {collection}")
def check(collection: CollectionName = "support") -> CheckResult:
    """Measure freshness, retrieval and access of the candidate; move the pointer when nothing forbids it.

    Args:
        collection: Which collection to check; its newest version is the candidate.
    """
    started = time.perf_counter()
    with hold_state(connect().project, f"check {collection}"):
        standing = find_candidate(collection)
        freshness = check_freshness(collection, standing)
        measured = check_retrieval(collection, standing)
        broken = hold_contract(collection, measured)
        compared = compare_retrieval(collection, standing, measured)
        result = decide(collection, Evidence(standing, freshness, measured, compared, broken), started=started)
        log_check(result, measured.quality)
        announce_check(result)
        return result


@step
def find_candidate(collection: str) -> Standing:
    """The newest version of the collection that adds up, what serves and what is proven."""
    connections = connect()
    return stand(connections, collection, connections.store.candidate(collection).version)


@step
def check_freshness(collection: str, standing: Standing) -> dict[int, tuple[Freshness, ...]]:
    """Compare what each source lists now with what this version holds, and with what serves or may be gone back to."""
    return measure_versions(connect(), collection, standing.versions, datetime.now(UTC))


@step
def check_retrieval(collection: str, standing: Standing) -> Measured:
    """Ask every labelled query, with its own reader's groups and as every principal, and score what is found."""
    measured = measure_version(connect(), collection, standing.version)
    for glob in measured.unmatched:
        say(f"check: {glob} matches no document, so it protects none. Is it misspelt?")
    return measured


@step
def hold_contract(collection: str, measured: Measured) -> tuple[str, ...]:
    """Which expectations of the contract on results are broken."""
    return hold_results(connect(), collection, measured.found)


@step
def compare_retrieval(collection: str, standing: Standing, measured: Measured) -> Compared:
    """Ask the proven version the same queries on the same day; and what serves, where it is neither."""
    return compare_with(connect(), collection, standing, measured)


@step
def decide(collection: str, evidence: Evidence, *, started: float) -> CheckResult:
    """Hold everything against the gates; move the pointer, leave it or take it back."""
    connections = connect()
    decision = promote(connections, collection, evidence)
    gate, production, quality = decision.gate, decision.production, evidence.measured.quality
    shown = evidence.standing.version if production is None else production
    served = evidence.freshness.get(shown)
    if served is None:  # moved there by another hand meanwhile
        served = measure_versions(connections, collection, [shown], datetime.now(UTC))[shown]
    note_freshness(connections, collection, served)
    if shown == evidence.standing.version:  # what the queries found is of this version
        served = name_superseded(served, evidence.measured.found.values())
    where = f"version {production} serves" if production is not None else "no version serves"
    say(f"check: {gate.verdict} ({gate.reason}); {where}")
    return CheckResult(
        collection=collection,
        version=evidence.standing.version,
        freshness=served,
        metrics=quality.metrics,
        queries=quality.judged,
        stale_queries=quality.stale,
        verdict=gate.verdict,
        reason=gate.reason,
        production_version=production,
        proven_version=decision.proven,
        moved=decision.moved,
        rolled_back=decision.rolled_back,
        leaks=evidence.measured.leaks,
        seconds=round(time.perf_counter() - started, 2),
        whole=quality.whole,
        by_tag=quality.by_tag,
        by_language=quality.by_language,
        per_query={query: round(scores[COMPARED], 4) for query, scores in quality.per_query.items()},
    )
