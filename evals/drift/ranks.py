"""The exact p-value of a block of nights, for outcomes that are numbers: answer length, judge score, tokens, cost.

Null hypothesis as in `conformal`: within a case, baseline runs and nights are exchangeable. Within each case the
mid-ranks r of its bag of N values become normal scores Phi^-1(r / (N + 1)) (van der Waerden 1952), rounded to a few
levels, of which n_l values have level l. Which K of the N are the block's is open, so the sum of the block's levels has
the law sum over (j_l) of prod C(n_l, j_l) / C(N, K), found by adding one level after the other. The sum is divided by
sqrt(K), rounded and clipped: all of it depends on the bag alone, so the p-value is exact whatever is rounded. T, the
sum over the cases, has the convolution of their laws; it is computed directly, not by Fourier transforms: sums of
positive terms keep the relative accuracy of small tails, where a transform leaves an error of 1e-16 everywhere.

Both directions: P(T > t) + u P(T = t) is uniform, so twice the less of it and its complement is uniform as well,
whether the law is symmetric or not. A case counts by how much it moves for its own scatter, and its direction counts:
what grows in half of the cases and shrinks in the others is not seen.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, ndtri

from evals.drift.conformal import LEAST_P, MOST_P, Counts, Floats

STEPS = 4  # steps of a case's score to one standard deviation of a normal score
MOST_SCORE = 5 * STEPS  # a single case says no more than this


class _Grid(NamedTuple):
    """The levels of normal scores, an odd number of them, and how far they are apart."""

    levels: int
    width: float


# by the most runs of a case in a block: the law of the sum of K runs takes about K^3 times the square of the levels
GRIDS = ((4, _Grid(17, 0.25)), (16, _Grid(9, 0.5)))
COARSE = _Grid(3, 1.22)


def block_rank_p_value(bags: Sequence[Floats], runs: Sequence[int], *, u: float) -> float:
    """A p-value that is exactly uniform under the null hypothesis for u uniform on (0, 1).

    bags: per case, all its values, those of the block last. runs: how many of them are the block's; 0: missing there.
    A case that never varies changes nothing; nor does the order of the cases.
    """
    total = 0
    laws: list[Floats] = [np.ones(1)]
    for values, k in _alike(bags, runs):
        grid = next((each for most, each in GRIDS if k <= most), COARSE)
        scores = _scores(k, grid)
        of_block, counts = _levels(values, k, grid)
        total += int((scores[of_block.sum(axis=1)] - scores[0]).sum())
        varying, times = np.unique(counts, axis=0, return_counts=True)
        for of_sums, number in zip(_laws_of_sums(varying, k), times.tolist(), strict=True):
            laws += [np.bincount(scores - scores[0], weights=of_sums).astype(np.float64)] * number
    law = _sum(laws)
    above, below = float(law[total + 1 :].sum()), float(law[:total].sum())
    p = 2 * min(above + u * float(law[total]), below + (1 - u) * float(law[total]))
    return min(max(p, LEAST_P), MOST_P)


def _sum(laws: Sequence[Floats]) -> Floats:
    """The law of the sum of independent scores. In pairs, pairs of pairs and so on: long products are fast ones."""
    while len(laws) > 1:
        pairs = [np.convolve(one, other) for one, other in zip(laws[::2], laws[1::2], strict=False)]
        laws = [*pairs, *laws[2 * len(pairs) :]]
    return laws[0]


def _alike(bags: Sequence[Floats], runs: Sequence[int]) -> Iterator[tuple[Floats, int]]:
    """The cases that vary and are in the block, together where bag and block have the same size: (cases, N) and K."""
    groups: dict[tuple[int, int], list[Floats]] = {}
    for bag, k in zip(bags, runs, strict=True):
        groups.setdefault((len(bag), k), []).append(bag)
    for (length, k), alike in sorted(groups.items(), key=lambda each: each[0]):
        if k < length and k:
            values = np.stack(alike)
            yield values[values.min(axis=1) < values.max(axis=1)], k


def _levels(values: Floats, k: int, grid: _Grid) -> tuple[Counts, Counts]:
    """The levels of a block's values, shape (cases, K), and how many values of a bag have each, (cases, levels).

    values: (cases, N), the block's last. Levels count from 0.
    """
    (cases, length), highest = values.shape, grid.levels // 2
    normal = ndtri((np.arange(2 * length - 1) / 2 + 1) / (length + 1))  # by the first plus the last place of equals
    by_places = np.clip(np.rint(normal / grid.width), -highest, highest).astype(np.int64) + highest
    ordered, places = np.sort(values, axis=1), np.arange(length)
    differs = np.diff(ordered, axis=1) > 0
    first = np.zeros((cases, length), dtype=np.int64)
    first[:, 1:] = np.maximum.accumulate(np.where(differs, places[1:], 0), axis=1)
    last = np.full_like(first, length - 1)
    last[:, :-1] = np.minimum.accumulate(np.where(differs, places[:-1], length - 1)[:, ::-1], axis=1)[:, ::-1]
    levels = by_places[first + last]
    below = (values[:, None, :] < values[:, -k:, None]).sum(axis=2)
    of_case = levels + grid.levels * np.arange(cases)[:, None]
    counts = np.bincount(of_case.ravel(), minlength=cases * grid.levels).reshape(cases, grid.levels)
    return np.take_along_axis(levels, below, axis=1), counts


def _scores(k: int, grid: _Grid) -> Counts:
    """The score of a case by the sum of its block's levels, shape (k * (levels - 1) + 1,)."""
    sums = np.arange(k * (grid.levels - 1) + 1) - k * (grid.levels // 2)
    scores = np.rint(STEPS * grid.width * sums / np.sqrt(k))
    rounded: Counts = np.clip(scores, -MOST_SCORE, MOST_SCORE).astype(np.int64)
    return rounded


def _laws_of_sums(counts: Counts, k: int) -> Floats:
    """The law of the sum of the levels of k values drawn without replacement, shape (bags, k * (levels - 1) + 1).

    counts: how many values have each level, shape (bags, levels).
    """
    bags, levels = counts.shape
    chosen = _choose(counts, k)
    ways = chosen[:, 0, :, None]  # (bags, drawn so far, sum): of level 0 the sum is 0
    for level in range(1, levels):
        before, ways = ways, np.zeros((bags, k + 1, level * k + 1))
        for drawn in range(k + 1):
            first = drawn if level < levels - 1 else k  # at the last level only all k matter
            most = (level - 1) * (k - drawn) + 1  # that many sums can have been reached by those drawn before
            ways[:, first:, level * drawn : level * drawn + most] += (
                chosen[:, level, drawn, None, None] * before[:, first - drawn : k + 1 - drawn, :most]
            )
    law: Floats = ways[:, k] / ways[:, k].sum(axis=1, keepdims=True)
    return law


def _choose(counts: Counts, k: int) -> NDArray[np.float64]:
    """C(n, j) for j up to k, over the largest of them, shape (bags, levels, k + 1)."""
    n, j = counts[:, :, None].astype(np.float64), np.arange(k + 1)
    with np.errstate(invalid="ignore"):
        log = np.where(j <= n, gammaln(n + 1) - gammaln(j + 1) - gammaln(np.maximum(n - j, 0) + 1), -np.inf)
    chosen: NDArray[np.float64] = np.exp(log - log.max(axis=2, keepdims=True))
    return chosen
