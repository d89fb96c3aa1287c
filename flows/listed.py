"""What the sources list now, held against versions of a collection: how fresh are they?"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from evals.freshness import NOTHING_SEEN, Freshness, measure_freshness
from flows.connect import Connections
from knowledge.freshness_log import FreshnessLog, Seen


def measure_versions(
    connections: Connections, collection: str, versions: Iterable[int], at: datetime
) -> dict[int, tuple[Freshness, ...]]:
    """The freshness of each source, sorted as the sources are, in each version. Raises SourceError."""
    held = {each: connections.store.open(collection, version=each).documents() for each in versions}
    rejected = [entry.rejected for entry in connections.history.quarantined(collection)]
    seen = FreshnessLog(connections.history).seen(collection)
    found: dict[int, list[Freshness]] = {version: [] for version in held}
    for source in connections.sources(collection):
        listing = connections.list_documents(source)
        for version, documents in held.items():
            before = seen.get(source.name, NOTHING_SEEN)
            found[version].append(measure_freshness(source, listing, documents, rejected, at, seen=before))
    return {version: tuple(each) for version, each in found.items()}


def note_freshness(connections: Connections, collection: str, served: Sequence[Freshness]) -> None:
    """Remember since when each change waits to be served, so that the next check tells its age."""
    checks = {
        each.source: Seen(each.at, {change.doc_id: change.since for change in each.pending}, missed=not each.met)
        for each in served
    }
    FreshnessLog(connections.history).note(collection, checks)
