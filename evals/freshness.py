"""Freshness: which changes of a source are not served yet, since when, and does that meet its target."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from knowledge.freshness_log import Seen
from knowledge.record import Document, Hit, IndexedDocument, Rejected, source_of
from knowledge.source import Source

# listed and served with other content; listed and not served; served and listed no more
PendingKind = Literal["stale", "missing", "orphaned"]
SHOWN = 10
NOTHING_SEEN = Seen()


@dataclass(frozen=True, slots=True)
class PendingChange:
    """A document that is not served as its source has it. since: when the oldest change of it happened, UTC."""

    doc_id: str
    kind: PendingKind
    since: datetime


@dataclass(frozen=True, slots=True)
class Freshness:
    """One source at one moment: how many documents it lists, and which of them are not served as they are.

    pending: oldest first. A document in quarantine does not count there: it has its own list and reason.
    superseded: documents that another one replaces and that labelled queries still find.
    """

    source: str
    owner: str
    documents: int
    pending: tuple[PendingChange, ...]
    quarantined: int
    target_hours: float
    at: datetime
    superseded: tuple[str, ...] = ()

    @property
    def oldest_pending_hours(self) -> float:
        """The age of the oldest change that is not served; 0 where everything is."""
        return round(self._hours(self.pending[0]), 2) if self.pending else 0.0

    @property
    def late(self) -> tuple[str, ...]:
        """The documents whose change has waited for longer than the target, oldest first."""
        return tuple(each.doc_id for each in self.pending if self._hours(each) > self.target_hours)

    @property
    def met(self) -> bool:
        """Is every change younger than the target served or still within it?"""
        return not self.late

    def _hours(self, change: PendingChange) -> float:
        return max(0.0, (self.at - change.since) / timedelta(hours=1))

    def as_row(self) -> dict[str, Any]:
        """Plain JSON values; `pending` names the documents, the three kinds of them are lists of their own."""
        kinds: dict[str, list[str]] = {"stale": [], "missing": [], "orphaned": []}
        for each in self.pending:
            kinds[each.kind].append(each.doc_id)
        return {
            "source": self.source,
            "owner": self.owner,
            "documents": self.documents,
            "pending": [each.doc_id for each in self.pending],
            **kinds,
            "superseded": list(self.superseded),
            "late": list(self.late),
            "quarantined": self.quarantined,
            "oldest_pending_hours": self.oldest_pending_hours,
            "target_hours": self.target_hours,
            "met": self.met,
        }


def measure_freshness(
    source: Source,
    listing: Iterable[Document],
    indexed: Mapping[str, IndexedDocument],
    quarantined: Iterable[Rejected],
    at: datetime,
    *,
    seen: Seen = NOTHING_SEEN,
) -> Freshness:
    """Compare what a source lists with what a version holds. seen: what the check before saw of this source.

    A change that it saw waits since then. Another one happened when the file says, if that was after that check: a
    file may also come with the time it had elsewhere, and a deletion has none; those happened when they were first
    seen.
    """
    documents = [document for document in listing if document.source == source.name]
    held = {(item.doc_id, item.doc_sha) for item in quarantined}
    kinds: dict[str, PendingKind] = {}
    times: dict[str, datetime] = {}
    for document in documents:
        entry = indexed.get(document.doc_id)
        if (document.doc_id, document.doc_sha) in held or (entry and entry.doc_sha == document.doc_sha):
            continue
        kinds[document.doc_id] = "stale" if entry else "missing"
        if seen.checked_at is None or document.modified_at > seen.checked_at:
            times[document.doc_id] = min(document.modified_at, at)
    listed = {document.doc_id for document in documents}
    for doc_id, entry in indexed.items():
        if entry.source == source.name and doc_id not in listed:
            kinds[doc_id] = "orphaned"
    pending = (
        PendingChange(doc_id, kind, seen.waiting.get(doc_id) or times.get(doc_id, at)) for doc_id, kind in kinds.items()
    )
    return Freshness(
        source=source.name,
        owner=source.owner,
        documents=len(documents),
        pending=tuple(sorted(pending, key=lambda each: (each.since, each.doc_id))),
        quarantined=sum((document.doc_id, document.doc_sha) in held for document in documents),
        target_hours=source.freshness_target_hours,
        at=at.astimezone(UTC),
    )


def name_superseded(sources: Sequence[Freshness], found: Iterable[Sequence[Hit]]) -> tuple[Freshness, ...]:
    """The same, with what queries of the same version still show of documents that others replace.

    found: hits of each query, best first; shown are the first ten documents.
    """
    superseded: set[str] = set()
    for hits in found:
        shown = list(dict.fromkeys(hit.doc_id for hit in hits))[:SHOWN]
        superseded |= {hit.doc_id for hit in hits if hit.superseded_by and hit.doc_id in shown}
    return tuple(
        replace(each, superseded=tuple(sorted(doc_id for doc_id in superseded if source_of(doc_id) == each.source)))
        for each in sources
    )


def later_than(serving: Sequence[Freshness], candidate: Sequence[Freshness]) -> tuple[str, ...]:
    """What a candidate serves too late that the version in service does not: to keep that one would be fresher."""
    in_time = {each.source: {change.doc_id for change in each.pending} for each in serving}
    return tuple(doc_id for each in candidate for doc_id in each.late if doc_id not in in_time.get(each.source, set()))
