"""The p-values of `bench.drift`: are they uniform where nothing changed, and how long does a night take?"""

import time

import numpy as np
from scipy.stats import kstest

from bench.drift_rules import SEED
from bench.drift_worlds import YEAR, World, null_nights
from evals.drift.conformal import block_p_value
from evals.drift.detector import SCALES


def uniform_p_value(runs: int, draws: int = 400) -> float:
    """The Kolmogorov-Smirnov p of that many p-values of null blocks with `runs` runs of every case."""
    world = World()
    found = []
    for draw in range(draws):
        rng = np.random.default_rng([SEED, runs, draw])
        results = 1 - null_nights(world, runs, rng).results.astype(np.int64)
        block = results[world.baseline_runs :].sum(axis=0)
        counts = (np.full_like(block, runs), results.sum(axis=0), np.full_like(block, len(results)))
        found.append(block_p_value(block, *counts, u=float(rng.uniform())))
    return float(kstest(found, "uniform").pvalue)


def night_ms() -> list[float]:
    """CPU milliseconds of each of the last 16 nights of a year: all scales of both streams."""
    world = World()
    passed = null_nights(world, YEAR, np.random.default_rng(SEED)).results.astype(np.int64)
    taken = []
    for night in range(YEAR - 15, YEAR + 1):
        end = world.baseline_runs + night
        started = time.process_time()
        for scale in (each for each in SCALES if each.ends(night)):
            for counted in (1 - passed[:end], passed[:end]):
                block = counted[-scale.length :].sum(axis=0)
                counts = (np.full_like(block, scale.length), counted.sum(axis=0), np.full_like(block, end))
                block_p_value(block, *counts, u=0.5)
        taken.append(1000 * (time.process_time() - started))
    return taken
