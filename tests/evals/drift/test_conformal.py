"""The p-value of a block: held against every arrangement of its bag, one by one."""

from itertools import combinations, product
from math import comb, isclose, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from evals.drift.conformal import MOST_P, block_p_value
from evals.drift.detector import z_value


def _p(failures, runs, bag_failures, bag_runs, *, u=0.5):
    return block_p_value(*(np.array(each) for each in (failures, runs, bag_failures, bag_runs)), u=u)


def _score(x, runs, bag_failures, bag_runs):
    q0 = min(max(bag_failures / bag_runs, 0.002), 0.998)

    def binomial(q):
        return q**x * (1 - q) ** (runs - x)

    return round(8 * min(8.0, log(0.95 + 0.05 * binomial(0.8) / binomial(q0))))


def _arrangements(bag_failures, bag_runs, runs):
    """How many failures fall on the block, for each choice of the places of the block in the bag."""
    return [sum(place < bag_failures for place in chosen) for chosen in combinations(range(bag_runs), runs)]


def _enumerated_p(failures, runs, bag_failures, bag_runs, u):
    cases = list(zip(runs, bag_failures, bag_runs, strict=True))
    observed = sum(_score(x, *case) for x, case in zip(failures, cases, strict=True))
    totals = [
        sum(_score(x, *case) for x, case in zip(arranged, cases, strict=True))
        for arranged in product(*(_arrangements(f, n, k) for k, f, n in cases))
    ]
    return (sum(t > observed for t in totals) + u * sum(t == observed for t in totals)) / len(totals)


@pytest.mark.parametrize(
    ("failures", "runs", "bag_failures", "bag_runs", "p"),
    [
        # one case that failed tonight for the first time in 11 runs: 1/11, half of it with u = 1/2
        ([1], [1], [1], [11], 0.5 / 11),
        # it failed once, but not tonight
        ([0], [1], [1], [11], 1 / 11 + 0.5 * 10 / 11),
        # two such cases, both tonight; one tonight and one before
        ([1, 1], [1, 1], [1, 1], [11, 11], 0.5 / 121),
        ([1, 0], [1, 1], [1, 1], [11, 11], 1 / 121 + 0.5 * 20 / 121),
        # both failures of 5 runs within a block of 2: 1 of 10 pairs
        ([2], [2], [2], [5], 0.5 / 10),
        # nothing ever varied, or everything is missing: u alone
        ([0, 1], [1, 1], [0, 11], [11, 11], 0.5),
        ([0], [0], [3], [10], 0.5),
    ],
)
def test_the_p_value_of_a_tiny_bag_is_the_one_found_by_hand(failures, runs, bag_failures, bag_runs, p):
    assert _p(failures, runs, bag_failures, bag_runs) == pytest.approx(p, rel=1e-12)


@st.composite
def bags(draw, *, most_cases=3):
    """Per case (K, F, N); unequal numbers of runs, stable and flaky cases."""
    cases = draw(st.integers(1, most_cases))
    found = []
    for _ in range(cases):
        runs = draw(st.sampled_from([1, 3]))
        bag_runs = draw(st.integers(runs, 6))
        found.append((runs, draw(st.integers(0, bag_runs)), bag_runs))
    return found


@st.composite
def blocks(draw, *, most_cases=3):
    """A bag and what was observed of it: failures, runs, bag_failures, bag_runs."""
    bag = draw(bags(most_cases=most_cases))
    failures = [draw(st.integers(max(0, k - (n - f)), min(k, f))) for k, f, n in bag]
    return failures, *(list(each) for each in zip(*bag, strict=True))


@settings(max_examples=60)
@given(block=blocks(), u=st.sampled_from([0.001, 0.25, 0.999]))
def test_the_p_value_counts_every_arrangement_of_the_bag(block, u):
    assert _p(*block, u=u) == pytest.approx(_enumerated_p(*block, u), abs=1e-12)


@settings(max_examples=100)
@given(bag=bags(), a=st.floats(0.001, 0.999))
def test_the_p_value_is_exactly_uniform_whatever_the_bag(bag, a):
    """P(p <= a) = a, summed over all arrangements of the bag, with u integrated."""
    runs, bag_failures, bag_runs = (list(each) for each in zip(*bag, strict=True))
    reached = 0.0
    for failures in product(*(range(max(0, k - (n - f)), min(k, f) + 1) for k, f, n in bag)):
        share = 1.0
        for x, (k, f, n) in zip(failures, bag, strict=True):
            share *= comb(f, x) * comb(n - f, k - x) / comb(n, k)
        above, at_least = (_p(failures, runs, bag_failures, bag_runs, u=u) for u in (0.0, 1.0))
        reached += share * min(max((a - above) / (at_least - above), 0.0), 1.0)
    assert isclose(reached, a, abs_tol=1e-9)


@pytest.mark.parametrize("runs", [1, 3])
def test_400_draws_of_p_values_are_uniform_with_flaky_and_stable_cases_and_unequal_runs(runs):
    rng = np.random.default_rng(7)
    rates = np.concatenate([np.full(25, 0.01), rng.beta(1.5, 5.6, 15), np.full(10, 0.97)])
    bag_runs = rng.integers(5, 14, len(rates)) + runs
    found = []
    for _ in range(400):
        failures = rng.binomial(runs, rates)
        bag_failures = failures + rng.binomial(bag_runs - runs, rates)
        block_runs = np.full(len(rates), runs)
        found.append(block_p_value(failures, block_runs, bag_failures, bag_runs, u=rng.random()))
    assert kstest(found, "uniform").pvalue > 0.01


@settings(max_examples=50)
@given(block=blocks(most_cases=8), order=st.randoms(use_true_random=False))
def test_the_order_of_the_cases_changes_no_bit(block, order):
    rows = list(zip(*block, strict=True))
    order.shuffle(rows)
    assert _p(*zip(*rows, strict=True)) == _p(*block)


@pytest.mark.parametrize(
    "more",
    [(0, 1, 0, 11), (1, 1, 11, 11), (3, 3, 30, 30), (0, 0, 4, 10)],
    ids=["always passed", "always failed", "always failed thrice a night", "missing in the block"],
)
@settings(max_examples=25)
@given(block=blocks(most_cases=6))
def test_a_case_that_never_varies_or_is_missing_changes_no_bit(more, block):
    with_it = [[*each, one] for each, one in zip(block, more, strict=True)]
    assert _p(*with_it) == _p(*block)


def test_where_hundreds_of_flaky_cases_all_pass_the_p_value_is_no_more_than_1():
    rng = np.random.default_rng(0)
    bag_failures = rng.binomial(10, rng.uniform(0.1, 0.25, 300))
    p = _p([0] * 300, [1] * 300, bag_failures, [11] * 300, u=0.9)
    assert 0.999 < p <= MOST_P
    assert -9 < z_value(p) < -8
