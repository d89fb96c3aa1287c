"""shape: of what a search found, what is shown: which passages, in which order, with how much of what stands around."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from knowledge.record import Hit
from knowledge.terms import NEGATIONS, plain

NEAR = 0.9  # two passages that share so much of their words, by threes, are one to a reader

_Words = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """How the passages of a question are shown; by itself they stay as they were found.

    min_score: the least cosine of passage and question, 0 to 1. Cosine, as BM25 grows with the words of a question: on
    the sample the best passage's cosine tells questions with an answer from those about something else (AUROC .98) and
    from those the documents leave open (.90); BM25 does so by 1.00 and .94, the relative score by .98 and .86.
    collapse: the better ranked of near-duplicates stands for all. neighbours: so many passages before and after each
    are joined to it. max_tokens: how many all of them may have together.
    """

    min_score: float | None = None
    collapse: bool = False
    neighbours: int = 0
    max_tokens: int | None = None

    def depth(self, limit: int) -> int:
        """How many passages to search for, so that `limit` are left when some are taken out."""
        return 2 * limit if self.collapse or self.min_score is not None else limit


AS_FOUND = Shape()


def choose(hits: Sequence[Hit], shape: Shape, limit: int) -> list[Hit]:
    """At most `limit` passages, best first, but each after the document that replaces its own."""
    floor = shape.min_score
    chosen = [hit for hit in hits if floor is None or (hit.vector_score is not None and hit.vector_score >= floor)]
    return after_replacements((collapsed(chosen) if shape.collapse else chosen)[:limit])


def collapsed(hits: Sequence[Hit]) -> list[Hit]:
    """Without near-duplicates of a better ranked passage, which counts them; one that is superseded gives its place."""
    kept: list[Hit] = []
    texts: list[_Words] = []
    for hit in hits:
        words = tuple(plain(hit.text).split())
        twin = next((place for place, other in enumerate(texts) if _near(words, other)), None)
        if twin is None:
            kept.append(hit)
            texts.append(words)
        else:
            stands = hit if kept[twin].superseded_by == hit.doc_id else kept[twin]
            kept[twin] = replace(stands, collapsed=kept[twin].collapsed + 1)
    return kept


def _near(words: _Words, other: _Words) -> bool:
    """Are these the words of near-duplicates? Where a number or a negation differs they are not."""
    if words == other:
        return True
    one, two = (set(zip(each, each[1:], each[2:], strict=False)) for each in (words, other))
    return len(one & two) >= NEAR * max(len(one | two), 1) and _telling(words) == _telling(other)


def _telling(words: _Words) -> list[str]:
    """The words one of which turns a text into another: numbers and negations."""
    return sorted(word for word in words if word in NEGATIONS or any(sign.isdigit() for sign in word))


def after_replacements(hits: Sequence[Hit]) -> list[Hit]:
    """Each passage after the first of the document that replaces its own, where that was found too."""
    first: dict[str, int] = {}
    by: dict[str, str] = {}
    for place, hit in enumerate(hits):
        first.setdefault(hit.doc_id, place)
        if hit.superseded_by:
            by[hit.doc_id] = hit.superseded_by

    def place_of(numbered: tuple[int, Hit]) -> tuple[int, int, int]:
        place, hit = numbered
        chain = [each for each in _chain(hit.doc_id, by) if each in first]
        return max([place, *(first[each] for each in chain)]), len(chain), place

    return [hit for _, hit in sorted(enumerate(hits), key=place_of)]


def _chain(doc_id: str, by: Mapping[str, str]) -> list[str]:
    """What replaces a document, and what replaces that; a circle is gone round once."""
    chain: list[str] = []
    while (after := by.get(doc_id)) and after not in chain:
        chain.append(after)
        doc_id = after
    return chain


def around(hits: Iterable[Hit], neighbours: int) -> set[str]:
    """The chunk_ids of the passages that stand so near before or after, whether or not there are such."""
    near = range(-neighbours, neighbours + 1)
    return {f"{hit.doc_id}#{hit.ordinal + step}" for hit in hits for step in near if step and hit.ordinal + step >= 0}


def join(hits: Sequence[Hit], beside: Mapping[str, Hit], neighbours: int) -> list[Hit]:
    """Each passage with those around it; what overlaps is one passage, in the place of the best of them.

    beside: by chunk_id the neighbours that the reader may see.
    """
    known = {**beside, **{hit.chunk_id: hit for hit in hits}}
    joined = []
    left = list(hits)
    while left:
        best = left[0]
        together = _overlapping(best, left, neighbours)
        left = [hit for hit in left if hit not in together]
        near = {hit.ordinal + step for hit in together for step in range(-neighbours, neighbours + 1)}
        names = (f"{best.doc_id}#{ordinal}" for ordinal in sorted(near))
        joined.append(_one(best, together, [known[name] for name in names if name in known]))
    return joined


def _overlapping(best: Hit, hits: Iterable[Hit], neighbours: int) -> list[Hit]:
    """The hits of its document whose passages and neighbours reach into its own, be it through others."""
    same = sorted((hit for hit in hits if hit.doc_id == best.doc_id), key=lambda hit: hit.ordinal)
    runs: list[list[Hit]] = []
    for hit in same:
        if runs and hit.ordinal - runs[-1][-1].ordinal <= 2 * neighbours:
            runs[-1].append(hit)
        else:
            runs.append([hit])
    return next(run for run in runs if best in run)


def _one(best: Hit, together: Sequence[Hit], passages: Sequence[Hit]) -> Hit:
    """Passages of one document as one, in their order."""
    return replace(
        best,
        text="\n".join(passage.text for passage in passages),
        tokens=sum(passage.tokens for passage in passages),
        findings=tuple(sorted({kind for passage in passages for kind in passage.findings})),
        collapsed=sum(hit.collapsed for hit in together),
        joined=tuple(passage.chunk_id for passage in passages if passage.chunk_id != best.chunk_id),
    )


def fitting(hits: Iterable[Hit], max_tokens: int) -> list[Hit]:
    """The passages, best first, that fit into so many tokens together: one that would not is left out."""
    kept = []
    for hit in hits:
        if hit.tokens <= max_tokens:
            kept.append(hit)
            max_tokens -= hit.tokens
    return kept
