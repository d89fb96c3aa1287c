"""The p-value of a block of nights, for outcomes that are numbers: answer length, judge score, tokens, cost.

Null hypothesis as in `conformal`: within a case, baseline runs and nights are exchangeable. Within each case the
values of the bag become mid-ranks, standardised; T is the absolute value of their sum over the block. Which of a
case's runs are the block's is permuted, case by case: a Monte Carlo p-value that counts the observed T among the
draws is exact for any number of draws (Phipson and Smyth 2010, *Permutation p-values should never be zero*; here with
ties broken by u).
"""

from collections.abc import Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from evals.drift.conformal import Counts, Floats

FEW_DRAWS, MANY_DRAWS = 2_000, 20_000
SMALL_P = 0.01  # below it, many draws decide
CHUNK = 2_000  # draws at a time, for the memory
STEPS = 1_000  # steps of a rank to one standard deviation: whole numbers, so that ties are ties


def block_rank_p_value(
    bags: Sequence[Floats], runs: Sequence[int], *, u: float, generator: np.random.Generator
) -> float:
    """A p-value that is uniform under the null hypothesis when it is above .01, and no smaller than that below.

    bags: per case, all its values, those of the block last. runs: how many of them are the block's; 0: missing there.
    generator: for the draws; 2,000 of them, and 20,000 fresh ones where those give p < .01: choosing the second result
    by the first keeps P(p <= a) <= a.
    """
    scored = [(_standard_ranks(bag), k) for bag, k in zip(bags, runs, strict=True) if k]
    varying = sorted(((ranks, k) for ranks, k in scored if ranks.any()), key=lambda each: (len(each[0]), each[1]))
    total = abs(sum(int(ranks[-k:].sum()) for ranks, k in varying))
    p = _p_value(total, varying, FEW_DRAWS, u, generator)
    return p if p >= SMALL_P else _p_value(total, varying, MANY_DRAWS, u, generator)


def _p_value(
    total: int, cases: Sequence[tuple[Counts, int]], draws: int, u: float, generator: np.random.Generator
) -> float:
    above = equal = 0
    for start in range(0, draws, CHUNK):
        drawn = _draw(cases, min(CHUNK, draws - start), generator)
        above += int((drawn > total).sum())
        equal += int((drawn == total).sum())
    return (above + u * (equal + 1)) / (draws + 1)


def _draw(cases: Sequence[tuple[Counts, int]], draws: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """|T| of blocks drawn at random, shape (draws,)."""
    totals = np.zeros(draws, dtype=np.int64)
    for (length, k), group in groupby(cases, key=lambda each: (len(each[0]), each[1])):
        ranks = np.stack([ranks for ranks, _ in group])
        places = np.arange(len(ranks))[None, :]
        for chosen in _without_replacement(length, k, (draws, len(ranks)), generator):
            totals += ranks[places, chosen].sum(axis=1)
    return np.abs(totals).astype(np.int64)


def _without_replacement(
    length: int, number: int, shape: tuple[int, int], generator: np.random.Generator
) -> list[NDArray[np.int64]]:
    """`number` different places below `length`, drawn for every cell of `shape` (Floyd's algorithm)."""
    chosen: list[NDArray[np.int64]] = []
    for last in range(length - number, length):
        place = generator.integers(0, last + 1, size=shape)
        taken = np.zeros(shape, dtype=bool)
        for before in chosen:
            taken |= before == place
        chosen.append(np.where(taken, last, place))
    return chosen


def _standard_ranks(bag: Floats) -> Counts:
    """Mid-ranks with mean 0 and standard deviation 1, in whole thousandths; zeros for a case that never varies."""
    ranks = rankdata(bag)
    spread = ranks.std()
    standard: Counts = np.rint(STEPS * (ranks - ranks.mean()) / (spread or 1.0)).astype(np.int64)
    return standard
