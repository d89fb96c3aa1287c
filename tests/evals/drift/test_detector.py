"""Evidence over nights: R by hand, the guard, the scales, resets, and its expectation under the null hypothesis."""

from math import exp, sqrt

import numpy as np
import pytest
from drift_nights import drawn_nights, flaky
from scipy.special import ndtr

from evals.drift.detector import BETS, NIGHTLY, SCALES, Scale, detect, e_values, z_value
from evals.drift.streams import p_values


def _p(z):
    return float(ndtr(-z))


def _e(z, mu, s=1.0):
    return exp(mu * z / s - mu**2 / 2)


def _mean(values):
    return sum(values) / len(BETS)


def _night(z, *others):
    return {NIGHTLY: _p(z), **dict(others)}


@pytest.mark.parametrize(
    ("scale", "begins", "ends"),
    [
        (Scale(1), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (Scale(2), [0, 2, 4, 6, 8], [2, 4, 6, 8]),
        (Scale(2, 1), [1, 3, 5, 7, 9], [3, 5, 7, 9]),
        (Scale(4), [0, 4, 8], [4, 8]),
        (Scale(4, 2), [2, 6], [6]),
        (Scale(8, 4), [4], []),
    ],
)
def test_a_block_begins_where_the_one_before_ended_and_the_first_after_the_offset(scale, begins, ends):
    assert [nights for nights in range(10) if scale.begins(nights)] == begins
    assert [nights for nights in range(10) if scale.ends(nights)] == ends


def test_every_length_but_1_is_followed_twice_half_a_block_apart():
    assert [tuple(scale) for scale in SCALES] == [
        (1, 0), (2, 0), (2, 1), (4, 0), (4, 2), (8, 0), (8, 4), (16, 0), (16, 8),
    ]  # fmt: skip


def test_r_of_three_nights_is_the_one_found_by_hand():
    nights = detect([_night(0.5), _night(-0.5), _night(0.25)])
    first = [_e(0.5, mu) for mu in BETS]
    second = [(r + 1) * _e(-0.5, mu) for r, mu in zip(first, BETS, strict=True)]
    third = [(r + 1) * _e(0.25, mu) for r, mu in zip(second, BETS, strict=True)]
    found = [night[NIGHTLY].r for night in nights]
    assert found == pytest.approx([_mean(first), _mean(second), _mean(third)], rel=1e-9)


def test_a_block_of_four_nights_adds_four_before_it_multiplies():
    four = Scale(4)
    nights = [*[_night(0)] * 3, _night(0, (four, _p(1.5))), *[_night(0)] * 3, _night(0, (four, _p(2.0)))]
    found = detect(nights)
    first = [4 * _e(1.5, mu) for mu in BETS]
    assert [night[four].r for night in found[:4]] == pytest.approx([0, 0, 0, _mean(first)])
    second = [(r + 4) * _e(2.0, mu) for r, mu in zip(first, BETS, strict=True)]
    assert found[7][four].r == pytest.approx(_mean(second))


def test_the_guard_widens_the_block_after_the_wild_nights_and_not_their_own():
    eight = Scale(8)
    wild = [_night(0), _night(5), _night(-5), *[_night(0)] * 4, _night(0, (eight, _p(1.5)))]
    calm_again = [*[_night(0)] * 7, _night(0, (eight, _p(1.5)))]
    found = detect([*wild, *calm_again])
    guard = sqrt((10 + 50) / (10 + 5))
    first = [8 * _e(1.5, mu) for mu in BETS]
    assert found[7][eight].r == pytest.approx(_mean(first))
    second = [(r + 8) * _e(1.5, mu, guard) for r, mu in zip(first, BETS, strict=True)]
    assert found[15][eight].r == pytest.approx(_mean(second))


def test_the_first_night_of_a_drift_does_not_widen_the_law_of_the_three_that_confirm_it():
    found = detect([_night(4)] * 5)
    r = [0.0] * len(BETS)
    for night, guard in enumerate([1, 1, 1, 1, sqrt((10 + 16) / (10 + 1))]):
        r = [(each + 1) * _e(4, mu, guard) for each, mu in zip(r, BETS, strict=True)]
        assert found[night][NIGHTLY].r == pytest.approx(_mean(r))


def test_calm_nights_never_narrow_the_law():
    found = detect([_night(0)] * 50 + [_night(1)])
    before = detect([_night(0)] * 50)[-1][NIGHTLY].r
    assert found[-1][NIGHTLY].r > before
    alone = detect([_night(0)] * 2)
    assert [night[NIGHTLY].r for night in alone] == pytest.approx(
        [_mean([_e(0, mu) for mu in BETS]), _mean([(_e(0, mu) + 1) * _e(0, mu) for mu in BETS])]
    )


def test_a_reset_drops_the_evidence_of_every_scale_and_begins_all_blocks_anew():
    scale = Scale(2)
    nights = [_night(2), _night(2, (scale, _p(3))), _night(1), _night(1, (scale, _p(1)))]
    found = detect(nights, resets=frozenset({2}))
    assert found[1][NIGHTLY].r > 1
    assert found[2][NIGHTLY].r == pytest.approx(_mean([_e(1, mu) for mu in BETS]))
    assert found[2][scale].r == 0
    assert found[3][scale].r == pytest.approx(_mean([2 * _e(1, mu) for mu in BETS]))
    assert found[2][NIGHTLY].since == 2


def test_a_night_without_results_leaves_every_scale_as_it_was():
    with_gap = detect([_night(1), {}, _night(1)])
    without = detect([_night(1), _night(1)])
    assert with_gap[1] == with_gap[0]
    assert with_gap[2][NIGHTLY].r == without[1][NIGHTLY].r


def test_since_is_the_first_night_of_the_excursion_that_still_lasts():
    found = detect([_night(z) for z in (2, 0, -2, -2, 2, 2, 2)])
    assert [night[NIGHTLY].since for night in found] == [0, 0, 2, 3, 4, 4, 4]


@pytest.mark.parametrize("guard", [1.0, 1.5, 4.0])
def test_the_expectation_of_every_e_value_is_at_most_1_and_1_without_a_guard(guard):
    z = np.linspace(-36, 36, 7_201)
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) * (z[1] - z[0])
    expected = sum(e_values(_p(each), guard) * share for each, share in zip(z.tolist(), density.tolist(), strict=True))
    assert expected == pytest.approx(np.exp(np.array(BETS) ** 2 / 2 * (1 / guard**2 - 1)), rel=1e-6)


@pytest.mark.parametrize(("p", "z"), [(0.0, 37.0), (1.0, -37.0), (0.5, 0.0), (0.025, 1.959964)])
def test_z_is_finite_whatever_the_p_value(p, z):
    assert z_value(p) == pytest.approx(z, abs=1e-6)


def test_r_expects_no_more_than_the_nights_that_have_passed():
    last = []
    for seed in range(150):
        found = detect(p_values(drawn_nights(flaky(12), seed=seed, baseline=4, nights=16), "fail", "fail"))
        last.append([found[-1][scale].r for scale in SCALES])
    mean = np.mean(last, axis=0)
    error = np.std(last, axis=0) / np.sqrt(len(last))
    assert (mean <= 16 + 3 * error).all()
    assert mean.max() > 1


def test_a_block_that_begins_with_nights_without_a_result_is_since_the_first_with_one():
    nights = [{NIGHTLY: 0.5}, {}, {Scale(2): 0.5}, {NIGHTLY: 1e-6, Scale(4): 1e-6}]
    assert detect(nights)[-1][Scale(4)].since == 0
    assert detect([{}, {}, {}, {NIGHTLY: 1e-6, Scale(4): 1e-6}])[-1][Scale(4)].since == 3
