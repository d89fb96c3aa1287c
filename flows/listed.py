"""What the sources list now, held against versions of a collection: how fresh are they?"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from evals.freshness import NOTHING_SEEN, Freshness, measure_freshness
from flows.connect import Connections
from knowledge.freshness_log import FreshnessLog, Seen
from knowledge.source import Source


def measure_versions(
    connections: Connections, collection: str, versions: Iterable[int], at: datetime
) -> dict[int, tuple[Freshness, ...]]:
    """The freshness of each source, sorted as the sources are, in each version. Raises SourceError."""
    held = {each: connections.store.open(collection, version=each).documents() for each in versions}
    rejected = [entry.rejected for entry in connections.history.quarantined(collection)]
    seen = FreshnessLog(connections.history).seen(collection)
    found: dict[int, list[Freshness]] = {version: [] for version in held}
    sources = connections.sources(collection)
    gone = {each.source for documents in held.values() for each in documents.values()} - {each.name for each in sources}
    for source in [*sources, *(_gone(name, collection) for name in sorted(gone))]:
        listing = [] if source.name in gone else connections.list_documents(source)
        for version, documents in held.items():
            before = seen.get(source.name, NOTHING_SEEN)
            found[version].append(measure_freshness(source, listing, documents, rejected, at, seen=before))
    return {version: tuple(each) for version, each in found.items()}


def _gone(name: str, collection: str) -> Source:
    """A source that nobody describes any more: all that is served of it is orphaned."""
    return Source(name=name, collection=collection, url="gone", owner="its source is gone")


def note_freshness(connections: Connections, collection: str, served: Sequence[Freshness]) -> None:
    """Remember since when each change waits to be served, so that the next check tells its age."""
    checks = {
        each.source: Seen(each.at, {change.doc_id: change.since for change in each.pending}, missed=not each.met)
        for each in served
    }
    FreshnessLog(connections.history).note(collection, checks)
