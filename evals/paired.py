"""Two versions on the same queries: each query's difference, and how sure its mean is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from statistics import fmean

import numpy as np

from evals.bootstrap import Floats, mean_intervals

CONFIDENCE = 0.95
POOLED_NIGHTS = 7


@dataclass(frozen=True, slots=True)
class Paired:
    """A measure of a candidate less that of the proven version, by query, where both were judged."""

    differences: dict[str, float]
    only_candidate: tuple[str, ...] = ()
    only_proven: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MeanDifference:
    """The mean over queries; lower and upper are one-sided 95 % bounds each."""

    queries: int
    mean: float
    lower: float
    upper: float


def pair(candidate: Mapping[str, float], proven: Mapping[str, float]) -> Paired:
    """Subtract query by query."""
    return Paired(
        {query: candidate[query] - proven[query] for query in sorted(candidate.keys() & proven.keys())},
        only_candidate=tuple(sorted(candidate.keys() - proven.keys())),
        only_proven=tuple(sorted(proven.keys() - candidate.keys())),
    )


def bound_mean(differences: Mapping[str, float]) -> MeanDifference:
    """The mean with its bounds; fewer than two queries bound nothing."""
    if len(differences) < 2:
        return MeanDifference(len(differences), sum(differences.values()), -inf, inf)
    return bound_means(np.array([[differences[query]] for query in sorted(differences)]))[0]


def bound_means(differences: Floats) -> list[MeanDifference]:
    """The mean of each column, shape (queries, columns), with its bounds; of equal differences they are the mean.

    BCa bounds: of paired t, percentile and BCa they cover best where documents are lost, and stop the most such nights
    (`bench.retrieval_gate`).
    """
    means = differences.mean(axis=0).tolist()
    bounds = mean_intervals(differences, tail=1 - CONFIDENCE)
    return [MeanDifference(len(differences), mean, *each) for mean, each in zip(means, bounds, strict=True)]


def pool_nights(nights: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Each of tonight's queries with its mean difference over the last nights, tonight's last, that judged it.

    Queries are the unit: nights of one query are alike, so seven of them are not seven times the evidence.
    """
    recent = nights[-POOLED_NIGHTS:]
    return {query: fmean(night[query] for night in recent if query in night) for query in recent[-1]}
