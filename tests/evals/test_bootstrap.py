"""Bootstrap intervals of means beside scipy's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap

from evals.bootstrap import mean_intervals

SCORES = st.lists(st.sampled_from([0.0, 0.43, 0.5, 0.63, 1.0]), min_size=1, max_size=60)


@pytest.mark.parametrize("queries", [12, 40, 300])
@pytest.mark.parametrize("shape", [(8.0, 1.0), (1.0, 1.0), (0.3, 0.1)], ids=["high", "even", "nearly all 0 or 1"])
def test_an_interval_is_the_one_that_scipy_finds(queries, shape):
    scores = np.random.default_rng(queries).beta(*shape, size=queries)
    expected = bootstrap((scores,), np.mean, n_resamples=9999, method="BCa", random_state=1).confidence_interval
    (found,) = mean_intervals(scores[:, None])
    assert found == pytest.approx(tuple(expected), abs=0.1 * (expected.high - expected.low))


def test_each_column_has_the_interval_it_has_alone():
    scores = np.random.default_rng(1).beta(2, 1, size=(30, 3))
    alone = [mean_intervals(scores[:, [column]])[0] for column in range(3)]
    assert mean_intervals(scores) == [pytest.approx(each) for each in alone]


@pytest.mark.parametrize("score", [0.0, 0.63, 1.0])
def test_equal_scores_leave_no_doubt(score):
    assert mean_intervals(np.full((9, 1), score)) == [(score, score)]


@given(SCORES)
def test_an_interval_holds_the_mean_and_lies_between_the_least_and_the_greatest_score(scores):
    ((low, high),) = mean_intervals(np.array(scores)[:, None])
    mean = float(np.mean(scores))
    assert min(scores) - 1e-9 <= low <= mean + 1e-9
    assert mean - 1e-9 <= high <= max(scores) + 1e-9
