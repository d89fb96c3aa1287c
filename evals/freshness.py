"""Freshness: how old the oldest change is that a version does not serve yet."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from knowledge.record import Document, IndexedDocument, Rejected
from knowledge.source import Source


@dataclass(frozen=True, slots=True)
class Freshness:
    """One source: how many documents it lists, which of them are not served as they are, and is the target met.

    A document in quarantine does not count as pending: it has its own list and reason.
    """

    source: str
    owner: str
    documents: int
    pending: tuple[str, ...]
    quarantined: int
    oldest_pending_hours: float
    target_hours: float

    @property
    def met(self) -> bool:
        """Is every change younger than the target served or still within it?"""
        return self.oldest_pending_hours <= self.target_hours


def measure_freshness(
    source: Source,
    listing: Iterable[Document],
    indexed: Mapping[str, IndexedDocument],
    quarantined: Iterable[Rejected],
    now: datetime,
) -> Freshness:
    """Compare what a source lists with what a version holds; a deleted document still served is pending as well.

    The age of a change is that of the file; a deletion has no time of its own and counts as just seen.
    """
    documents = [document for document in listing if document.source == source.name]
    held = {(item.doc_id, item.doc_sha) for item in quarantined}
    pending = {
        document.doc_id: max(0.0, (now - document.modified_at).total_seconds() / 3600)
        for document in documents
        if (document.doc_id, document.doc_sha) not in held
        and (document.doc_id not in indexed or indexed[document.doc_id].doc_sha != document.doc_sha)
    }
    listed = {document.doc_id for document in documents}
    for doc_id, entry in indexed.items():
        if entry.source == source.name and doc_id not in listed:
            pending[doc_id] = 0.0
    return Freshness(
        source=source.name,
        owner=source.owner,
        documents=len(documents),
        pending=tuple(sorted(pending)),
        quarantined=sum((document.doc_id, document.doc_sha) in held for document in documents),
        oldest_pending_hours=round(max(pending.values(), default=0.0), 2),
        target_hours=source.freshness_target_hours,
    )
