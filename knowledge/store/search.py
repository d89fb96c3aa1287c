"""Search of one version of a collection: text and vector legs, combined, within what the reader may see."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pyarrow as pa
from lance.query import FullTextOperator, MatchQuery

from knowledge.filter import EVERYTHING, Filter
from knowledge.fusion import TEXT_WEIGHT, SearchMode, combine, hit_of, leaders, ranked, to_the_letter
from knowledge.record import Hit
from knowledge.store.visible import quoted, visible
from knowledge.terms import phrases, plain, question_terms, terms_of

# passages each leg contributes; what a leg has not got counts as far: with 50 that costs a point of nDCG@10
_LEG = 200
_REFINED = 2  # an index is asked for so many times more, which are then compared exactly

Vector = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True, slots=True)
class Question:
    """A search: the text, its unit vector, the groups of the reader (`public` is always among them), and a filter."""

    text: str
    vector: Vector
    groups: tuple[str, ...] = ()
    filter: Filter = EVERYTHING


def search_many(
    dataset: Any,
    questions: Sequence[Question],
    *,
    limit: int,
    mode: SearchMode,
    name: str,
    languages: Sequence[str],
    approximate: bool,
    all_meet: Callable[[str], bool],
) -> list[list[Hit]]:
    """For each question the best passages its reader may see and its filter lets by, best first.

    Text (BM25) and vector (cosine) scores, each divided by the query's best, are combined convexly, or one ranks alone.
    What holds a question's phrases to the letter counts for more. Access and filter are conditions inside the store,
    applied before either leg ranks. name: the collection's, for errors. languages: those of the passages. approximate:
    the vectors have an index. all_meet: does every row meet a condition? It is half of the work of a search, and left
    out where it changes nothing. Raises CollectionError where the version lacks a column that a filter is about.
    """
    size, weight = max(limit, _LEG), TEXT_WEIGHT[mode]
    readers: dict[str | None, list[int]] = {}
    for place, question in enumerate(questions):
        condition = visible(dataset, name, question.groups, question.filter)
        open_to_all = question.filter == EVERYTHING and all_meet(condition)
        readers.setdefault(None if open_to_all else condition, []).append(place)
    scores: list[dict[int, float]] = [{} for _ in questions]
    texts: list[dict[int, float]] = [{} for _ in questions]
    for seen, places in readers.items():
        asked = [questions[place].vector for place in places]
        legs: list[dict[int, float]] = [{} for _ in places]
        if weight < 1:
            legs = _near(dataset, asked, seen, size, approximate=approximate)
        for place, near in zip(places, legs, strict=True):
            text = questions[place].text
            texts[place] = _matching(dataset, text, seen, size, languages) if weight > 0 else {}
            scores[place] = combine(texts[place], near, text_weight=weight)
            if weight > 0 and (wanted := phrases(text)):
                held = _holding(dataset, wanted, seen, size, languages)
                scores[place] = to_the_letter(scores[place], held, sum(wanted.values()))
    best = [leaders(each, limit) for each in scores]
    passages, vectors = _passages(dataset, {row for each in best for row in each})
    nearness = [
        {row: float(vectors[row] @ each.vector) for row in rows} for each, rows in zip(questions, best, strict=True)
    ]
    return [
        ranked(each, passages, text=text, near=near)[:limit]
        for each, text, near in zip(best, texts, nearness, strict=True)
    ]


def passages_of(dataset: Any, chunk_ids: Iterable[str], seen: str) -> dict[str, Hit]:
    """By chunk_id those of these passages that the condition `seen` lets by; they have not been ranked."""
    names = ", ".join(map(quoted, sorted(chunk_ids)))
    rows = _scan(dataset, f"chunk_id IN ({names}) AND {seen}", _shown(dataset)).to_pylist() if names else []
    return {row["chunk_id"]: hit_of(row) for row in rows}


def _matching(dataset: Any, text: str, seen: str | None, size: int, languages: Sequence[str]) -> dict[int, float]:
    """The text leg of one question: BM25 by row id."""
    of_now = "terms" in dataset.schema.names  # versions of earlier releases have an index of the text itself
    query = (
        MatchQuery(" ".join(question_terms(text, languages)), "terms") if of_now else MatchQuery(text, "indexed_text")
    )
    rows = _scan(dataset, seen, ["_score"], limit=size, full_text_query=query)
    return dict(zip(rows["_rowid"].to_pylist(), rows["_score"].to_pylist(), strict=True))


def _holding(
    dataset: Any, wanted: Mapping[str, float], seen: str | None, size: int, languages: Sequence[str]
) -> dict[int, float]:
    """What the phrases that a passage holds are worth; of the passages with all words of one the best `size`."""
    texts: dict[int, str] = {}
    for phrase, language in product(wanted if "terms" in dataset.schema.names else (), languages):
        query = MatchQuery(terms_of(phrase, [language]), "terms", operator=FullTextOperator.AND)
        rows = _scan(dataset, seen, ["indexed_text", "_score"], limit=size, full_text_query=query)
        texts |= zip(rows["_rowid"].to_pylist(), rows["indexed_text"].to_pylist(), strict=True)
    held = {row: f" {plain(text)} " for row, text in texts.items()}
    worth = {row: sum(wanted[each] for each in wanted if f" {each} " in text) for row, text in held.items()}
    return {row: each for row, each in worth.items() if each}


def _near(
    dataset: Any, vectors: Sequence[Vector], seen: str | None, size: int, *, approximate: bool
) -> list[dict[int, float]]:
    """The vector leg of many questions in one pass over the vectors: cosine by row id."""
    index = {"ef": _REFINED * size, "refine_factor": _REFINED} if approximate else {}
    nearest = {"column": "vector", "q": np.stack(vectors), "k": size, "metric": "cosine", **index}
    rows = _scan(dataset, seen, ["query_index", "_distance"], nearest=nearest)
    legs: list[dict[int, float]] = [{} for _ in vectors]
    columns = (rows[name].to_pylist() for name in ("query_index", "_rowid", "_distance"))
    for place, row, distance in zip(*columns, strict=True):
        legs[place][row] = 1.0 - distance
    return legs


def _passages(dataset: Any, rows: Iterable[int]) -> tuple[dict[int, dict[str, Any]], dict[int, Vector]]:
    """By row id what is shown of passages, and their vectors."""
    if not rows:
        return {}, {}
    found = _scan(dataset, f"_rowid IN ({', '.join(map(str, rows))})", [*_shown(dataset), "vector"])
    vectors = np.asarray(found["vector"].combine_chunks().flatten()).reshape(found.num_rows, -1)
    shown = {row["_rowid"]: row for row in found.drop_columns(["vector"]).to_pylist()}
    return shown, dict(zip(shown, vectors, strict=True))


def _shown(dataset: Any) -> list[str]:
    columns = ["chunk_id", "doc_id", "doc_sha", "uri", "title", "text", "findings", "ordinal", "tokens"]
    return [name for name in (*columns, "superseded_by") if name in dataset.schema.names]


def _scan(dataset: Any, where: str | None, columns: list[str], **query: Any) -> pa.Table:
    scanner = dataset.scanner(columns=columns, filter=where, prefilter=True, with_row_id=True, **query)
    return scanner.to_table()
