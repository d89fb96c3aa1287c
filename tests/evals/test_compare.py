"""Comparing nights: rates with their uncertainty, and flips."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.case import KINDS
from evals.compare import PassRate, Result, compare, pass_rates


def _result(case_id, passed, *, suite="small", kind="answerable", digest="1"):
    return Result(suite, case_id, kind, digest, passed)


@pytest.mark.parametrize(
    ("passed", "cases", "low", "high"),
    [
        (8, 10, 0.4902, 0.9433),
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (1, 1, 0.2065, 1.0),
        (50, 100, 0.4038, 0.5962),
    ],
)
def test_the_interval_is_wilsons(passed, cases, low, high):
    assert PassRate(passed, cases).interval == pytest.approx((low, high), abs=5e-5)
    assert PassRate(passed, cases).rate == passed / cases


def test_without_a_graded_case_there_is_neither_rate_nor_interval():
    assert PassRate(0, 0, not_graded=3).rate is None
    assert PassRate(0, 0, not_graded=3).interval is None


def test_a_case_that_could_not_be_graded_is_not_a_failure():
    results = [_result("a", True), _result("b", None), _result("c", False), _result("d", None, kind="messy")]
    assert pass_rates(results) == {
        "all": PassRate(1, 2, not_graded=2),
        "answerable": PassRate(1, 2, not_graded=1),
        "messy": PassRate(0, 0, not_graded=1),
    }


def test_kinds_come_in_their_usual_order_whatever_the_order_of_the_results():
    results = [_result(kind.replace("_", "-"), True, kind=kind) for kind in reversed(KINDS)]
    assert list(pass_rates(results)) == ["all", *KINDS]


def test_a_night_without_any_answer_has_a_rate_of_none_not_of_zero():
    rates = pass_rates([])
    assert rates == {"all": PassRate(0, 0)}
    assert (rates["all"].rate, rates["all"].interval) == (None, None)


@pytest.mark.parametrize(
    ("before", "tonight", "compared", "lost", "gained"),
    [
        (True, False, 1, ("small/a",), ()),
        (False, True, 1, (), ("small/a",)),
        (True, True, 1, (), ()),
        (False, False, 1, (), ()),
        (None, False, 0, (), ()),
        (True, None, 0, (), ()),
        (None, None, 0, (), ()),
    ],
)
def test_a_flip_is_a_pass_that_became_a_failure_or_the_reverse(before, tonight, compared, lost, gained):
    found = compare([_result("a", tonight)], [_result("a", before)], "2026-12-01")
    assert (found.night, found.compared, found.lost, found.gained) == ("2026-12-01", compared, lost, gained)


@pytest.mark.parametrize(
    "change",
    [{"case_digest": "2"}, {"case_id": "b"}, {"suite": "other"}],
    ids=["the case was rewritten", "another case", "another suite"],
)
def test_only_the_very_same_case_is_compared(change):
    before = _result("a", True)
    found = compare([replace(before, passed=False, **change)], [before], "2026-12-01")
    assert (found.compared, found.lost, found.gained) == (0, (), ())


def test_flips_come_in_the_order_of_tonights_cases():
    before = [_result(name, True) for name in "abc"]
    found = compare([_result(name, False) for name in "cab"], before, "2026-12-01")
    assert found.lost == ("small/c", "small/a", "small/b")


NIGHT = st.lists(
    st.builds(
        Result,
        suite=st.sampled_from(["customers", "staff"]),
        case_id=st.sampled_from(list("abcdef")),
        kind=st.sampled_from(KINDS),
        case_digest=st.sampled_from(["1", "2"]),
        passed=st.sampled_from([True, False, None]),
    ),
    unique_by=lambda each: (each.suite, each.case_id),
)


@settings(max_examples=200)
@given(tonight=NIGHT, before=NIGHT)
def test_lost_and_gained_are_disjoint_and_among_the_compared(tonight, before):
    found = compare(tonight, before, "2026-12-01")
    there = {(each.suite, each.case_id, each.case_digest) for each in before if each.passed is not None}
    both = [
        f"{each.suite}/{each.case_id}"
        for each in tonight
        if each.passed is not None and (each.suite, each.case_id, each.case_digest) in there
    ]
    assert found.compared == len(both)
    assert not set(found.lost) & set(found.gained)
    assert {*found.lost, *found.gained} <= set(both)


@settings(max_examples=100)
@given(tonight=NIGHT, before=NIGHT)
def test_what_is_lost_one_way_is_gained_the_other_way(tonight, before):
    there, back = compare(tonight, before, "x"), compare(before, tonight, "x")
    assert (set(there.lost), set(there.gained)) == (set(back.gained), set(back.lost))


@settings(max_examples=100)
@given(night=NIGHT)
def test_a_night_has_no_flips_against_itself(night):
    found = compare(night, night, "x")
    assert (found.lost, found.gained) == ((), ())


@settings(max_examples=100)
@given(passed=st.integers(0, 60), failed=st.integers(0, 60))
def test_the_rate_lies_inside_its_interval(passed, failed):
    rate = PassRate(passed, passed + failed)
    if rate.rate is None:
        assert rate.interval is None
    else:
        low, high = rate.interval
        assert 0 <= low <= rate.rate + 1e-12
        assert rate.rate - 1e-12 <= high <= 1
