"""From labels to what can be scored: which of them still stand, and where a search found them."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field

from evals.query import Query, Span
from knowledge.record import Hit


@dataclass(frozen=True, slots=True)
class Indexed:
    """What one version of a collection holds, as far as labels speak of it.

    duplicates: documents that searches leave out, each with the one that stands for it and has its label.
    chunks: the labelled chunk_ids that a search can find. passages: the texts of each document that a quote is from.
    """

    documents: Set[str]
    duplicates: Mapping[str, str] = field(default_factory=dict)
    chunks: Set[str] = frozenset()
    passages: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def shown(self, doc_id: str) -> str:
        """The document that a search shows for this one."""
        return self.duplicates.get(doc_id, doc_id)


def standing_labels(query: Query, indexed: Indexed) -> dict[str, int]:
    """The grade of each thing that can be found; one that stands for several has the greatest of theirs."""
    labels = [
        *((indexed.shown(doc_id), grade) for doc_id, grade in query.relevant.items() if doc_id in indexed.documents),
        *((chunk_id, grade) for chunk_id, grade in query.relevant_chunks.items() if chunk_id in indexed.chunks),
        *(
            (_name(number), span.grade)
            for number, span in enumerate(query.relevant_spans)
            if any(holds(text, span.quote) for text in indexed.passages.get(indexed.shown(span.doc_id), ()))
        ),
    ]
    found: dict[str, int] = {}
    for name, grade in labels:
        found[name] = max(grade, found.get(name, 0))
    return found


def ranking(query: Query, hits: Sequence[Hit], indexed: Indexed) -> list[str]:
    """What was found, best first, in the terms of the query's labels; each counts at its first place alone.

    A passage is known by the quotes it holds; one with two of them takes two places, one without any is itself.
    """
    if query.relevant:
        return list(dict.fromkeys(hit.doc_id for hit in hits))
    if query.relevant_chunks:
        return list(dict.fromkeys(hit.chunk_id for hit in hits))
    return list(
        dict.fromkeys(name for hit in hits for name in _quoted(hit, query.relevant_spans, indexed) or [hit.chunk_id])
    )


def holds(text: str, quote: str) -> bool:
    """Does a passage hold a quote, or the greater part of one that was cut where the passage begins or ends?

    However a new split cuts a quote in two, one of its parts is at least half of it, so that part still counts.
    """
    words, sought = _plain(text), _plain(quote)
    half = (len(sought) + 1) // 2
    return sought in words or any(
        words.endswith(sought[:length]) or words.startswith(sought[-length:]) for length in range(half, len(sought))
    )


def _quoted(hit: Hit, spans: Sequence[Span], indexed: Indexed) -> list[str]:
    return [
        _name(number)
        for number, span in enumerate(spans)
        if hit.doc_id == indexed.shown(span.doc_id) and holds(hit.text, span.quote)
    ]


def _name(number: int) -> str:
    return f"quote {number}"


def _plain(text: str) -> str:
    return "".join(text.casefold().split())
