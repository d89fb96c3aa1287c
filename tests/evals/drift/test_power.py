"""What a suite can see: more cases see a smaller drop, and a suite that sees nothing says so."""

import numpy as np
import pytest
from drift_nights import drawn_nights, flaky

from evals.drift.power import Canary, Detectable, minimal_detectable, shrunk_rates


def _seen(cases, *, runs=10, **options):
    return minimal_detectable("first", drawn_nights(flaky(cases), seed=3, baseline=runs, nights=0).baseline, **options)


def test_200_cases_see_2_or_3_broken_ones_and_50_see_fewer_points():
    many, few = _seen(200), _seen(50, runs=5)
    assert many.cases in (2, 3)
    assert few.cases in (2, 3)
    assert many.drop_points < 2 < few.drop_points < 6
    assert (many.nights, many.share, many.replications) == (7, 0.8, 20)


def test_an_alarm_that_asks_for_more_evidence_sees_fewer_drops():
    assert _seen(50, runs=5, alarm=10).cases < _seen(50, runs=5, alarm=1e9).cases


def test_a_canary_sees_less_than_the_whole_suite_and_one_of_all_cases_nearly_as_much():
    history = drawn_nights(flaky(100), seed=3, nights=0)
    cases = sorted(case for case, values in history.baseline[0].items() if values == [1.0])
    small, large = (Canary(frozenset(cases[:number]), 10) for number in (15, len(cases)))
    seen = [minimal_detectable("first", history.baseline, canary=canary).cases for canary in (None, large, small)]
    assert seen == sorted(seen)
    assert seen[0] < seen[2]


def test_the_same_baseline_sees_the_same():
    assert _seen(10) == _seen(10)


def test_the_drop_is_that_of_the_broken_cases_pass_rate_in_points():
    seen = minimal_detectable("first", [{f"case-{number}": [1.0] for number in range(25)}] * 10)
    assert seen == Detectable(seen.cases, pytest.approx(4 * seen.cases, abs=0.1))


@pytest.mark.parametrize(
    "baseline",
    [
        [],
        [{"a": [0.0], "b": [0.0]}] * 10,
        [{"a": [1.0]}] * 3,
        [{f"case-{case}": [float((run + case) % 2)] for case in range(6)} for run in range(10)],
    ],
    ids=["no case", "none passes", "one case", "all as flaky as a coin"],
)
def test_a_suite_that_could_not_see_all_its_cases_break_says_so(baseline):
    assert minimal_detectable("first", baseline) is None


def test_rates_are_drawn_to_those_of_the_other_cases_the_more_the_fewer_the_runs():
    failures = np.array([0, 0, 0, 0, 5, 10])
    rates = shrunk_rates(failures, np.full(6, 10))
    assert (np.diff(rates) >= 0).all()
    assert 0 < rates[0] < 0.05
    assert 0.4 < rates[4] < 0.5
    assert 0.9 < rates[5] < 1
    assert shrunk_rates(failures // 5, np.full(6, 2))[0] > rates[0]


def test_where_all_cases_have_one_rate_all_get_it():
    assert shrunk_rates(np.array([0, 0, 0]), np.array([10, 10, 10])) == pytest.approx([0.5 / 31] * 3, rel=0.02)
