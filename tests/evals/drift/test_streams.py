"""Streams as a fold over stored nights: the same bits from the same results, and a missing one moves nothing."""

from dataclasses import replace

import pytest
from drift_nights import drawn_nights, flaky, nights_of
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from evals.drift.detector import NIGHTLY, Scale
from evals.drift.streams import p_values, seed_of

KINDS = ["fail", "pass", "real"]
SOME = drawn_nights(flaky(8), seed=1, baseline=4, nights=5)


@st.composite
def suites(draw):
    """Three to five cases, three baseline runs, four nights; some results missing, some nights with two."""
    cases = [f"case-{number}" for number in range(draw(st.integers(3, 5)))]
    results = st.lists(st.sampled_from([0.0, 1.0]), min_size=0, max_size=2)
    runs = [{case: draw(results) for case in cases} for _ in range(7)]
    return nights_of(runs[:3], runs[3:])


def _changed(history, change):
    return replace(history, baseline=tuple(map(change, history.baseline)), nights=tuple(map(change, history.nights)))


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_results_give_the_same_bits(kind):
    assert p_values(SOME, kind, kind) == p_values(SOME, kind, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_a_night_more_changes_no_bit_of_those_before(kind):
    shorter = replace(SOME, nights=SOME.nights[:3], names=SOME.names[:3])
    assert p_values(shorter, kind, kind) == p_values(SOME, kind, kind)[:3]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=8)
@given(history=suites())
def test_the_order_of_the_cases_changes_no_bit(kind, history):
    backwards = _changed(history, lambda run: dict(reversed(run.items())))
    assert p_values(backwards, kind, kind) == p_values(history, kind, kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["a first", "case-1b", "z last"])
@pytest.mark.parametrize("value", [0.0, 1.0])
@settings(max_examples=4)
@given(history=suites())
def test_a_case_that_never_varies_changes_no_bit(kind, name, value, history):
    # a block without any result has no p-value, so every night gets one
    history = _changed(history, lambda run: {**run, "case-0": [*run["case-0"], 1.0]})
    with_it = _changed(history, lambda run: {**run, name: [value]})
    assert p_values(with_it, kind, kind) == p_values(history, kind, kind)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=10)
@given(history=suites(), missing=st.integers(1, 4))
def test_a_case_missing_in_a_block_counts_there_as_if_it_were_not_in_the_suite(kind, history, missing):
    def without(run):
        return {case: values for case, values in run.items() if case != "case-1"}

    last = len(history.nights) - missing
    gone = replace(history, nights=(*history.nights[:last], *map(without, history.nights[last:])))
    emptied = replace(
        history, nights=(*history.nights[:last], *({**run, "case-1": ()} for run in history.nights[last:]))
    )
    never = _changed(history, without)
    found, expected = p_values(gone, kind, kind), p_values(never, kind, kind)
    assert found == p_values(emptied, kind, kind)
    for night in range(last, len(history.nights)):
        blocks = [scale for scale in expected[night] if night - scale.length + 1 >= last]
        assert {scale: found[night].get(scale) for scale in blocks} == {
            scale: expected[night][scale] for scale in blocks
        }


def test_a_night_of_errors_alone_has_no_p_value_and_the_block_around_it_has_one():
    history = nights_of([{"a": 1.0, "b": 1.0}] * 3, [{"a": 1.0, "b": 0.0}, {}])
    first, second = p_values(history, "fail", "fail")
    assert list(first) == [NIGHTLY]
    assert list(second) == [Scale(2)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_block_whose_only_varying_case_is_new_says_nothing(kind):
    history = nights_of([{"old": 1.0}] * 3, [{"old": 1.0, "new": [1.0, 0.0]}, {"old": 1.0, "new": 1.0}])
    first, second = p_values(history, kind, kind)
    assert first == {NIGHTLY: None}
    assert second[NIGHTLY] is not None
    assert second[Scale(2)] is None


@pytest.mark.parametrize(("kind", "tonight"), [("fail", 0.0), ("pass", 1.0)])
def test_a_stream_counts_its_own_outcome(kind, tonight):
    history = nights_of([{"a": 1 - tonight}] * 10, [{"a": 1 - tonight}] * 9 + [{"a": tonight}])
    assert p_values(history, kind, kind)[-1][NIGHTLY] <= 1 / 20


def test_after_a_reset_the_blocks_begin_anew_and_the_pool_is_kept():
    history = drawn_nights(flaky(8), seed=1, baseline=4, nights=6)
    found = p_values(history, "fail", "fail", resets=frozenset({3}))
    assert [sorted(scale.length for scale in night) for night in found] == [[1], [1, 2], [1, 2], [1], [1, 2], [1, 2]]
    before = p_values(history, "fail", "fail")
    assert [night[NIGHTLY] for night in found] == [night[NIGHTLY] for night in before]


def test_the_seed_of_a_night_is_the_digest_of_its_baseline_and_its_name():
    assert seed_of("first", "2026-11-21") == 881436211480291396
    assert seed_of("second", "2026-11-21") != seed_of("first", "2026-11-21")


def test_nights_without_a_name_of_their_own_are_refused():
    with pytest.raises(ValueError, match="5 nights have 4 names"):
        p_values(replace(SOME, names=SOME.names[1:]), "fail", "fail")


@pytest.mark.parametrize("kind", KINDS)
def test_the_p_values_of_200_null_nights_that_share_their_baseline_are_uniform(kind):
    found = p_values(drawn_nights(flaky(50), seed=5, baseline=5, nights=200), kind, kind)
    assert kstest([night[NIGHTLY] for night in found], "uniform").pvalue > 0.01
    assert kstest([night[Scale(4)] for night in found if Scale(4) in night], "uniform").pvalue > 0.01
