"""Two rankings become one: the scores of a hybrid search, combined convexly.

After Bruch, Gai, Ingber: *An Analysis of Fusion Functions for Hybrid Retrieval*, 2023.
"""

from collections.abc import Mapping
from dataclasses import replace
from heapq import nlargest
from pathlib import PurePosixPath
from typing import Any, Literal

from knowledge.record import Hit

SearchMode = Literal["hybrid", "text", "vector"]
# of hybrid the weight that lost to neither leg on five collections
TEXT_WEIGHT: dict[SearchMode, float] = {"hybrid": 0.7, "text": 1.0, "vector": 0.0}


def combine(text: Mapping[int, float], near: Mapping[int, float], *, text_weight: float) -> dict[int, float]:
    """The score of every row found by words or by vector: the weighted sum of both, each scaled by its leg's best."""
    scores: dict[int, float] = {}
    for weight, leg in ((text_weight, text), (1 - text_weight, near)):
        best = max(leg.values(), default=0.0)
        for row, score in leg.items():
            share = weight * max(score, 0.0) / best if best > 0 else 0.0
            scores[row] = scores.get(row, 0.0) + share
    return scores


def to_the_letter(scores: Mapping[int, float], held: Mapping[int, float], worth: float) -> dict[int, float]:
    """The scores with what each row's phrases are worth, scaled so that the best there could be is 1.

    held: by row, the worth of the phrases it holds. worth: that of all phrases of the question.
    """
    return {row: (scores.get(row, 0.0) + held.get(row, 0.0)) / (1 + worth) for row in {*scores, *held}}


def leaders(scores: Mapping[int, float], limit: int) -> dict[int, float]:
    """The rows that can be among the best `limit`: those, and all that score the same as the last of them."""
    if len(scores) <= limit:
        return dict(scores)
    last = nlargest(limit, scores.values())[-1]
    return {row: score for row, score in scores.items() if score >= last}


def ranked(
    scores: Mapping[int, float],
    passages: Mapping[int, Mapping[str, Any]],
    *,
    text: Mapping[int, float],
    near: Mapping[int, float],
) -> list[Hit]:
    """The passages of these rows, best first; ties by chunk_id, so that order is stable.

    text: BM25 by row, of those found by words. near: cosine by row.
    """
    found = sorted(((-score, passages[row]["chunk_id"], row) for row, score in scores.items()))
    return [
        replace(
            hit_of(passages[row]),
            score=round(-negative, 6),
            text_score=round(text[row], 6) if row in text else None,
            vector_score=round(near[row], 6),
        )
        for negative, _, row in found
    ]


def hit_of(passage: Mapping[str, Any]) -> Hit:
    """A passage as it is stored; versions of earlier releases lack some of it. It has not been ranked."""
    return Hit(
        chunk_id=passage["chunk_id"],
        doc_id=passage["doc_id"],
        doc_sha=passage["doc_sha"],
        uri=passage["uri"],
        title=passage["title"] or PurePosixPath(passage["doc_id"]).name,
        text=passage["text"],
        score=0.0,
        findings=tuple(passage.get("findings", ())),
        ordinal=passage["ordinal"],
        tokens=passage["tokens"],
        superseded_by=passage.get("superseded_by"),
    )
