"""Paired differences: what is subtracted from what, and the bounds of their mean."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.paired import Paired, bound_mean, pair, pool_nights

SCORES = st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from([0.0, 0.43, 0.5, 0.63, 1.0]))


def test_a_query_that_only_one_version_was_judged_on_is_left_out_and_named():
    paired = pair({"a": 1.0, "b": 0.5, "z": 1.0, "y": 0.0}, {"b": 1.0, "a": 1.0, "old": 1.0})
    assert paired == Paired({"a": 0.0, "b": -0.5}, only_candidate=("y", "z"), only_proven=("old",))


@given(SCORES, SCORES)
def test_candidate_and_production_swapped_turn_every_sign(candidate, production):
    there, back = pair(candidate, production), pair(production, candidate)
    assert back.differences == {query: -each for query, each in there.differences.items()}
    assert (back.only_candidate, back.only_proven) == (there.only_proven, there.only_candidate)
    mean, turned = bound_mean(there.differences), bound_mean(back.differences)
    assert (turned.mean, turned.lower, turned.upper) == pytest.approx((-mean.mean, -mean.upper, -mean.lower))


@given(SCORES, SCORES)
def test_every_query_is_compared_or_named(candidate, production):
    paired = pair(candidate, production)
    assert sorted([*paired.differences, *paired.only_candidate, *paired.only_proven]) == sorted(
        candidate.keys() | production.keys()
    )


@pytest.mark.parametrize(
    ("differences", "mean", "lower", "upper"),
    [([], 0.0, -inf, inf), ([-1.0], -1.0, -inf, inf), ([0.0] * 40, 0.0, 0.0, 0.0), ([0.5, 0.5], 0.5, 0.5, 0.5)],
    ids=["no query", "one query", "nothing moved", "all moved alike"],
)
def test_equal_differences_bound_themselves_and_fewer_than_two_bound_nothing(differences, mean, lower, upper):
    found = bound_mean({f"q{number}": each for number, each in enumerate(differences)})
    assert (found.mean, found.lower, found.upper) == (mean, lower, upper)


@pytest.mark.parametrize(
    ("fact", "nights", "pooled"),
    [
        ("one night is itself", [{"a": -1.0}], {"a": -1.0}),
        ("a query's nights are averaged", [{"a": -1.0}, {"a": 0.0}], {"a": -0.5}),
        (
            "a query is averaged over the nights that judged it",
            [{"a": 0.5}, {"a": 0.5, "b": 1.0}],
            {"a": 0.5, "b": 1.0},
        ),
        ("what tonight did not judge is left out", [{"a": -1.0, "gone": -1.0}, {"a": 0.0}], {"a": -0.5}),
        ("an eighth night back is forgotten", [{"a": -1.0}, *[{"a": 0.5}] * 7], {"a": 0.5}),
    ],
)
def test_nights_are_pooled_query_by_query(fact, nights, pooled):
    assert pool_nights(nights) == pooled, fact
