"""Two versions of a collection: which documents differ, and what that did to the rankings of queries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from knowledge.record import IndexedDocument

Difference = Literal["added", "gone", "text changed", "recipe changed", "access changed"]


@dataclass(frozen=True, slots=True)
class Moved:
    """A document whose place in a query's ranking is another one, counted from 1; None is out of the ranking.

    why: what is different about the document itself; None where only others pushed it or made way.
    """

    query: str
    doc_id: str
    before: int | None
    after: int | None
    why: Difference | None


def changed_documents(
    before: Mapping[str, IndexedDocument], after: Mapping[str, IndexedDocument]
) -> dict[str, Difference]:
    """The documents that are not the same in both versions, by doc_id; of several differences the first in order."""
    found: dict[str, Difference] = {}
    for doc_id in sorted(before.keys() | after.keys()):
        one, other = before.get(doc_id), after.get(doc_id)
        if one is None or other is None:
            found[doc_id] = "gone" if other is None else "added"
        elif one.doc_sha != other.doc_sha:
            found[doc_id] = "text changed"
        elif one.recipe != other.recipe:
            found[doc_id] = "recipe changed"
        elif one.groups != other.groups:
            found[doc_id] = "access changed"
    return found


def moved_documents(
    before: Mapping[str, Sequence[str]], after: Mapping[str, Sequence[str]], changed: Mapping[str, Difference]
) -> list[Moved]:
    """By query, in the order of the new ranking, the documents whose place differs; those that fell out come last."""
    found: list[Moved] = []
    for query in sorted(before.keys() & after.keys()):
        old, new = (
            {doc_id: place for place, doc_id in enumerate(ranked, start=1)} for ranked in (before[query], after[query])
        )
        found += [
            Moved(query, doc_id, old.get(doc_id), new.get(doc_id), changed.get(doc_id))
            for doc_id in dict.fromkeys([*new, *old])
            if old.get(doc_id) != new.get(doc_id)
        ]
    return found


def same_cause(
    good: Mapping[str, IndexedDocument], bad: Mapping[str, IndexedDocument], candidate: Mapping[str, IndexedDocument]
) -> bool:
    """Does a candidate still hold, as the bad version did, every document that differed from the good one?"""
    return all(_state(candidate.get(doc_id)) == _state(bad.get(doc_id)) for doc_id in changed_documents(good, bad))


def _state(document: IndexedDocument | None) -> object:
    return document and (document.doc_sha, document.recipe, document.groups)
