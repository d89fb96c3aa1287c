"""Fusion: how two rankings become one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.fusion import combine, leaders, ranked


@pytest.mark.parametrize(
    ("text", "near", "scores"),
    [
        ({}, {}, {}),
        ({1: 8.0}, {1: 0.5}, {1: 1.0}),
        ({1: 8.0, 2: 4.0}, {}, {1: 0.7, 2: 0.35}),
        ({1: 8.0}, {2: 0.9, 3: 0.45}, {1: 0.7, 2: 0.3, 3: 0.15}),
        ({}, {1: -0.2, 2: 0.5}, {1: 0.0, 2: 0.3}),  # what points away from the question counts as far
        ({}, {1: -0.2}, {1: 0.0}),
    ],
)
def test_each_leg_is_scaled_by_its_best_and_weighed(text, near, scores):
    assert combine(text, near, text_weight=0.7) == pytest.approx(scores)


_SCORES = st.dictionaries(st.integers(0, 30), st.sampled_from([0.0, 0.1, 0.35, 0.7, 1.0]))


def _passage(chunk_id):
    return dict.fromkeys(["doc_id", "doc_sha", "uri", "title", "text"], "x") | {
        "chunk_id": chunk_id,
        "ordinal": 0,
        "tokens": 1,
    }


@given(scores=_SCORES, limit=st.integers(1, 12))
def test_the_leaders_hold_the_best_whatever_breaks_their_ties(scores, limit):
    passages = {row: _passage(f"c{(row * 7) % 31:02}") for row in range(31)}
    best = leaders(scores, limit)
    raw = {"text": {1: 8.0}, "near": dict.fromkeys(passages, 0.5)}
    assert ranked(best, passages, **raw)[:limit] == ranked(scores, passages, **raw)[:limit]


def test_what_scores_the_same_stands_in_the_order_of_its_ids():
    passages = {1: _passage("b"), 2: _passage("a"), 3: _passage("c")}
    hits = ranked({1: 0.5, 2: 0.5, 3: 0.9}, passages, text={2: 8.0}, near={1: 0.25, 2: -1.0, 3: 0.75})
    assert [(hit.chunk_id, hit.score, hit.text_score, hit.vector_score) for hit in hits] == [
        ("c", 0.9, None, 0.75),
        ("a", 0.5, 8.0, -1.0),
        ("b", 0.5, None, 0.25),
    ]
