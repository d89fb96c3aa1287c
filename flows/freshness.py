"""The flow `freshness`: does what serves hold what the sources hold now, within their targets? It changes nothing."""

import time
from datetime import UTC, datetime

from prefect import flow

from flows.announce import announce_freshness
from flows.connect import connect
from flows.forms import CollectionName
from flows.listed import measure_versions, note_freshness
from flows.results import FreshnessResult
from flows.screen import say
from flows.state import hold_state
from flows.step import step
from knowledge.freshness_log import FreshnessLog


@flow(name="freshness", flow_run_name="freshness {collection}")
def freshness(collection: CollectionName = "support") -> FreshnessResult:
    """Compare what the sources list now with what serves; nothing is ingested, and nothing moves.

    Args:
        collection: Which collection to look at.
    """
    started = time.perf_counter()
    with hold_state(connect().project, f"freshness {collection}"):
        result = measure_served(collection, started)
        announce_freshness(result)
        remember(result)
        return result


@step
def measure_served(collection: str, started: float) -> FreshnessResult:
    """The freshness of every source in the version that serves. Raises CollectionError, SourceError."""
    connections = connect()
    version = connections.serving_version(collection)
    before = FreshnessLog(connections.history).seen(collection)
    served = measure_versions(connections, collection, [version], datetime.now(UTC))[version]
    missed = [each.source for each in served if not each.met]
    known = {source for source, seen in before.items() if seen.missed}
    said = f"{', '.join(missed)} missed the target" if missed else "every source meets its target"
    say(f"freshness: {said}; version {version} serves")
    return FreshnessResult(
        collection=collection,
        version=version,
        verdict="missed" if missed else "met",
        freshness=served,
        newly_missed=tuple(source for source in missed if source not in known),
        seconds=round(time.perf_counter() - started, 2),
    )


@step
def remember(result: FreshnessResult) -> None:
    """Keep since when changes wait; last, so that a run that is killed announces once more rather than never."""
    note_freshness(connect(), result.collection, result.freshness)
