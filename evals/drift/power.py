"""What the suite can see: the fewest broken cases that sound the alarm within seven nights.

Each case's failure rate is its baseline's, shrunk: (a + F_i) / (a + b + N_i), with Beta(a, b) fitted to all cases by
moments (the variance of the observed rates less what N_i runs add to it), as a case that passed 10 of 10 runs is not
sure to pass the next. Nights are drawn from these rates after the real baseline, from its own seed. After 16 to 31 of
them, so that the change falls on every phase of the blocks, the broken cases, which mostly passed, fail as often as
they passed. Only the stream of failures is followed, with its weight: a drop hardly moves the others.

It is an estimate by simulation, no bound: 80 % of 20 replications may be 60 % or 95 % in truth. In the first nights
after a baseline the suite sees less, as R begins at 0.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evals.drift.conformal import Counts, Floats, block_p_value
from evals.drift.decision import ALARM, Stream, decide, weights
from evals.drift.detector import SCALES
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
class _Suite:
    """A baseline: failures, runs and shrunk failure rates, shape (cases,); which pass; what `fail` has to reach."""

    failures: Counts
    runs: Counts
    rates: Floats
    passing: Counts
    weight: float
    alarm: float


@dataclass(frozen=True, slots=True)
class _Replication:
    """Draws, shape (nights, cases): below its rate a case fails; the order of breaking; p-values of the past."""

    past: int
    draws: Floats
    order: Counts
    p_values: BlockPValues


def minimal_detectable(
    baseline_id: str, baseline: Sequence[Values], *, real: Sequence[str] = (), alarm: float = ALARM
) -> Detectable | None:
    """The fewest broken cases found within 7 nights in at least 80 % of 20 replications; None: not even all of them.

    real: the names of the real-valued streams that are followed as well and take their share of the weight.
    alarm: the evidence that sounds it.
    """
    suite = _suite(baseline, real, alarm)
    seed = seed_of(baseline_id, "power")
    replications = [_replication(suite, [seed, number]) for number in range(REPLICATIONS)]
    found = _least_found(suite, replications)
    if found is None:
        return None
    drop = (1 - 2 * suite.rates[suite.passing]).mean() * found / len(suite.rates)
    return Detectable(found, round(100 * float(drop), 2))


def _suite(baseline: Sequence[Values], real: Sequence[str], alarm: float) -> _Suite:
    kept = [values for _, values in sorted(by_case(baseline).items()) if values]
    runs = np.array([len(values) for values in kept], dtype=np.int64)
    failures = runs - np.array([sum(value == 1.0 for value in values) for values in kept], dtype=np.int64)
    rates = shrunk_rates(failures, runs)
    passing = np.flatnonzero(rates < PASSING)
    return _Suite(failures, runs, rates, passing, weights(real)["fail"], alarm)


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
    failures = _summed(draws[:past] < suite.rates)
    p_values = _p_values(suite, failures, range(1, past + 1), generator)
    return _Replication(past, draws, generator.permutation(suite.passing), p_values)


def _alarms(suite: _Suite, replication: _Replication, broken: int) -> bool:
    past, draws = replication.past, replication.draws
    rates = suite.rates.copy()
    chosen = replication.order[:broken]
    rates[chosen] = 1 - rates[chosen]
    failures = _summed(np.concatenate([draws[:past] < suite.rates, draws[past:] < rates]))
    since = _p_values(suite, failures, range(past + 1, past + NIGHTS + 1), np.random.default_rng(broken))
    stream = Stream("fail", suite.weight, [*replication.p_values, *since])
    sounded = decide([stream], alarm=suite.alarm)[-1].alarm_night
    return sounded is not None and sounded >= past


def _summed(failed: NDArray[np.bool_]) -> Counts:
    """The failures up to each night, from none on."""
    return np.concatenate([np.zeros((1, failed.shape[1]), dtype=np.int64), failed.cumsum(axis=0)])


def _p_values(suite: _Suite, failures: Counts, nights: range, generator: np.random.Generator) -> BlockPValues:
    """Of the blocks that end with these nights, counted from 1."""
    return [
        {
            scale: block_p_value(
                failures[night] - failures[night - scale.length],
                np.full(len(suite.runs), scale.length),
                suite.failures + failures[night],
                suite.runs + night,
                u=1 - generator.random(),
            )
            for scale in SCALES
            if scale.ends(night)
        }
        for night in nights
    ]
