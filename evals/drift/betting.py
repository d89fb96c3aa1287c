"""How far results can be from the rates behind them, with a bound that is valid after every night at once.

Let y_j be results, 0 or 1, each with the probability p_j of passing, given all that came before. For any prediction
q_j of y_j made before it, and 0 < l < 1, exp(l (y_j - p_j) - psi(l) (y_j - q_j)^2) with psi(l) = -log(1 - l) - l has
expectation at most 1 given the past; so at all times at once, with probability 1 - a, |mean of y - p| <= (log(2 / a)
+ psi(l) sum of (y_j - q_j)^2) / (l n) (Waudby-Smith and Ramdas, *Estimating means of bounded random variables by
betting*, JRSS-B 2024, theorem 2; Howard et al. 2021, theorem 4). It needs y - q >= -1 alone, so y enters itself, not
(y - q + 1) / 2, which would double the width. Each case is predicted from its own past, so the order of the cases
within a night is of no account, nor is it whether a case runs, as long as its own result tonight does not decide that.
l is one number, set beforehand, so all results weigh the same.
"""

from collections.abc import Mapping
from math import log, log1p, sqrt

PRIOR_RUNS = 1.0  # runs that a case's rate beforehand weighs in the prediction of its next result
LEAST_VARIANCE = 0.002  # of a suite that never varied


class Surprises:
    """Sum of (y - q)^2 over the results so far; q: the mean of the case's own results and its rate beforehand."""

    def __init__(self, rates: Mapping[str, float], *, otherwise: float = 0.5):
        self._rates = rates
        self._otherwise = otherwise
        self._passed: dict[str, float] = {}
        self._seen: dict[str, int] = {}
        self.total = 0.0

    def add(self, case: str, value: float) -> None:
        """The next result."""
        rate = self._rates.get(case, self._otherwise)
        passed, seen = self._passed.get(case, 0.0), self._seen.get(case, 0)
        self.total += (value - (PRIOR_RUNS * rate + passed) / (PRIOR_RUNS + seen)) ** 2
        self._passed[case] = passed + value
        self._seen[case] = seen + 1


def bet_for(results: float, *, variance: float, alpha: float) -> float:
    """l = x / (1 + x), x = sqrt(2 log(2 / a) / (variance * results)): near the narrowest after so many results."""
    narrowest = sqrt(2 * log(2 / alpha) / (results * max(variance, LEAST_VARIANCE)))
    return narrowest / (1 + narrowest)


def error_bound(surprise: float, results: int, *, bet: float, alpha: float) -> float:
    """What |mean of y - p| does not exceed at any time, with probability 1 - alpha."""
    return (log(2 / alpha) + (-log1p(-bet) - bet) * surprise) / (bet * results)
