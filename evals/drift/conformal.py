"""The exact p-value of a block of nights, for outcomes that are right or wrong.

Null hypothesis: for each case its outcomes over the baseline runs and the nights are exchangeable, whatever its rate,
and cases are independent. Let case i fail x_i times in its K_i runs of the block, and F_i times in all its N_i runs
so far, baseline and block included (its *bag*). Given the bag, x_i ~ Hypergeometric(N_i, F_i, K_i): the unknown rate
is gone. Each x_i gets a score that depends on the bag alone, so the sum T has a known law, and p = P(T > t) + u P(T =
t) with u uniform is exactly uniform (Vovk, Gammerman, Shafer, *Algorithmic Learning in a Random World*, 2nd ed. 2022,
ch. 2; McNemar 1947 is the case of one run against one run).
"""

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

Counts = NDArray[np.int64]  # one entry a case
Floats = NDArray[np.float64]

BROKEN_SHARE = 0.05  # how many of the cases are expected to break, where something breaks
BROKEN_RATE = 0.8  # how often a broken case fails
LEAST_RATE = 0.002  # and at most 1 - that: what the bag's rate is clipped to
STEPS = 8  # steps of the score to one unit of log likelihood ratio
MOST_SCORE = 8.0  # a single case says no more than this
MOST_P = 1 - 2**-53  # a law of hundreds of cases sums to a hair more than 1, and Phi^-1 of that is no number
LEAST_P = 1e-300  # where hundreds of cases break at once the law's end is too small for a float


@dataclass(frozen=True, slots=True)
class _Case:
    """What one case can add to T: scores by number of failures from `least` on, and the law; the lowest score is 0."""

    least: int
    scores: tuple[int, ...]
    law: tuple[tuple[int, float], ...]


def block_p_value(failures: Counts, runs: Counts, bag_failures: Counts, bag_runs: Counts, *, u: float) -> float:
    """P(T > t) + u P(T = t), exactly uniform under the null hypothesis for u uniform on (0, 1).

    failures, runs: x and K, per case, in the block; runs 0: the case is missing there, which says nothing.
    bag_failures, bag_runs: F and N, per case, over baseline, nights before and block. All of shape (cases,).
    A case that never varies adds the same to every T, so it changes nothing; nor does the order of the cases.
    """
    varying = (runs > 0) & (bag_failures > 0) & (bag_failures < bag_runs)
    rows = list(zip(bag_runs[varying].tolist(), bag_failures[varying].tolist(), runs[varying].tolist(), strict=True))
    total = 0
    for row, count in zip(rows, failures[varying].tolist(), strict=True):
        case = _case(*row)
        total += case.scores[count - case.least]
    law = np.ones(1)
    for row, number in sorted(Counter(rows).items()):
        case = _case(*row)
        for _ in range(number):
            law = _sum_with(law, case)
    return min(max(float(law[total + 1 :].sum() + u * law[total]), LEAST_P), MOST_P)


def _sum_with(law: Floats, case: _Case) -> Floats:
    """The law of the sum of two independent scores; both are counted from their least value."""
    summed = np.zeros(len(law) + case.law[-1][0])
    for score, probability in case.law:
        summed[score : score + len(law)] += probability * law
    return summed


@lru_cache(maxsize=200_000)
def _case(bag_runs: int, bag_failures: int, runs: int) -> _Case:
    least, most = max(0, runs - (bag_runs - bag_failures)), min(runs, bag_failures)
    counts = np.arange(least, most + 1)
    scores = _scores(counts, runs, bag_failures / bag_runs)
    scores -= scores.min()
    law = np.bincount(scores, weights=_hypergeometric(counts, bag_runs, bag_failures, runs))
    there = np.flatnonzero(law)
    return _Case(
        least, tuple(scores.tolist()), tuple(zip(there.tolist(), (law[there] / law.sum()).tolist(), strict=True))
    )


def _scores(counts: Counts, runs: int, rate: float) -> Counts:
    """s(x) = round(8 min(8, log(1 - rho + rho Bin(x; K, q1) / Bin(x; K, q0)))), rho = .05: "this case broke"."""
    q0 = min(max(rate, LEAST_RATE), 1 - LEAST_RATE)
    ratio = counts * np.log(BROKEN_RATE / q0) + (runs - counts) * np.log((1 - BROKEN_RATE) / (1 - q0))
    gain = np.logaddexp(np.log1p(-BROKEN_SHARE), np.log(BROKEN_SHARE) + ratio)
    scores: Counts = np.rint(STEPS * np.minimum(gain, MOST_SCORE)).astype(np.int64)
    return scores


def _hypergeometric(counts: Counts, bag_runs: int, bag_failures: int, runs: int) -> Floats:
    def choose(n: int, k: Counts) -> Floats:
        chosen: Floats = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
        return chosen

    passed = bag_runs - bag_failures
    return np.exp(choose(bag_failures, counts) + choose(passed, runs - counts) - choose(bag_runs, np.array(runs)))
