"""Which slices moved, and the cases that carry it."""

import numpy as np
import pytest
from drift_nights import CASES, drawn_nights, flaky, nights_of

from evals.drift.slices import CarryingCase, carrying_cases, moved_slices

SLICES = {name: frozenset(CASES[start : start + 20]) for name, start in (("a", 0), ("b", 20), ("c", 40), ("d", 60))}
FAILING = np.where(np.arange(80) % 5 == 0, 0.2, 0.02)


def test_the_slice_whose_cases_broke_is_named_with_its_rates_and_no_other():
    history = drawn_nights(FAILING, seed=2, nights=8, since=4, broken=[41, 42, 43, 44])
    (moved,) = moved_slices(history, SLICES, since=4, kind="fail")
    assert (moved.name, moved.cases) == ("c", 20)
    assert moved.p < 1e-6
    assert moved.e > 1000
    assert moved.before == pytest.approx(0.944, abs=0.03)
    assert moved.before - moved.since == pytest.approx(0.2, abs=0.06)


@pytest.mark.parametrize(("kind", "found"), [("fail", []), ("pass", ["a"]), ("real", ["a"])])
def test_a_slice_that_got_better_is_found_in_that_direction(kind, found):
    failing = np.where(np.arange(80) < 10, 0.98, FAILING)
    history = drawn_nights(failing, seed=2, nights=8, since=4, broken=range(10))
    assert [move.name for move in moved_slices(history, SLICES, since=4, kind=kind)] == found


def test_slices_may_overlap_and_come_with_the_most_evidence_first():
    history = drawn_nights(FAILING, seed=2, nights=8, since=4, broken=[41, 42, 43, 44])
    slices = {**SLICES, "all": frozenset(CASES), "broken": frozenset(CASES[41:45])}
    moved = moved_slices(history, slices, since=4, kind="fail")
    assert {move.name for move in moved} == {"broken", "c", "all"}
    assert [move.e for move in moved] == sorted((move.e for move in moved), reverse=True)


def test_of_400_slices_of_null_nights_hardly_any_is_named():
    named = 0
    for seed in range(100):
        named += len(moved_slices(drawn_nights(FAILING, seed=seed, nights=6), SLICES, since=3, kind="fail"))
    assert named <= 5


def test_beside_a_slice_that_moved_the_others_are_rarely_named():
    named = []
    for seed in range(30):
        history = drawn_nights(FAILING, seed=seed, nights=6, since=3, broken=[41, 42, 43, 44])
        named += [move.name for move in moved_slices(history, SLICES, since=3, kind="fail")]
    assert named.count("c") == 30
    assert len(named) <= 33


def test_a_slice_without_results_on_both_sides_is_not_weighed():
    history = nights_of([{"a": 1.0, "b": 1.0}] * 200, [{"a": 0.0, "b": 0.0, "new": 0.0}])
    alone = moved_slices(history, {"a": frozenset("ab")}, since=0, kind="fail")
    slices = {"a": frozenset("ab"), "new": frozenset(["new"]), "none": frozenset()}
    assert moved_slices(history, slices, since=0, kind="fail") == alone
    assert len(alone) == 1


@pytest.mark.parametrize("since", [-1, 3])
def test_a_night_that_is_not_there_is_refused(since):
    with pytest.raises(ValueError, match=f"no night {since} among 3"):
        moved_slices(drawn_nights(FAILING, seed=0, nights=3), SLICES, since=since, kind="fail")


def test_the_cases_that_carry_a_drift_come_by_their_own_hypergeometric_law():
    baseline = [{"broke": 1.0, "flaky": float(run % 2), "better": 0.0, "same": 1.0} for run in range(9)]
    history = nights_of(baseline, [{"broke": 0.0, "flaky": 0.0, "better": 1.0, "same": 1.0}])
    # broke: 1 failure in 10 runs, in this one; flaky: 6 in 10
    assert carrying_cases(history, since=0, kind="fail") == (
        CarryingCase("broke", pytest.approx(0.05), 1.0, 0.0),
        CarryingCase("flaky", pytest.approx(0.3), pytest.approx(4 / 9), 0.0),
    )
    assert [each.case for each in carrying_cases(history, since=0, kind="pass")] == ["better"]


def test_the_ten_broken_cases_are_the_ten_that_carry_the_drift():
    history = drawn_nights(flaky(200), seed=6, nights=10, since=4, broken=range(100, 110))
    stable = [CASES[place] for place in range(100, 110) if flaky(200)[place] < 0.05]
    carrying = [each.case for each in carrying_cases(history, since=4, kind="fail")]
    assert len(carrying) == 10
    assert set(stable) <= set(carrying)
    assert len(carrying_cases(history, since=4, kind="fail", limit=3)) == 3
