"""The p-value of a block of numbers: held against every choice of the block, and uniform where nothing changed."""

from itertools import combinations, product

import numpy as np
import pytest
from scipy.stats import kstest, rankdata

from evals.drift.ranks import block_rank_p_value


def _p(bags, runs, *, u=0.5, seed=0):
    bags = [np.array(bag, dtype=float) for bag in bags]
    return block_rank_p_value(bags, runs, u=u, generator=np.random.default_rng(seed))


def _enumerated_p(bags, runs, u):
    choices, observed = [], 0
    for bag, k in zip(bags, runs, strict=True):
        ranks = rankdata(bag)
        scores = np.rint(1000 * (ranks - ranks.mean()) / ranks.std())
        observed += scores[-k:].sum()
        choices.append([sum(chosen) for chosen in combinations(scores, k)])
    totals = np.array([abs(sum(chosen)) for chosen in product(*choices)])
    return (np.sum(totals > abs(observed)) + u * np.sum(totals == abs(observed))) / len(totals)


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
    assert _p(bags, runs) == pytest.approx(_enumerated_p(bags, runs, 0.5), abs=0.04)


def test_where_every_case_is_longer_than_ever_the_p_value_is_as_small_as_20_000_draws_can_tell():
    bags = [[*range(10), 50]] * 20
    assert 0 < _p(bags, [1] * 20) <= 1 / 20_000


@pytest.mark.parametrize("runs", [1, 3])
def test_400_draws_of_p_values_are_uniform_with_ties_and_unequal_runs(runs):
    rng = np.random.default_rng(3)
    found = []
    for _ in range(400):
        bags = [rng.poisson(2 + place, 5 + place % 3 + runs).astype(float) for place in range(6)]
        found.append(block_rank_p_value(bags, [runs] * 6, u=rng.random(), generator=rng))
    assert kstest(found, "uniform").pvalue > 0.01


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
