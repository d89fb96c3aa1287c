"""Search of one version of a collection: text and vector legs, combined, within what the reader may see."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from os import cpu_count

from lance.query import FullTextOperator, MatchQuery

from knowledge.filter import EVERYTHING, Filter
from knowledge.fusion import TEXT_WEIGHT, SearchMode, combine, hit_of, leaders, ranked, to_the_letter
from knowledge.record import Hit
from knowledge.store.view import Vector, View
from knowledge.store.visible import quoted, visible
from knowledge.terms import held_phrases, phrases, question_terms, terms_of

# passages each leg contributes; what a leg has not got counts as far: with 50 that costs a point of nDCG@10
_LEG = 200
_AT_ONCE = cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Question:
    """A search: the text, its unit vector, the groups of the reader (`public` is always among them), and a filter."""

    text: str
    vector: Vector
    groups: tuple[str, ...] = ()
    filter: Filter = EVERYTHING


def search_many(view: View, questions: Sequence[Question], *, limit: int, mode: SearchMode) -> list[list[Hit]]:
    """For each question the best passages its reader may see and its filter lets by, best first.

    Text (BM25) and vector (cosine) scores, each divided by the query's best, are combined convexly, or one ranks alone.
    What holds a question's phrases to the letter counts for more. Access and filter are conditions that rows meet
    before either leg ranks; where every row meets one it is left out. Raises CollectionError where the version lacks a
    column that a filter is about.
    """
    size, weight = max(limit, _LEG), TEXT_WEIGHT[mode]
    readers: dict[str | None, list[int]] = {}
    for place, question in enumerate(questions):
        condition = visible(view, question.groups, question.filter)
        open_to_all = question.filter == EVERYTHING and view.met_by_all(condition)
        readers.setdefault(None if open_to_all else condition, []).append(place)
    scores: list[dict[int, float]] = [{} for _ in questions]
    texts: list[dict[int, float]] = [{} for _ in questions]
    for seen, places in readers.items():
        words = [questions[place].text for place in places] if weight > 0 else []
        found = _each(partial(_matching, view, seen=seen, size=size), words) or [{} for _ in places]
        legs: list[dict[int, float]] = [{} for _ in places]
        if weight < 1:
            legs = view.near([questions[place].vector for place in places], seen, size)
        for place, matching, near in zip(places, found, legs, strict=True):
            texts[place] = matching
            scores[place] = combine(matching, near, text_weight=weight)
            if weight > 0 and (wanted := phrases(questions[place].text)):
                scores[place] = to_the_letter(scores[place], _holding(view, wanted, seen, size), sum(wanted.values()))
    best = [leaders(each, limit) for each in scores]
    passages, vectors = view.rows({row for each in best for row in each}, _shown(view))
    nearness = [
        {row: float(vectors[row] @ each.vector) for row in rows} for each, rows in zip(questions, best, strict=True)
    ]
    found_hits = [
        ranked(each, passages, text=text, near=near)[:limit]
        for each, text, near in zip(best, texts, nearness, strict=True)
    ]
    return [_replaced_in_sight(view, each, hits) for each, hits in zip(questions, found_hits, strict=True)]


def _replaced_in_sight(view: View, question: Question, hits: list[Hit]) -> list[Hit]:
    """The same: but what replaces a document is named to those alone who may see it."""
    names = {hit.superseded_by for hit in hits if hit.superseded_by}
    if not names:
        return hits
    seen = visible(view, question.groups, EVERYTHING)
    listed = ", ".join(map(quoted, sorted(names)))
    in_sight = set(view.scan(f"doc_id IN ({listed}) AND {seen}", ["doc_id"])["doc_id"].to_pylist())
    return [hit if hit.superseded_by in {None, *in_sight} else replace(hit, superseded_by=None) for hit in hits]


def passages_of(view: View, chunk_ids: Iterable[str], seen: str) -> dict[str, Hit]:
    """By chunk_id those of these passages that the condition `seen` lets by; they have not been ranked."""
    names = ", ".join(map(quoted, sorted(chunk_ids)))
    rows = view.scan(f"chunk_id IN ({names}) AND {seen}", _shown(view)).to_pylist() if names else []
    return {row["chunk_id"]: hit_of(row) for row in rows}


def _each(search: Callable[[str], dict[int, float]], texts: Sequence[str]) -> list[dict[int, float]]:
    """A search for each text, several at a time: the store works outside of Python's lock."""
    if len(texts) < 2:
        return [search(text) for text in texts]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(search, texts))


def _matching(view: View, text: str, *, seen: str | None, size: int) -> dict[int, float]:
    """The text leg of one question: BM25 by row id."""
    query = MatchQuery(text, "indexed_text")
    if _has_terms(view):  # versions of earlier releases have an index of the text itself
        query = MatchQuery(" ".join(question_terms(text, view.languages)), "terms")
    rows = view.scan(seen, ["_score"], limit=size, full_text_query=query)
    return dict(zip(rows["_rowid"].to_pylist(), rows["_score"].to_pylist(), strict=True))


def _holding(view: View, wanted: Mapping[str, float], seen: str | None, size: int) -> dict[int, float]:
    """What the phrases that a passage holds are worth; of the passages with all words of one the best `size`."""
    texts: dict[int, str] = {}
    for phrase, language in product(wanted if _has_terms(view) else (), view.languages):
        query = MatchQuery(terms_of(phrase, [language]), "terms", operator=FullTextOperator.AND)
        rows = view.scan(seen, ["indexed_text", "_score"], limit=size, full_text_query=query)
        texts |= zip(rows["_rowid"].to_pylist(), rows["indexed_text"].to_pylist(), strict=True)
    worth = {row: sum(wanted[each] for each in held_phrases(text, wanted)) for row, text in texts.items()}
    return {row: each for row, each in worth.items() if each}


def _has_terms(view: View) -> bool:
    return "terms" in view.columns


def _shown(view: View) -> list[str]:
    columns = ["chunk_id", "doc_id", "doc_sha", "uri", "title", "text", "findings", "ordinal", "tokens"]
    return [name for name in (*columns, "superseded_by") if name in view.columns]
