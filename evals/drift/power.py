"""What the suite can see: the fewest broken cases that sound the alarm within seven nights.

Each case's failure rate is its baseline's, shrunk: (a + F_i) / (a + b + N_i), with Beta(a, b) fitted to all cases by
moments (the variance of the observed rates less what N_i runs add to it), as a case that passed 10 of 10 runs is not
sure to pass the next. Nights are drawn from these rates after the real baseline, from its own seed. After 16 to 31 of
them, so that the change falls on every phase of the blocks, the broken cases, which mostly passed, fail as often as
they passed. Only the stream of failures is followed, with its weight: a drop hardly moves the others.

It is an estimate by simulation, no bound: 80 % of 20 replications may be 60 % or 95 % in truth. In the first nights
after the baseline the suite sees less, as R begins at 0: of 200 cases 3 or 4 must break where it is 2 or 3 later.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evals.drift.conformal import Counts, Floats, block_p_value
from evals.drift.decision import Stream, decide, weights
from evals.drift.detector import SCALES
from evals.drift.streams import BlockPValues, Values, seed_of

NIGHTS = 7
SHARE = 0.8
REPLICATIONS = 20
PAST = 16  # null nights before the change, and up to 15 more
MOST_RUNS = 1000.0  # what the prior weighs at most, where all cases have one rate
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
    """A baseline: failures, runs and shrunk failure rates, shape (cases,); which pass; the weight of stream fail."""

    failures: Counts
    runs: Counts
    rates: Floats
    passing: Counts
    weight: float


@dataclass(frozen=True, slots=True)
class _Replication:
    """Draws, shape (nights, cases): below its rate a case fails; the order of breaking; p-values of the past."""

    past: int
    draws: Floats
    order: Counts
    p_values: BlockPValues


def minimal_detectable(baseline_id: str, baseline: Sequence[Values], *, real: Sequence[str] = ()) -> Detectable | None:
    """The fewest broken cases found within 7 nights in at least 80 % of 20 replications; None: not even all of them.

    real: the names of the real-valued streams that are followed as well and take their share of the weight.
    """
    suite = _suite(baseline, real)
    seed = seed_of(baseline_id, "power")
    replications = [_replication(suite, [seed, number]) for number in range(REPLICATIONS)]
    found = _least_found(suite, replications)
    if found is None:
        return None
    drop = (1 - 2 * suite.rates[suite.passing]).mean() * found / len(suite.rates)
    return Detectable(found, round(100 * float(drop), 2))


def _suite(baseline: Sequence[Values], real: Sequence[str]) -> _Suite:
    results: dict[str, list[float]] = {}
    for run in baseline:
        for case, values in run.items():
            results.setdefault(case, []).extend(values)
    kept = [values for _, values in sorted(results.items()) if values]
    runs = np.array([len(values) for values in kept], dtype=np.int64)
    failures = runs - np.array([sum(value == 1.0 for value in values) for values in kept], dtype=np.int64)
    rates = shrunk_rates(failures, runs)
    passing = np.flatnonzero(rates < PASSING)
    return _Suite(failures, runs, rates, passing, weights(real)["fail"])


def shrunk_rates(failures: Counts, runs: Counts) -> Floats:
    """Failure rates by an empirical Bayes Beta prior fitted by moments; shapes (cases,)."""
    if not len(runs):
        return np.zeros(0)
    mean = (failures.sum() + 0.5) / (runs.sum() + 1)
    observed = failures / runs
    twice = runs > 1
    noise = (observed * (1 - observed) / np.maximum(runs - 1, 1))[twice].mean() if twice.any() else 0.0
    variance = max(float(observed.var() - noise), 0.0)
    weight = min(mean * (1 - mean) / variance - 1, MOST_RUNS) if variance else MOST_RUNS
    weight = max(weight, 1e-2)
    return np.asarray((weight * mean + failures) / (weight + runs), dtype=np.float64)


def _least_found(suite: _Suite, replications: Sequence[_Replication]) -> int | None:
    """The least k that is found. All k use the same draws, and one more broken case is taken to be seen no later."""
    missed = 0
    for k in _fibonacci(len(suite.passing)):
        if _is_found(suite, replications, k):
            break
        missed = k
    else:
        return None
    while k - missed > 1:
        middle = (missed + k) // 2
        missed, k = (missed, middle) if _is_found(suite, replications, middle) else (middle, k)
    return k


def _fibonacci(most: int) -> Iterator[int]:
    """1, 2, 3, 5, 8, ... and last `most`."""
    k, following = 1, 2
    while k < most:
        yield k
        k, following = following, k + following
    if most:
        yield most


def _is_found(suite: _Suite, replications: Sequence[_Replication], broken: int) -> bool:
    found = missed = 0
    for replication in replications:
        alarms = _alarms(suite, replication, broken)
        found, missed = found + alarms, missed + (not alarms)
        if found >= REPLICATIONS * SHARE or missed > REPLICATIONS * (1 - SHARE):
            break
    return found >= REPLICATIONS * SHARE


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
    alarm = decide([stream])[-1].alarm_night
    return alarm is not None and alarm >= past


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
