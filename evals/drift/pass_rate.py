"""The pass rate over the nights since the baseline, with an interval that is valid after every night at once.

Let y_1 .. y_n be all results of these nights so far, 0 or 1, and p_j the probability with which y_j passed, given all
that came before. The parameter is p(n) = (p_1 + .. + p_n) / n: the mean of the true pass probabilities of the results
so far. It moves with the nights, where rates change or other cases run; it is no rate of tonight, and none of cases
that did not run. The promise: with probability 1 - alpha, p(n) is in the interval after every night, the first as the
last, whatever the rates do, and whichever cases run, as long as a case's own result tonight does not decide that.

The bound is that of `betting`. One bet is narrowest at one time only, so there is one for each of three times, with a
third of alpha each; all three hold at once, and the narrowest is taken.
"""

from dataclasses import dataclass
from statistics import fmean

from evals.drift.betting import Surprises, bet_for, error_bound
from evals.drift.streams import History, by_case

ALPHA = 0.05
AIM_NIGHTS = (7, 30, 120)  # nights with a result for each case, at which the bets are near the narrowest


@dataclass(frozen=True, slots=True)
class RunningRate:
    """The share of all results since the baseline that passed, and the interval of the rate behind it."""

    rate: float
    low: float
    high: float


def running_pass_rate(history: History, *, alpha: float = ALPHA) -> list[RunningRate | None]:
    """The pass rate since the baseline after every night; None before the first result."""
    before = {case: fmean(values) for case, values in by_case(history.baseline).items() if values}
    surprises = Surprises(before, otherwise=fmean(before.values()) if before else 0.5)
    share = alpha / len(AIM_NIGHTS)
    variance = fmean(rate * (1 - rate) for rate in before.values()) if before else 0.25
    bets = [bet_for(nights * max(len(before), 1), variance=variance, alpha=share) for nights in AIM_NIGHTS]
    found: list[RunningRate | None] = []
    passed, results = 0.0, 0
    for night in history.nights:
        for case, values in sorted(night.items()):
            for value in values:
                surprises.add(case, value)
                passed += value
            results += len(values)
        if not results:
            found.append(None)
            continue
        rate = passed / results
        error = min(error_bound(surprises.total, results, bet=bet, alpha=share) for bet in bets)
        found.append(RunningRate(rate, max(rate - error, 0.0), min(rate + error, 1.0)))
    return found
