"""The rules that `bench.drift` gives the same nights: ours, and those in common use.

A rule takes nights and returns those (counted from 0) on which it sounds, having restarted after each as its users
would: ours by a reset; CUSUM and Page-Hinkley from zero; ADWIN drops its older window itself; the others remember
nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
from scipy.stats import binomtest

from bench.drift_ceiling import ceiling_alarms
from bench.drift_worlds import (
    PHASES,
    Change,
    Drawing,
    Nights,
    Pair,
    World,
    changed_nights,
    null_nights,
    pair_nights,
    real_nights,
)
from evals.drift.decision import Stream, decide, weights
from evals.drift.detector import SCALES
from evals.drift.streams import History, Kind, p_values

SEED = 20261121
Rule = Callable[[Nights], list[int]]

OURS = "plumbline"
AFTER = 40  # nights that are simulated after a change
CEILING_NIGHTS = 7
PASS = weights([])["pass"]  # of the streams of a file that has no numbers
CEILINGS = {"all the weight": 1.0, "that of the stream pass": PASS, "that of one of its scales": PASS / len(SCALES)}
MORE_NIGHTS = (8, 24, AFTER)  # after a change: few nights first, more where nothing was found


@dataclass(frozen=True, slots=True)
class Cell:
    """One kind of nights.

    nights: of one null history; 0 where something changes. length_noise: with real streams, the sd of log length.
    """

    goal: str
    label: str
    world: World
    replications: int
    nights: int = 0
    change: Change = field(default_factory=Change)
    pair: Pair | None = None
    drawing: Drawing = "in its shares"
    length_noise: float | None = None


@dataclass(frozen=True, slots=True)
class Played:
    """By rule: the false alarms before the change, and the nights it took to see the change (None: never)."""

    false_alarms: dict[str, int]
    delays: dict[str, int | None]


def play(cell: Cell, number: int, replication: int) -> Played:
    """One replication of the cell with this number, by every rule."""
    rng = np.random.default_rng([SEED, number, replication])
    name = f"{SEED} {number} {replication}"
    if cell.length_noise is not None:
        return play_real(cell, replication, name, cell.length_noise, rng)
    if cell.nights:
        nights = null_nights(cell.world, cell.nights, rng)
        ours = our_alarms(nights, name)
    else:
        if cell.pair is None:
            nights = changed_nights(cell.world, cell.change, AFTER, rng)
        else:
            nights = pair_nights(cell.pair, cell.world, AFTER, rng, drawing=cell.drawing)
        ours = our_alarms_after_change(nights, name)
    rules = {OURS: ours, **{peer: rule(nights) for peer, rule in peers().items()}}
    if cell.pair is not None and cell.drawing == "at random":
        first = nights.first(nights.before + CEILING_NIGHTS)
        for rule, weight in CEILINGS.items():
            rules[rule] = ceiling_alarms(first, cell.pair, cell.world.concentration, weight)
    return outcome(nights, rules)


def play_real(cell: Cell, replication: int, name: str, noise: float, rng: np.random.Generator) -> Played:
    """With the streams length, cost and judge; the length changes by 15 %, up or down, and the cost with it."""
    before = cell.nights or int(rng.integers(PHASES))
    factor = 1.0 if cell.nights else (1.15, 0.85)[replication % 2]
    total = cell.nights or before + AFTER
    nights, real = real_nights(total, cell.world, rng, noise=noise, factor=factor, before=before)
    ours = (our_alarms if cell.nights else our_alarms_after_change)(nights, name, real=real)
    rules = {peer: rule(real["length"]) for peer, rule in length_peers().items()}
    return outcome(nights, {OURS: ours, **rules})


def outcome(nights: Nights, alarms: dict[str, list[int]]) -> Played:
    after = {rule: [night for night in found if night >= nights.before] for rule, found in alarms.items()}
    return Played(
        {rule: len(found) - len(after[rule]) for rule, found in alarms.items()},
        {rule: found[0] - nights.before + 1 if found else None for rule, found in after.items()},
    )


def our_alarms(
    nights: Nights, name: str, *, real: Mapping[str, Nights] | None = None, until: int | None = None
) -> list[int]:
    """until: the first alarm on this night or later is the last that is looked for."""
    real = real or {}
    kinds: dict[str, tuple[Kind, Nights]] = {"fail": ("fail", nights), "pass": ("pass", nights)}
    kinds |= {each: ("real", values) for each, values in real.items()}
    histories = {stream: (kind, history_of(values, name)) for stream, (kind, values) in kinds.items()}
    shares = weights(list(real))
    alarms: list[int] = []
    resets: frozenset[int] = frozenset()
    while True:
        streams = [
            Stream(stream, shares[stream], p_values(history, stream, kind, resets=resets))
            for stream, (kind, history) in histories.items()
        ]
        sounded = decide(streams, resets=resets)[-1].alarm_night
        if sounded is None:
            return alarms
        alarms.append(sounded)
        if sounded + 1 == len(nights.nights) or (until is not None and sounded >= until):
            return alarms
        resets |= {sounded + 1}


def our_alarms_after_change(nights: Nights, name: str, *, real: Mapping[str, Nights] | None = None) -> list[int]:
    """A fold gives the same for few nights as for many, so few are looked at first."""
    alarms: list[int] = []
    for after in MORE_NIGHTS:
        number = nights.before + after
        first = {each: values.first(number) for each, values in (real or {}).items()}
        alarms = our_alarms(nights.first(number), name, real=first, until=nights.before)
        if alarms and alarms[-1] >= nights.before:
            break
    return alarms


def history_of(nights: Nights, name: str) -> History:
    cases = [f"case {number}" for number in range(nights.results.shape[1])]
    runs = tuple(dict(zip(cases, ((value,) for value in run), strict=True)) for run in nights.results.tolist())
    names = tuple(str(night) for night in range(len(nights.nights)))
    return History(name, runs[: nights.baseline_runs], runs[nights.baseline_runs :], names)


def peers() -> dict[str, Rule]:
    found: dict[str, Rule] = {
        "score 15 % below the baseline": lambda nights: _below(nights, 0.85 * nights.baseline.mean()),
        "score 5 points below": lambda nights: _below(nights, nights.baseline.mean() - 0.05),
        "McNemar p < .05, one run": mcnemar,
        "3 sigma over 14 nights": three_sigma,
        "CUSUM on plugged-in rates": cusum,
    }
    if river_is_here():
        found |= {"river ADWIN": adwin, "river Page-Hinkley": page_hinkley}
    return found


def length_peers() -> dict[str, Rule]:
    found: dict[str, Rule] = {"mean length 15 % off": fifteen_percent_off, "3 sigma over 14 nights": three_sigma_off}
    return found | ({"river ADWIN": adwin} if river_is_here() else {})


def river_is_here() -> bool:
    return find_spec("river") is not None


def mcnemar(nights: Nights) -> list[int]:
    """Exact and two-sided, against the first baseline run."""
    return [night for night, p in enumerate(mcnemar_p_values(nights)) if p < 0.05]


def mcnemar_p_values(nights: Nights) -> list[float]:
    run = nights.baseline[0]
    lost = ((run == 1) & (nights.nights == 0)).sum(axis=1)
    gained = ((run == 0) & (nights.nights == 1)).sum(axis=1)
    return [_mcnemar_p(one, other) for one, other in zip(lost.tolist(), gained.tolist(), strict=True)]


@cache
def _mcnemar_p(lost: int, gained: int) -> float:
    return float(binomtest(lost, lost + gained).pvalue) if lost + gained else 1.0


def three_sigma(nights: Nights) -> list[int]:
    """Below the mean of the 14 runs before by three of their standard deviations; the baseline runs come before."""
    return [night for night, sigmas in _sigmas(nights) if sigmas < -3]


def three_sigma_off(nights: Nights) -> list[int]:
    return [night for night, sigmas in _sigmas(nights) if abs(sigmas) > 3]


def _sigmas(nights: Nights) -> list[tuple[int, float]]:
    scores = nights.results.mean(axis=1)
    found = []
    for run in range(max(14, nights.baseline_runs), len(scores)):
        last = scores[run - 14 : run]
        if (spread := last.std(ddof=1)) > 0:
            found.append((run - nights.baseline_runs, float((scores[run] - last.mean()) / spread)))
    return found


def fifteen_percent_off(nights: Nights) -> list[int]:
    usual = nights.baseline.mean()
    return np.flatnonzero(np.abs(nights.nights.mean(axis=1) - usual) > 0.15 * usual).tolist()


def cusum(nights: Nights) -> list[int]:
    """Failures above what the baseline's rate of each case expects: k = .5, h = 5 standard deviations."""
    rates = 1 - nights.baseline.mean(axis=0)
    spread = float(np.sqrt((rates * (1 - rates)).sum())) or 1.0
    alarms, reached = [], 0.0
    for night, failures in enumerate((1 - nights.nights).sum(axis=1).tolist()):
        reached = max(0.0, reached + (failures - rates.sum()) / spread - 0.5)
        if reached > 5:
            alarms.append(night)
            reached = 0.0
    return alarms


def adwin(nights: Nights) -> list[int]:
    """With river's settings, on every result in the order of the cases, the baseline runs first."""
    from river.drift import ADWIN

    return _streamed(ADWIN(), nights)


def page_hinkley(nights: Nights) -> list[int]:
    """As `adwin`."""
    from river.drift import PageHinkley

    return _streamed(PageHinkley(), nights)


def _streamed(detector: Any, nights: Nights) -> list[int]:
    alarms = []
    for run, results in enumerate(nights.results.tolist(), -nights.baseline_runs):
        sounded = False
        for result in results:
            detector.update(result)
            sounded |= detector.drift_detected
        if sounded and run >= 0:
            alarms.append(run)
    return alarms


def _below(nights: Nights, limit: float) -> list[int]:
    return np.flatnonzero(nights.nights.mean(axis=1) < limit).tolist()
