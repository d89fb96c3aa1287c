"""Nights made for the tests of drift: cases with rates of their own, some broken from a night on."""

from collections.abc import Collection, Sequence

import numpy as np

from evals.drift.streams import History

CASES = tuple(f"case-{number:03d}" for number in range(1000))


def nights_of(baseline, nights, *, baseline_id="first"):
    """A history of runs given as {case: results}; a single result may stand without its list."""

    def run(results):
        return {case: values if isinstance(values, list) else [values] for case, values in results.items()}

    names = tuple(f"night-{number}" for number in range(len(nights)))
    return History(baseline_id, tuple(map(run, baseline)), tuple(map(run, nights)), names)


def drawn_nights(
    failing: Sequence[float],
    *,
    seed: int,
    baseline=10,
    nights=7,
    since=0,
    broken: Collection[int] = (),
    lost: float = 0.0,
):
    """Nights of cases that fail at these rates.

    From night `since` on the broken cases fail as often as they passed, and the others `lost` more often.
    """
    rng = np.random.default_rng(seed)
    rates = np.asarray(failing, dtype=float)
    drifted = np.minimum(rates + lost, 1.0)
    drifted[list(broken)] = 1 - rates[list(broken)]

    def run(now):
        return dict(zip(CASES, (rng.random(len(now)) >= now).astype(float).tolist(), strict=False))

    return nights_of(
        [run(rates) for _ in range(baseline)], [run(drifted if n >= since else rates) for n in range(nights)]
    )


def flaky(cases: int, *, seed: int = 0, failing: float = 0.2):
    """Failure rates: a share of the cases fails, and one in five is flaky."""
    rng = np.random.default_rng(seed)
    flips = np.where(rng.random(cases) < 0.2, rng.beta(1.5, 5.6, cases), 0.01)
    return np.where(np.arange(cases) < failing * cases, 1 - flips, flips)
