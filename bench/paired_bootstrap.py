"""By how much is one search better than another on the same questions, and how sure is that?"""

from collections.abc import Sequence
from typing import Any

import numpy as np

SEED = 20261122
RESAMPLES = 10_000
_BLOCK = 2_000_000  # drawn at once

Values = np.ndarray[Any, np.dtype[np.float64]]


def resampled(differences: Sequence[float]) -> Values:
    """The mean of each resample: as many questions, drawn with replacement."""
    values = np.asarray(differences, float)
    random = np.random.default_rng(SEED)
    rows = max(1, _BLOCK // len(values))
    sizes = [min(rows, RESAMPLES - start) for start in range(0, RESAMPLES, rows)]
    return np.concatenate([values[random.integers(0, len(values), (size, len(values)))].mean(axis=1) for size in sizes])


def interval(differences: Sequence[Sequence[float]]) -> dict[str, float]:
    """The mean over sets of questions of their mean difference, with the 95 % bootstrap interval."""
    means = np.mean([resampled(each) for each in differences], axis=0)
    low, high = np.quantile(means, [0.025, 0.975])
    mean = float(np.mean([np.mean(each) for each in differences]))
    return {"mean": round(mean, 4), "low": round(float(low), 4), "high": round(float(high), 4)}
