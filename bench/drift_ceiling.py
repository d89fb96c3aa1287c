"""How soon could any rule of this kind see a pair of LLMDrift? Something to hold a missed goal against.

The rule here knows what no user knows: the law of the cases' flips and the shares of cases that are lost and gained.
It does not know which cases change nor when. As ours it promises its few false alarms for cases of whatever rate, so
all it may use is in which order a case passed and failed, given how often: before and after the change with b and a
runs, p and q of them passed, a case that changed has the likelihood ratio e = C(b + a, p + q) P(p, q) / sum over the
splits (p', q') of p + q of C(b, p') C(a, q') P(p', q'), P being the probability of one such order. With shares l and
g, the product over the cases of 1 - l - g + l e_lost + g e_gained is the best evidence for a change on that night, and
the sum over all nights is held against A / weight (as in Shiryaev and Roberts). It is no detector: the bags of earlier
nights are forgotten, so it may see a little more than any valid rule.
"""

from functools import cache

import numpy as np
from scipy.special import betaln, gammaln, logsumexp

from bench.drift_worlds import FLAKY_FLIPS, STABLE_FLIPS, STABLE_SHARE, Floats, Nights, Pair
from evals.drift.conformal import Counts
from evals.drift.decision import ALARM


def ceiling_alarms(nights: Nights, pair: Pair, concentration: float, weight: float) -> list[int]:
    """The first night after the change, if any, on which the evidence times the weight reaches the alarm."""
    passed = np.concatenate([np.zeros((1, nights.results.shape[1])), nights.results.cumsum(axis=0)]).astype(np.int64)
    shares = float((pair.older & ~pair.newer).mean()), float((~pair.older & pair.newer).mean())
    for night in range(nights.before, len(nights.nights)):
        end = nights.baseline_runs + night + 1
        evidence = []
        for change in range(nights.baseline_runs, end):
            ratios = _ratios(change, end - change, shares, concentration)
            evidence.append(float(ratios[passed[change], passed[end] - passed[change]].sum()))
        if logsumexp(evidence) >= np.log(ALARM / weight):
            return [night]
    return []


@cache
def _ratios(before: int, after: int, shares: tuple[float, float], concentration: float) -> Floats:
    """log(1 - l - g + l e_lost + g e_gained) by passes before and after, shape (before + 1, after + 1)."""
    p, q = np.arange(before + 1)[:, None], np.arange(after + 1)[None, :]
    lost = _log_flips(before - p + q, p + after - q, concentration)
    gained = _log_flips(p + after - q, before - p + q, concentration)
    changed = [
        np.log(share) + _against_order(each) for share, each in zip(shares, (lost, gained), strict=True) if share
    ]
    ratios: Floats = np.logaddexp.reduce([np.full(lost.shape, np.log1p(-sum(shares))), *changed])
    return ratios


def _log_flips(flipped: Counts, kept: Counts, concentration: float) -> Floats:
    """log P of one order of results in which a case flipped so often, its rate drawn from the world's law."""
    a, b = FLAKY_FLIPS * concentration, (1 - FLAKY_FLIPS) * concentration
    stable = np.log(STABLE_SHARE) + flipped * np.log(STABLE_FLIPS) + kept * np.log1p(-STABLE_FLIPS)
    flaky = np.log1p(-STABLE_SHARE) + betaln(a + flipped, b + kept) - betaln(a, b)
    both: Floats = np.logaddexp(stable, flaky)
    return both


def _against_order(probabilities: Floats) -> Floats:
    """log e of each (p, q), from the log probabilities of one order each."""
    before, after = (size - 1 for size in probabilities.shape)
    p, q = np.arange(before + 1)[:, None], np.arange(after + 1)[None, :]
    weighed = probabilities + _log_choose(before, p) + _log_choose(after, q)
    total = np.array([logsumexp(weighed[p + q == passed]) for passed in range(before + after + 1)])
    ratios: Floats = probabilities + _log_choose(before + after, p + q) - total[p + q]
    return ratios


def _log_choose(n: int, k: Counts) -> Floats:
    chosen: Floats = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return chosen
