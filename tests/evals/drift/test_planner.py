"""Which cases an adaptive night asks: a canary that nothing of the evidence has chosen, and when it calls for all."""

import numpy as np
import pytest
from drift_nights import drawn_nights, flaky, nights_of
from hypothesis import given
from hypothesis import strategies as st

from evals.drift.decision import Stream, weights
from evals.drift.planner import OPENING, canary_evidence, choose_canary, is_whole
from evals.drift.streams import p_values


def pilot_of(results):
    return {f"night-{number}": {case: [value] for case, value in run.items()} for number, run in enumerate(results)}


def evidence_of(history, **options):
    shares = weights([])
    streams = [Stream(kind, shares[kind], p_values(history, kind, kind, **options)) for kind in ("fail", "pass")]
    return canary_evidence(streams, **options)


def test_a_canary_from_a_night_of_the_pool_is_refused():
    pilot = pilot_of([{"a": 1.0}, {"a": 1.0}])
    with pytest.raises(ValueError, match=r"night night-1 is in the pool, so no canary may be chosen by it"):
        choose_canary(pilot, cases=1, pool=["night-1", "night-2"], strata={})


def test_cases_that_flipped_or_failed_in_the_pilot_are_not_chosen_while_there_are_others():
    stable, flipping, failing = [f"s{n}" for n in range(10)], [f"f{n}" for n in range(10)], [f"x{n}" for n in range(10)]
    runs = [
        {**dict.fromkeys(stable, 1.0), **dict.fromkeys(flipping, float(run % 2)), **dict.fromkeys(failing, 0.0)}
        for run in range(3)
    ]
    assert set(choose_canary(pilot_of(runs), cases=5, pool=[], strata={})) < set(stable)
    assert set(choose_canary(pilot_of(runs), cases=15, pool=[], strata={})) < {*stable, *flipping}


def test_every_stratum_has_its_share():
    cases = [f"case-{n:02d}" for n in range(60)]
    strata = {"large": frozenset(cases[:40]), "small": frozenset(cases[40:])}
    chosen = choose_canary(pilot_of([dict.fromkeys(cases, 1.0)] * 2), cases=12, pool=[], strata=strata)
    assert sorted(len(members & set(chosen)) for members in strata.values()) == [4, 8]


@given(
    results=st.lists(
        st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from([0.0, 1.0]), min_size=1), min_size=1, max_size=4
    ),
    cases=st.integers(1, 12),
)
def test_a_canary_has_as_many_cases_as_there_are_and_is_the_same_again(results, cases):
    pilot = pilot_of(results)
    chosen = choose_canary(pilot, cases=cases, pool=[], strata={})
    assert len(set(chosen)) == len(chosen) == min(cases, len({case for run in results for case in run}))
    assert choose_canary(dict(reversed(pilot.items())), cases=cases, pool=[], strata={}) == chosen


def test_a_canary_that_breaks_opens_the_night_in_which_it_does():
    history = drawn_nights(np.full(50, 0.01), seed=1, baseline=10, nights=8, since=6, broken=range(5))
    opened = [evidence >= OPENING for evidence in evidence_of(history)]
    assert opened == [False] * 6 + [True] * 2


def test_a_canary_in_which_nothing_changes_opens_one_night_in_ten_at_most():
    opened = [
        evidence >= OPENING
        for seed in range(8)
        for evidence in evidence_of(drawn_nights(flaky(50, seed=seed, failing=0.0), seed=seed, nights=50))
    ]
    assert np.mean(opened) < 0.1


def test_evidence_of_the_canary_begins_anew_with_a_reset():
    history = drawn_nights(np.full(50, 0.01), seed=1, nights=6, since=3, broken=range(5))
    assert evidence_of(history)[5] > evidence_of(history, resets=frozenset({5}))[5]


def test_a_canary_without_results_opens_nothing():
    nights = nights_of([{"a": 1.0}, {"a": 0.0}], [{}, {}])
    assert max(evidence_of(nights)) < OPENING


def test_one_night_in_so_many_is_whole():
    assert [night for night in range(60) if is_whole(night, every=28)] == [0, 28, 56]
