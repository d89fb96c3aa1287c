"""How large the drift is: the drop of the pass rate, with an interval that is valid however often one looks.

Let y_j be the results since night s, 0 or 1, of case i(j) whose true pass rate is p_j then and was b_i over the
baseline. The drop is D = mean of b_i(j) - p_j over the results so far; it is estimated by mean of bhat_i(j) - y_j,
bhat_i being the case's pass rate over its baseline runs. Two errors, half of alpha each:

The nights. |mean of y - p| has the bound of `betting`, each case being predicted from its baseline and its own results
since. The start s was chosen by looking, so it has a = alpha / 2 * 6 / (pi^2 (s + 1)^2), which sums to alpha / 2 over
all starts.

The baseline. Case i weighs w_i, its share of the results since s, and has n_i >= 2 baseline runs of sample variance
V_i. With L = log(3 / (alpha / 2)), B = max w_i / n_i and A = max n_i / (n_i - 1), with probability 1 - alpha / 2 |sum
of w_i (bhat_i - b_i)| <= sqrt(2 L sum of w_i^2 V_i / n_i) + B L (2 sqrt(A) + 1/3): Bernstein's inequality, with the
variance bounded by a self-bounding function of the runs (Maurer and Pontil, *Empirical Bernstein bounds*, COLT 2009,
theorems 10 and 11), here within each case, as cases differ. It holds for one set of weights: where the same cases run
every night there is only one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log, pi, sqrt
from statistics import fmean

from evals.drift.betting import Surprises, bet_for, error_bound
from evals.drift.streams import History, Values, by_case

ALPHA = 0.05
AIM_NIGHTS = 7  # the interval is set to be narrowest about so many nights after the start


@dataclass(frozen=True, slots=True)
class Size:
    """The drop of the pass rate since a night, as a share (.05: five points; below 0: more pass), and its interval."""

    drop: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class _Case:
    """A case at the baseline: its runs, its pass rate there, and the sample variance of a single run."""

    runs: int
    rate: float
    variance: float


def size_since(history: History, since: int, *, alpha: float = ALPHA) -> Size:
    """The drop since night `since` (counted from 0), with an interval that holds it with probability 1 - alpha.

    It holds for all nights and starts at once. Cases with less than two baseline runs are left out.
    """
    cases = _baseline(history.baseline)
    results = [
        (case, value)
        for night in history.nights[since:]
        for case in sorted(cases.keys() & night.keys())
        for value in night[case]
    ]
    if not results:
        raise ValueError(f"no case has a result since night {since} and two in the baseline; make a longer baseline")
    drop = fmean(cases[case].rate - value for case, value in results)
    error = _error_of_nights(cases, results, alpha / 2 * 6 / (pi * (since + 1)) ** 2)
    error += _error_of_baseline(cases, results, alpha / 2)
    return Size(drop, max(drop - error, -1.0), min(drop + error, 1.0))


def _baseline(runs: Sequence[Values]) -> dict[str, _Case]:
    return {
        case: _Case(len(values), rate := fmean(values), rate * (1 - rate) * len(values) / (len(values) - 1))
        for case, values in by_case(runs).items()
        if len(values) > 1
    }


def _error_of_nights(cases: dict[str, _Case], results: Sequence[tuple[str, float]], alpha: float) -> float:
    surprises = Surprises({name: case.rate for name, case in cases.items()})
    for case, value in results:
        surprises.add(case, value)
    variance = fmean(case.variance for case in cases.values())
    bet = bet_for(AIM_NIGHTS * len(cases), variance=variance, alpha=alpha)
    return error_bound(surprises.total, len(results), bet=bet, alpha=alpha)


def _error_of_baseline(cases: dict[str, _Case], results: Sequence[tuple[str, float]], alpha: float) -> float:
    number = dict.fromkeys(cases, 0)
    for case, _ in results:
        number[case] += 1
    weighed = [(number[name] / len(results), case) for name, case in cases.items() if number[name]]
    confidence = log(3 / alpha)
    variance = sum(weight**2 * case.variance / case.runs for weight, case in weighed)
    largest = max(weight / case.runs for weight, case in weighed)
    fewest = min(case.runs for _, case in weighed)
    return sqrt(2 * confidence * variance) + largest * confidence * (2 * sqrt(fewest / (fewest - 1)) + 1 / 3)
