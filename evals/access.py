"""Access: was anybody shown a document that is not theirs?"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from knowledge.glob import glob_matches
from knowledge.record import Hit
from knowledge.source import PUBLIC


@dataclass(frozen=True, slots=True)
class Leak:
    """A document that a search showed somebody whom it is not for, and by which rule."""

    principal: str
    query: str
    doc_id: str
    rule: str

    def __str__(self) -> str:
        return f"{self.doc_id} to {self.principal} ({self.rule})"


def find_leaks(
    principal: str,
    groups: Iterable[str],
    found: Mapping[str, Sequence[Hit]],
    readers: Mapping[str, Iterable[str]],
    *,
    must_not_retrieve: tuple[str, ...] = (),
) -> list[Leak]:
    """What searches of somebody in these groups found and must not, each document once. found: hits by query id.

    readers: who may read each document, as its source says today; documents that are not among them are judged by
    must_not_retrieve alone, globs of doc_ids.
    """
    own = {PUBLIC, *groups}
    leaks: dict[str, Leak] = {}
    for query, hits in found.items():
        for doc_id in dict.fromkeys(hit.doc_id for hit in hits):
            allowed = readers.get(doc_id)
            if glob_matches(must_not_retrieve, doc_id):
                leaks.setdefault(doc_id, Leak(principal, query, doc_id, "on the list of what must not be retrieved"))
            elif allowed is not None and not own.intersection(allowed):
                rule = f"its source lets only {', '.join(allowed)} read it"
                leaks.setdefault(doc_id, Leak(principal, query, doc_id, rule))
    return list(leaks.values())
