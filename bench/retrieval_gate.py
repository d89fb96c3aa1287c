"""How often does the gate let harmless nights serve, and how often does it stop harmful ones?

    python -m bench.retrieval_gate [--weeks 1000] [--json]

The world: in production a query's document stands on a rank drawn from RANKS, or is not found (8 %); its nDCG@10 is
1 / log2(1 + rank). RANKS is assumed; its mean, .78, is near the .77 that hybrid search has in Anthropic's
documentation. A harmful change takes the documents of a share of the queries out of reach, so that nDCG@10 falls by so
many points in the mean of all queries there could be; a set of 40, 80 or 300 loses more or fewer of its own by chance.
Churn moves a share of the queries by one rank, up or down alike: half of it stays all week, half is drawn anew each
night. Harmful nights have 5 % of it too.

A week is seven candidates against one version that serves, with the same loss. "one night" is the first verdict,
"pooled" the seventh night's with all seven at hand, "decided" the first of seven looks that is not unproven, or the
last. Only `fail` stops a candidate: one that is unproven serves.

The bounds are compared on one night: how often they hold the true mean (95 % is right), and what the gate decides with
them. `fail if certain` is another rule: the upper bound is below -margin. Seeds are fixed.
"""

import argparse
import json
import platform
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import t

from evals.bootstrap import RESAMPLES, Floats
from evals.gate import MARGIN, GateVerdict, judge_difference
from evals.paired import CONFIDENCE, POOLED_NIGHTS, bound_means

SEED = 20261122
SIZES = (40, 80, 300)
RANKS = (0.62, 0.14, 0.06, 0.03, 0.02, 0.015, 0.01, 0.01, 0.01, 0.005)  # the share of the queries on each; .08 nowhere
SCORES = np.array([1 / np.log2(1 + rank) for rank in range(1, 11)] + [0.0])
SHARES = np.array([*RANKS, 1 - sum(RANKS)])
NAMES: dict[str, GateVerdict] = {"pass": "pass", "unproven": "not enough evidence", "fail": "fail"}


@dataclass(frozen=True, slots=True)
class World:
    """points: what nDCG@10 loses. churn: the share of queries that move by one rank."""

    name: str
    points: float = 0.0
    churn: float = 0.05


HARMLESS = (World("nothing moves", churn=0.0), World("churn 2 %", churn=0.02), World("churn 5 %"))
HEAVY = World("churn 20 %", churn=0.2)
HARMFUL = tuple(World(f"-{points} points", points / 100) for points in (2, 3, 5, 10))
WORLDS = (*HARMLESS, HEAVY, *HARMFUL)


def draw_weeks(world: World, *, queries: int, weeks: int, nights: int = POOLED_NIGHTS) -> Floats:
    """Each query's difference from production, shape (weeks, nights, queries)."""
    draw = np.random.default_rng([SEED, queries, WORLDS.index(world)])
    ranks = draw.choice(len(SCORES), p=SHARES, size=(weeks, 1, queries))
    score, step = SCORES[ranks], SCORES[ranks] - SCORES[np.minimum(ranks + 1, len(SCORES) - 1)]

    def churn(each: int) -> Floats:
        shape = (weeks, each, queries)
        moved: Floats = (draw.random(shape) < world.churn / 2) * draw.choice((-1, 1), size=shape) * step
        return moved

    lost = draw.random((weeks, 1, queries)) < world.points / float(SCORES @ SHARES)
    kept = churn(1)
    return np.where(lost, -score, np.where(kept != 0, kept, churn(nights)))


def verdicts(world: World, queries: int, weeks: int) -> dict[str, object]:
    """The gate's own verdicts over the weeks, as shares."""
    drawn = draw_weeks(world, queries=queries, weeks=weeks)
    first = look(drawn[:, :1])
    decided = first.copy()
    for night in range(2, POOLED_NIGHTS + 1):
        undecided = decided == "not enough evidence"
        decided[undecided] = look(drawn[undecided, :night])
    found = {"one night": first, "pooled": look(drawn), "decided": decided}
    return {
        "queries": queries,
        "world": world.name,
        **{way: {name: share(each == verdict) for name, verdict in NAMES.items()} for way, each in found.items()},
    }


def look(nights: Floats) -> Any:
    """The verdict of each week after its last night, which is the one that is judged alone first."""
    alone = bound_means(nights[:, -1].T)
    found = np.array([judge_difference(each) for each in alone], dtype=object)
    unproven = np.flatnonzero(found == "not enough evidence")
    if nights.shape[1] > 1:
        pooled = bound_means(nights[unproven].mean(axis=1).T)
        found[unproven] = [judge_difference(alone[week], each) for week, each in zip(unproven, pooled, strict=True)]
    return found


def compare_bounds(world: World, queries: int, weeks: int) -> list[dict[str, object]]:
    """Paired t, percentile and BCa bounds of the same single nights."""
    night = draw_weeks(world, queries=queries, weeks=weeks)[:, 0]
    mean = night.mean(axis=1)
    corrected = bound_means(night.T)
    ours = np.array([each.lower for each in corrected]), np.array([each.upper for each in corrected])
    return [
        {
            "queries": queries,
            "world": world.name,
            "bounds": name,
            "lower covers": share(lower <= -world.points + 1e-12),
            "upper covers": share(upper >= -world.points - 1e-12),
            "pass": share(lower > -MARGIN),
            "fail": share((upper < 0) & (mean < -MARGIN)),
            "fail if certain": share(upper < -MARGIN),
        }
        for name, (lower, upper) in {"t": t_bounds(night), "percentile": percentiles(night), "BCa": ours}.items()
    ]


def share(which: Any) -> float:
    return float(np.mean(which))


def t_bounds(night: Floats) -> tuple[Floats, Floats]:
    queries = night.shape[1]
    reach = t.ppf(CONFIDENCE, queries - 1) * night.std(axis=1, ddof=1) / np.sqrt(queries)
    return night.mean(axis=1) - reach, night.mean(axis=1) + reach


def percentiles(night: Floats) -> tuple[Floats, Floats]:
    """Of every night with the same resamples: one matrix product for all of them."""
    queries = night.shape[1]
    draw = np.random.default_rng(SEED)
    means = draw.multinomial(queries, [1 / queries] * queries, RESAMPLES) @ night.T / queries
    lower, upper = np.quantile(means, [1 - CONFIDENCE, CONFIDENCE], axis=0)
    return lower, upper


def measure(weeks: int) -> dict[str, Any]:
    started = time.perf_counter()
    cells = [(world, queries, weeks) for queries in SIZES for world in WORLDS]
    with ProcessPoolExecutor(2) as pool:
        judged = list(pool.map(verdicts, *zip(*cells, strict=True)))
        bounds = [row for rows in pool.map(compare_bounds, *zip(*cells, strict=True)) for row in rows]
    return {
        "weeks": weeks,
        "margin": MARGIN,
        "seed": SEED,
        "verdicts": judged,
        "bounds": bounds,
        "seconds": round(time.perf_counter() - started, 1),
        "machine": f"{platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}",
    }


def lines(figures: dict[str, Any]) -> Sequence[str]:
    ways = ("one night", "pooled", "decided")
    columns = ("lower covers", "upper covers", "pass", "fail", "fail if certain")
    return [
        f"% of {figures['weeks']} weeks: {', '.join(ways)}, each as {' / '.join(NAMES)}",
        *(
            f"{row['queries']:4} {row['world']:14}"
            + "".join("   " + " /".join(f"{100 * row[way][part]:6.1f}" for part in NAMES) for way in ways)
            for row in figures["verdicts"]
        ),
        f"\nbounds of one night, % of nights: {', '.join(columns)}",
        *(
            f"{row['queries']:4} {row['world']:14} {row['bounds']:10}"
            + "".join(f"{100 * row[column]:7.1f}" for column in columns)
            for row in figures["bounds"]
        ),
        f"\nmargin {figures['margin']}, seed {figures['seed']}, {figures['seconds']} s, {figures['machine']}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weeks", type=int, default=1000, help="simulated weeks of seven nights in each cell")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if given.weeks < 1:
        parser.error("--weeks must be at least 1")
    figures = measure(given.weeks)
    print(json.dumps(figures) if given.json else "\n".join(lines(figures)))


if __name__ == "__main__":
    main()
