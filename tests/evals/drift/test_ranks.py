"""The p-value of a block of numbers: held against every choice of the block, and uniform where nothing changed."""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest, norm, rankdata

from evals.drift.conformal import LEAST_P
from evals.drift.ranks import block_rank_p_value


def _p(bags, runs, *, u=0.5):
    return block_rank_p_value([np.array(bag, dtype=float) for bag in bags], runs, u=u)


def _score(bag, places):
    levels, width = (17, 0.25) if len(places) <= 4 else (9, 0.5)
    normal = norm.ppf(rankdata(bag) / (len(bag) + 1))[list(places)]
    levels = np.clip(np.rint(normal / width), -(levels // 2), levels // 2)
    return np.clip(np.rint(4 * width * levels.sum() / np.sqrt(len(places))), -20, 20)


def _enumerated_p(bags, runs, u):
    """The share of all choices of the block in which T is greater, both directions alike."""
    observed = sum(_score(bag, range(len(bag) - k, len(bag))) for bag, k in zip(bags, runs, strict=True))
    choices = [
        [_score(bag, places) for places in combinations(range(len(bag)), k)] for bag, k in zip(bags, runs, strict=True)
    ]
    totals = np.array([sum(chosen) for chosen in product(*choices)])
    greater = np.mean(totals > observed) + u * np.mean(totals == observed)
    return 2 * min(greater, 1 - greater)


@pytest.mark.parametrize(
    ("bags", "runs"),
    [
        ([[1, 2, 3, 4, 5, 9]], [1]),
        ([[1, 2, 9, 4, 5, 3]], [1]),
        ([[10, 12, 11, 12, 13], [200, 220, 210, 230]], [1, 1]),
        ([[10, 12, 11, 12, 13], [7, 3, 5, 8, 9]], [2, 3]),
        ([[1, 1, 2, 2], [1, 2, 1, 2], [0.5, 0.1, 0.2, 0.4]], [1, 1, 2]),
    ],
)
def test_the_p_value_is_the_share_of_choices_of_the_block_that_move_the_ranks_as_far(bags, runs):
    assert _p(bags, runs) == pytest.approx(_enumerated_p(bags, runs, 0.5), rel=1e-12)


@st.composite
def blocks(draw):
    """Up to three cases that vary, some with ties, with unequal numbers of runs."""
    found = []
    for _ in range(draw(st.integers(1, 3))):
        bag = draw(st.lists(st.integers(0, 6), min_size=2, max_size=6).filter(lambda bag: len(set(bag)) > 1))
        found.append((bag, draw(st.integers(1, min(3, len(bag))))))
    return [list(each) for each in zip(*found, strict=True)]


@settings(max_examples=60)
@given(block=blocks(), u=st.sampled_from([0.001, 0.25, 0.999]))
def test_the_p_value_counts_every_choice_of_the_block(block, u):
    assert _p(*block, u=u) == pytest.approx(_enumerated_p(*block, u), abs=1e-12)


@settings(max_examples=60)
@given(block=blocks(), order=st.randoms(use_true_random=False))
def test_the_order_of_the_cases_changes_no_bit(block, order):
    rows = list(zip(*block, strict=True))
    order.shuffle(rows)
    assert _p(*zip(*rows, strict=True)) == _p(*block)


@pytest.mark.parametrize(
    ("cases", "p"), [(1, 1 / 11), (20, 11.0**-20), (200, 11.0**-200), (400, LEAST_P)], ids=lambda each: f"{each:.3g}"
)
def test_where_every_case_is_longer_than_ever_the_p_value_keeps_its_accuracy_down_to_the_least(cases, p):
    assert _p([[*range(10), 50]] * cases, [1] * cases) == pytest.approx(p, rel=1e-9)


def test_shorter_answers_are_found_as_longer_ones_are():
    bags = [[*range(10), 50]] * 20
    assert _p([[-value for value in bag] for bag in bags], [1] * 20) == pytest.approx(_p(bags, [1] * 20), rel=1e-12)


@pytest.mark.parametrize("runs", [1, 3, 6])
def test_400_draws_of_p_values_are_uniform_with_ties_and_unequal_runs(runs):
    rng = np.random.default_rng(3)
    found = []
    for _ in range(400):
        bags = [rng.poisson(2 + place, 5 + place % 3 + runs).astype(float) for place in range(6)]
        found.append(block_rank_p_value(bags, [runs] * 6, u=rng.random()))
    assert kstest(found, "uniform").pvalue > 0.01


@pytest.mark.parametrize("runs", [17, 700])
def test_a_block_of_many_runs_that_all_moved_is_found_and_one_that_did_not_is_not(runs):
    values = np.random.default_rng(5).normal(size=2 * runs)
    moved = values + (np.arange(2 * runs) >= runs)
    assert _p([moved] * 10, [runs] * 10) < 1e-6
    assert _p([values] * 2, [runs] * 2) > 0.01


@pytest.mark.parametrize(
    ("bag", "runs"), [([3, 3, 3, 3], 1), ([3, 3, 3], 3), ([1, 2, 3, 4], 0)], ids=["same", "same thrice", "missing"]
)
def test_a_case_that_never_varies_or_is_missing_changes_no_bit(bag, runs):
    bags, of_block = [[10, 12, 11, 12, 13], [7, 3, 5, 8, 9]], [2, 1]
    for place in range(3):
        with_it = [*bags[:place], bag, *bags[place:]], [*of_block[:place], runs, *of_block[place:]]
        assert _p(*with_it) == _p(bags, of_block)


def test_a_number_that_is_the_same_in_another_unit_changes_no_bit():
    bags, runs = [[10, 12, 11, 12, 13], [7, 3, 5, 8, 9]], [2, 1]
    assert _p([[1000 * value for value in bag] for bag in bags], runs) == _p(bags, runs)
