"""How large a drop is: the interval holds the truth, at every look, and is narrow enough to be of use."""

from dataclasses import replace

import numpy as np
import pytest
from drift_nights import drawn_nights, flaky, nights_of

from evals.drift.size import size_since


def _first(history, nights):
    return replace(history, nights=history.nights[:nights], names=history.names[:nights])


@pytest.mark.parametrize("lost", [0.0, 0.1])
def test_the_interval_holds_the_drop_at_every_look_whatever_the_start(lost):
    rates = flaky(40)
    truth = float(np.mean(np.minimum(rates + lost, 1) - rates))
    missed = 0
    for seed in range(40):
        history = drawn_nights(rates, seed=seed, baseline=3, nights=10, since=2, lost=lost)
        looks = [size_since(_first(history, night + 1), since) for since in (2, 6) for night in range(since, 10)]
        missed += not all(look.low <= truth <= look.high for look in looks)
    assert missed <= 2


def test_a_drop_of_5_points_of_200_cases_excludes_0_after_7_nights_in_most_runs():
    rates = flaky(200)
    broken = [place for place in range(40, 200) if rates[place] <= 0.01][:10]
    sizes = [size_since(drawn_nights(rates, seed=seed, broken=broken), 0) for seed in range(20)]
    assert sum(size.low > 0 for size in sizes) >= 16
    assert np.mean([size.drop for size in sizes]) == pytest.approx(0.049, abs=0.003)
    assert max(size.high - size.low for size in sizes) < 0.09


def test_the_interval_narrows_with_the_nights_and_widens_with_the_start():
    history = drawn_nights(flaky(100), seed=1, nights=40)

    def width(nights, since):
        size = size_since(_first(history, nights), since)
        return size.high - size.low

    assert width(3, 0) > width(10, 0) > width(30, 0)
    assert width(10, 0) < width(20, 10) < width(40, 30)


def test_a_gain_is_a_drop_below_0():
    history = nights_of([{"a": 0.0, "b": float(run % 2)} for run in range(40)], [{"a": 1.0, "b": 1.0}] * 40)
    size = size_since(history, 0)
    assert size.drop == -0.75
    assert size.high < 0


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_case_that_was_run_less_than_twice_in_the_baseline_or_is_missing_since_moves_nothing(value):
    history = drawn_nights(flaky(20), seed=1)
    first, *rest = history.baseline
    new = replace(
        history,
        baseline=({**first, "once": [value]}, *rest),
        nights=tuple({**night, "once": [value], "new": [value]} for night in history.nights),
    )
    assert size_since(new, 0) == size_since(history, 0)
    gone = replace(history, baseline=tuple({**run, "gone": [value]} for run in history.baseline))
    assert size_since(gone, 0).drop == size_since(history, 0).drop


@pytest.mark.parametrize("since", [7, 9])
def test_without_a_result_since_then_there_is_no_size(since):
    with pytest.raises(ValueError, match=f"since night {since}"):
        size_since(drawn_nights(flaky(5), seed=1), since)
