"""What the suite can see: the fewest broken cases that sound the alarm within seven nights.

Each case's failure rate is its baseline's, shrunk: (a + F_i) / (a + b + N_i), with Beta(a, b) fitted to all cases by
moments (the variance of the observed rates less what N_i runs add to it), as a case that passed 10 of 10 runs is not
sure to pass the next. Nights are drawn from these rates after the real baseline, from its own seed. After 16 to 31 of
them, so that the change falls on every phase of the blocks, the broken cases, which mostly passed, fail as often as
they passed. Only the stream of failures is followed, with its weight: a drop hardly moves the others.

Where nights are adaptive, a canary has to open one before the suite can see anything: its answers are drawn apart, and
held against as many pilot nights.

It is an estimate by simulation, no bound: 80 % of 20 replications may be 60 % or 95 % in truth. In the first nights
after a baseline the suite sees less, as R begins at 0.
"""

from bisect import bisect_left
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from evals.drift.conformal import Counts, Floats, block_p_value
from evals.drift.decision import ALARM, Stream, decide, weights
from evals.drift.detector import SCALES, Scale
from evals.drift.planner import OPENING, SHORT, canary_evidence
from evals.drift.streams import BlockPValues, Values, by_case, seed_of

NIGHTS = 7
SHARE = 0.8
REPLICATIONS = 20
PAST = 16  # null nights before the change, and up to 15 more
LEAST_RUNS, MOST_RUNS = 0.01, 1000.0  # what the prior weighs: most where all cases have one rate
PASSING = 0.5  # a case that fails less often than this can break


@dataclass(frozen=True, slots=True)
class Detectable:
    """The least drop that is found: so many broken cases, so many points; how soon, how often, and how measured."""

    cases: int
    drop_points: float
    nights: int = NIGHTS
    share: float = SHARE
    replications: int = REPLICATIONS


@dataclass(frozen=True, slots=True)
class Canary:
    """The cases that are asked first, and in how many pilot nights they were chosen."""

    cases: frozenset[str]
    pilot_nights: int


@dataclass(frozen=True, slots=True)
class _Suite:
    """A baseline: failures, runs and shrunk failure rates, shape (cases,); which pass; what `fail` has to reach.

    canary: which cases are its; none where every night is whole.
    """

    failures: Counts
    runs: Counts
    rates: Floats
    passing: Counts
    weight: float
    alarm: float
    canary: Counts
    pilot_nights: int


@dataclass(frozen=True, slots=True)
class _Track:
    """Answers of some cases over the nights: failures and runs before them, and what is drawn below a rate fails.

    draws: of shape (nights, cases). past: the p-values of the nights before the change.
    """

    failures: Counts
    runs: Counts
    draws: Floats
    scales: Sequence[Scale]
    past: BlockPValues


@dataclass(frozen=True, slots=True)
class _Replication:
    """One draw of the nights: how many before the change, the order of breaking, the suite and its canary."""

    past: int
    order: Counts
    suite: _Track
    canary: _Track | None


def minimal_detectable(
    baseline_id: str,
    baseline: Sequence[Values],
    *,
    real: Sequence[str] = (),
    alarm: float = ALARM,
    canary: Canary | None = None,
) -> Detectable | None:
    """The fewest broken cases found within 7 nights in at least 80 % of 20 replications; None: not even all of them.

    real: the names of the real-valued streams that are followed as well and take their share of the weight.
    alarm: the evidence that sounds it. canary: of adaptive nights; None where every night is whole.
    """
    suite = _suite(baseline, weights(real)["fail"], alarm, canary)
    seed = seed_of(baseline_id, "power")
    replications = [_replication(suite, [seed, number]) for number in range(REPLICATIONS)]
    found = _least_found(suite, replications)
    if found is None:
        return None
    drop = (1 - 2 * suite.rates[suite.passing]).mean() * found / len(suite.rates)
    return Detectable(found, round(100 * float(drop), 2))


def _suite(baseline: Sequence[Values], weight: float, alarm: float, canary: Canary | None) -> _Suite:
    kept = {case: values for case, values in sorted(by_case(baseline).items()) if values}
    runs = np.array([len(values) for values in kept.values()], dtype=np.int64)
    failures = runs - np.array([sum(value == 1.0 for value in values) for values in kept.values()], dtype=np.int64)
    rates = shrunk_rates(failures, runs)
    chosen: Collection[str] = canary.cases if canary else ()
    return _Suite(
        failures,
        runs,
        rates,
        np.flatnonzero(rates < PASSING),
        weight,
        alarm,
        np.flatnonzero(np.array([case in chosen for case in kept], dtype=bool)),
        canary.pilot_nights if canary else 0,
    )


def shrunk_rates(failures: Counts, runs: Counts) -> Floats:
    """Failure rates by an empirical Bayes Beta prior fitted by moments; shapes (cases,)."""
    if not len(runs):
        return np.zeros(0)
    mean = (failures.sum() + 0.5) / (runs.sum() + 1)
    observed = failures / runs
    noise = (observed * (1 - observed) / np.maximum(runs - 1, 1)).mean()
    variance = max(float(observed.var() - noise), 1e-12)
    weight = np.clip(mean * (1 - mean) / variance - 1, LEAST_RUNS, MOST_RUNS)
    return np.asarray((weight * mean + failures) / (weight + runs), dtype=np.float64)


def _least_found(suite: _Suite, replications: Sequence[_Replication]) -> int | None:
    """The least k that is found. All k use the same draws, and one more broken case is taken to be seen no later."""

    def found(k: int) -> bool:
        return _is_found(suite, replications, k)

    most = len(suite.passing)
    missed, k = 0, min(1, most)
    while not found(k):
        if k == most:
            return None
        missed, k = k, min(2 * k, most)
    return missed + 1 + bisect_left(range(missed + 1, k), True, key=found)


def _is_found(suite: _Suite, replications: Sequence[_Replication], broken: int) -> bool:
    enough, found = round(REPLICATIONS * SHARE), 0
    for left, replication in zip(range(REPLICATIONS, 0, -1), replications, strict=True):
        if found == enough or found + left < enough:
            break
        found += _alarms(suite, replication, broken)
    return found >= enough


def _replication(suite: _Suite, seed: list[int]) -> _Replication:
    generator = np.random.default_rng(seed)
    past = PAST + seed[-1] % 16
    draws = generator.random((past + NIGHTS, len(suite.rates)))
    whole = not len(suite.canary)
    track = _Track(suite.failures, suite.runs, draws, SCALES, [])
    track = _with_past(track, np.full(past, whole), suite.rates, generator)
    order = generator.permutation(suite.passing)
    if whole:
        return _Replication(past, order, track, None)
    rates = suite.rates[suite.canary]
    pilot = (generator.random((suite.pilot_nights, len(rates))) < rates).sum(axis=0)
    runs = np.full(len(rates), suite.pilot_nights)
    draws = generator.random((past + NIGHTS, len(rates)))
    probe = _with_past(_Track(pilot, runs, draws, SHORT, []), np.full(past, True), rates, generator)
    return _Replication(past, order, track, probe)


def _with_past(track: _Track, asked: NDArray[np.bool_], rates: Floats, generator: np.random.Generator) -> _Track:
    past = len(asked)
    return replace(track, past=_p_values(track, track.draws[:past] < rates, asked, range(1, past + 1), generator))


def _alarms(suite: _Suite, replication: _Replication, broken: int) -> bool:
    past, generator = replication.past, np.random.default_rng(broken)
    rates = suite.rates.copy()
    chosen = replication.order[:broken]
    rates[chosen] = 1 - rates[chosen]

    def failed(track: _Track, cases: Counts) -> NDArray[np.bool_]:
        before, after = track.draws[:past] < suite.rates[cases], track.draws[past:] < rates[cases]
        return np.concatenate([before, after])

    asked = np.full(past + NIGHTS, replication.canary is None)
    if replication.canary is not None:
        probed = failed(replication.canary, suite.canary)
        p_values = _all_p_values(replication.canary, probed, np.full(past + NIGHTS, True), generator)
        asked[past:] = np.array(canary_evidence([Stream("fail", suite.weight, p_values)])[past:]) >= OPENING
    answers = failed(replication.suite, np.arange(len(rates)))
    stream = Stream("fail", suite.weight, _all_p_values(replication.suite, answers, asked, generator))
    sounded = decide([stream], alarm=suite.alarm)[-1].alarm_night
    return sounded is not None and sounded >= past


def _all_p_values(
    track: _Track, failed: NDArray[np.bool_], asked: NDArray[np.bool_], generator: np.random.Generator
) -> BlockPValues:
    past = len(track.past)
    return [*track.past, *_p_values(track, failed, asked, range(past + 1, past + NIGHTS + 1), generator)]


def _p_values(
    track: _Track, failed: NDArray[np.bool_], asked: NDArray[np.bool_], nights: range, generator: np.random.Generator
) -> BlockPValues:
    """Of the blocks that end with these nights, counted from 1."""
    failures, runs = _summed(failed & asked[:, None]), _summed(np.broadcast_to(asked[:, None], failed.shape))
    return [
        {
            scale: block_p_value(
                failures[night] - failures[night - scale.length],
                runs[night] - runs[night - scale.length],
                track.failures + failures[night],
                track.runs + runs[night],
                u=1 - generator.random(),
            )
            for scale in track.scales
            if scale.ends(night) and asked[night - scale.length : night].any()
        }
        for night in nights
    ]


def _summed(counted: NDArray[np.bool_]) -> Counts:
    """How many there were up to each night, from none on."""
    return np.concatenate([np.zeros((1, counted.shape[1]), dtype=np.int64), counted.cumsum(axis=0)])
