"""Two rankings become one: the scores of a hybrid search, combined convexly.

After Bruch, Gai, Ingber: *An Analysis of Fusion Functions for Hybrid Retrieval*, 2023.
"""

from collections.abc import Mapping
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


def ranked(scores: Mapping[int, float], passages: Mapping[int, Mapping[str, Any]]) -> list[Hit]:
    """The passages of these rows, best first; ties by chunk_id, so that order is stable."""
    found = sorted(((-score, passages[row]["chunk_id"], row) for row, score in scores.items()))
    return [
        Hit(
            chunk_id=chunk_id,
            doc_id=passages[row]["doc_id"],
            doc_sha=passages[row]["doc_sha"],
            uri=passages[row]["uri"],
            title=passages[row]["title"] or PurePosixPath(passages[row]["doc_id"]).name,
            text=passages[row]["text"],
            score=round(-negative, 6),
            findings=tuple(passages[row].get("findings", ())),  # versions of earlier releases have none
        )
        for negative, chunk_id, row in found
    ]
