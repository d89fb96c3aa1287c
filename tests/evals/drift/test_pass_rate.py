"""The pass rate since the baseline: its interval holds the rate behind it after every night at once, and narrows."""

import random
from dataclasses import replace

import numpy as np
import pytest
from drift_nights import CASES, drawn_nights, flaky, nights_of
from hypothesis import given
from hypothesis import strategies as st

from evals.drift.pass_rate import running_pass_rate


def _drawn(seed, *, cases, nights, adaptive=False):
    """A history whose rates wander, and the mean of the true pass probabilities of its results so far, by night.

    adaptive: half of the cases run only in nights in which one of the others fails.
    """
    rng = np.random.default_rng(seed)
    failing = flaky(cases, seed=seed)
    baseline = [dict(zip(CASES, (rng.random(cases) >= failing).astype(float), strict=False)) for _ in range(3)]
    runs, truths, summed, results = [], [], 0.0, 0
    for _ in range(nights):
        failing = np.clip(failing + rng.normal(0, 0.02, cases), 0, 1)
        passed = (rng.random(cases) >= failing).astype(float)
        ran = cases // 2 if adaptive and passed[: cases // 2].all() else cases
        summed, results = summed + float((1 - failing[:ran]).sum()), results + ran
        runs.append(dict(zip(CASES, passed[:ran].tolist(), strict=False)))
        truths.append(summed / results)
    return nights_of(baseline, runs), truths


@pytest.mark.parametrize(("cases", "adaptive"), [(4, False), (20, False), (20, True)])
def test_the_interval_holds_the_rate_behind_the_results_after_every_night_at_once(cases, adaptive):
    missed = 0
    for seed in range(100):
        history, truths = _drawn(seed, cases=cases, nights=40, adaptive=adaptive)
        found = running_pass_rate(history, alpha=0.2)
        missed += not all(each.low <= truth <= each.high for each, truth in zip(found, truths, strict=True))
    assert missed <= 20


def test_the_interval_of_200_cases_is_narrower_than_4_points_after_7_nights_and_goes_on_narrowing():
    found = running_pass_rate(drawn_nights(flaky(200), seed=1, nights=120))
    widths = [each.high - each.low for each in found]
    assert widths[6] < 0.04
    assert widths[119] < 0.01
    assert all(after < before for before, after in zip(widths[9::10], widths[19::10], strict=False))


@given(
    st.lists(
        st.dictionaries(st.sampled_from("abcd"), st.lists(st.sampled_from([0.0, 1.0]), max_size=3)),
        min_size=1,
        max_size=6,
    ),
    st.integers(0, 2),
    st.randoms(use_true_random=False),
)
def test_the_order_of_cases_is_of_no_account_and_the_rate_lies_in_its_interval(
    runs: list[dict[str, list[float]]], baseline: int, order: random.Random
):
    history = nights_of(runs[:baseline], runs[baseline:])
    found = running_pass_rate(history)
    assert len(found) == len(history.nights)
    assert all(each is None or 0 <= each.low <= each.rate <= each.high <= 1 for each in found)

    def shuffled(run):
        return dict(order.sample(list(run.items()), len(run)))

    other = replace(
        history, baseline=tuple(map(shuffled, history.baseline)), nights=tuple(map(shuffled, history.nights))
    )
    assert running_pass_rate(other) == found


def test_a_night_without_results_moves_nothing_and_before_the_first_there_is_no_rate():
    found = running_pass_rate(nights_of([{"a": 1.0}] * 3, [{}, {"a": 1.0, "b": 0.0}, {"a": []}, {"a": 0.0}]))
    assert found[0] is None
    assert found[1] == found[2]
    assert [each.rate for each in found[1:]] == [0.5, 0.5, pytest.approx(1 / 3)]
