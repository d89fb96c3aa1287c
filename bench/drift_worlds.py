"""Simulated nights for `bench.drift`, and the answers of LLMDrift as nights.

The world: 80 % of the cases flip with probability 1 % a run, 20 % with Beta(mean .21), of concentration .5 or 2. 80 %
of the cases pass but for their flips, the others fail. To break is to take cases at random that pass more often than
not and to exchange their rates of passing and failing; to gain is the same the other way round. A change falls after 0
to 15 nights. A night's shock is a shift of the log-odds of all cases, drawn anew for each baseline run and each night.
LLMDrift's cases are drawn so that as large a share of them is lost and gained as of the pair's queries, where it does
not say "at random".
"""

import csv
import gzip
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, logit, ndtri

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

STABLE_SHARE, STABLE_FLIPS, FLAKY_FLIPS = 0.8, 0.01, 0.21
PASSING_SHARE = 0.8
YEAR = 365
PHASES = 16  # a change falls after 0 to 15 nights
LEAST_FLIPS = 1e-6

LLMDRIFT_MODELS = {
    "gpt-3.5": ("openaichat/gpt-3.5-turbo-0301", "openaichat/gpt-3.5-turbo-0613"),
    "gpt-4": ("openaichat/gpt-4-0314", "openaichat/gpt-4-0613"),
}


Drawing = Literal["in its shares", "at random"]  # of the cases of a pair


@dataclass(frozen=True, slots=True)
class World:
    """concentration: of the Beta law of the flaky cases. shock: the sd that a night's shock gives the pass rate."""

    cases: int = 200
    baseline_runs: int = 10
    concentration: float = 0.5
    shock: float = 0.0


@dataclass(frozen=True, slots=True)
class Change:
    """Shares of all cases that break and that are gained; `worse`: what all lose, every passing case alike."""

    lost: float = 0.0
    gained: float = 0.0
    worse: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Which cases passed with the older and with the newer snapshot of a model. Both of shape (cases,)."""

    name: str
    older: Bools
    newer: Bools


@dataclass(frozen=True, slots=True)
class Nights:
    """results: of shape (baseline runs + nights, cases). before: nights before the change; all where there is none."""

    results: Floats
    baseline_runs: int
    before: int

    @property
    def baseline(self) -> Floats:
        return self.results[: self.baseline_runs]

    @property
    def nights(self) -> Floats:
        return self.results[self.baseline_runs :]

    def first(self, nights: int) -> "Nights":
        return replace(self, results=self.results[: self.baseline_runs + nights])


def null_nights(world: World, number: int, rng: np.random.Generator) -> Nights:
    rates = failure_rates(_most(world.cases, PASSING_SHARE, rng), world.concentration, rng)
    return Nights(_runs(rates, world.baseline_runs + number, world, rng), world.baseline_runs, number)


def changed_nights(
    world: World, change: Change, after: int, rng: np.random.Generator, *, before: int | None = None
) -> Nights:
    """before: nights before the change; 0 to 15 at random if left out."""
    rates = failure_rates(_most(world.cases, PASSING_SHARE, rng), world.concentration, rng)
    return _then(rates, changed(rates, change, rng), after, world, rng, before=before)


def twin_nights(
    world: World, change: Change, after: int, rng: np.random.Generator, *, pilot: int, before: int
) -> tuple[Nights, Nights]:
    """Two answers a night from cases with the same rates: one for a canary, whose pool is the pilot's, one for all."""
    rates = failure_rates(_most(world.cases, PASSING_SHARE, rng), world.concentration, rng)
    drifted = changed(rates, change, rng)
    canary = _then(rates, drifted, after, replace(world, baseline_runs=pilot), rng, before=before)
    return canary, _then(rates, drifted, after, world, rng, before=before)


def pair_nights(pair: Pair, world: World, after: int, rng: np.random.Generator, *, drawing: Drawing) -> Nights:
    """The older snapshot's results, then the newer's; a case flips as often before as after."""
    chosen = (_in_its_shares if drawing == "in its shares" else _at_random)(pair, world.cases, rng)
    flips = failure_rates(np.ones(world.cases, dtype=bool), world.concentration, rng)
    older, newer = (np.where(passed[chosen], flips, 1 - flips) for passed in (pair.older, pair.newer))
    return _then(older, newer, after, world, rng)


def _at_random(pair: Pair, cases: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return rng.choice(len(pair.older), size=cases, replace=False)


def _in_its_shares(pair: Pair, cases: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """As many that are lost, gained, always right and always wrong as the pair has, rounded by largest remainders."""
    kinds = 2 * pair.older + pair.newer
    wanted = np.bincount(kinds, minlength=4) * cases / len(kinds)
    counts = np.floor(wanted).astype(np.int64)
    counts[np.argsort(counts - wanted, kind="stable")[: cases - counts.sum()]] += 1
    drawn = [rng.choice(np.flatnonzero(kinds == kind), size=count, replace=False) for kind, count in enumerate(counts)]
    return np.concatenate(drawn)


def failure_rates(passing: Bools, concentration: float, rng: np.random.Generator) -> Floats:
    flaky = rng.beta(FLAKY_FLIPS * concentration, (1 - FLAKY_FLIPS) * concentration, size=len(passing))
    flips = np.where(_most(len(passing), STABLE_SHARE, rng), STABLE_FLIPS, flaky)
    flips = np.clip(flips, LEAST_FLIPS, 1 - LEAST_FLIPS)
    return np.where(passing, flips, 1 - flips)


def changed(rates: Floats, change: Change, rng: np.random.Generator) -> Floats:
    passing, failing = np.flatnonzero(rates < 0.5), np.flatnonzero(rates >= 0.5)
    lost = rng.choice(passing, size=round(change.lost * len(rates)), replace=False)
    gained = rng.choice(failing, size=round(change.gained * len(rates)), replace=False)
    after = rates.copy()
    for cases in (lost, gained):
        after[cases] = 1 - after[cases]
    after[passing] += change.worse * len(rates) / len(passing)
    return np.minimum(after, 1.0)


def real_nights(
    number: int, world: World, rng: np.random.Generator, *, noise: float, factor: float, before: int
) -> tuple[Nights, dict[str, Nights]]:
    """Streams of numbers beside null nights: length in tokens, cost, a judge's score of 1 to 5.

    noise: sd of the logarithm of a case's length from run to run. factor: of the length, from night `before` on.
    The cost follows the length and a prompt whose length varies by 5 %.
    """
    shape = (world.baseline_runs + number, world.cases)
    length = rng.lognormal(np.log(300), 0.6, world.cases) * rng.lognormal(0, noise, shape)
    length[world.baseline_runs + before :] *= factor
    length = np.maximum(np.rint(length), 1)
    prompt = np.rint(rng.lognormal(np.log(2000), 0.3, world.cases) * rng.lognormal(0, 0.05, shape))
    judged = np.clip(np.rint(rng.uniform(3, 5, world.cases) + rng.normal(0, 0.5, shape)), 1, 5)
    passed = null_nights(world, number, rng)
    streams = {"length": length, "cost": 0.4 * prompt + 1.6 * length, "judge": judged}
    return replace(passed, before=before), {
        name: Nights(values, world.baseline_runs, before) for name, values in streams.items()
    }


def read_pairs(folder: Path) -> list[Pair]:
    """Ten pairs: five tasks, of GPT-3.5 and of GPT-4, March 2023 against June 2023."""
    primes = _read(
        folder, "PRIME_FULL_EVAL.csv", lambda row: (row["dataset"], _names(row["answer"], row["ref_answer"]))
    )
    refused = _read(folder, "SENSITIVEQ_EVAL.csv", lambda row: ("sensitive", row["Response Rate"] == "1"))
    code = _read(folder, "LEETCODE_EASY_EVAL.csv", lambda row: ("leetcode", row["Directly Usable"] == "1"))
    found = {**primes, **refused, **code}
    pairs = []
    for model, snapshots in LLMDRIFT_MODELS.items():
        tasks = {
            task: tuple(found[task, snapshot] for snapshot in snapshots)
            for task in ("prime", "composite", "sensitive", "leetcode")
        }
        both = tuple(np.concatenate(each) for each in zip(tasks["prime"], tasks["composite"], strict=True))
        for task, (older, newer) in {**tasks, "prime or not": both}.items():
            pairs.append(Pair(f"{model} {task}", older, newer))
    return pairs


def _read(
    folder: Path, name: str, result: Callable[[dict[str, str]], tuple[str, bool]]
) -> dict[tuple[str, str], Bools]:
    path = folder / name
    packed = folder / f"{name}.gz"
    if not path.exists() and not packed.exists():
        raise SystemExit(
            f"{folder}: holds neither {name} nor {name}.gz. Give --llmdrift the folder of LLMDrift's answers."
        )
    csv.field_size_limit(1 << 30)
    rows: dict[tuple[str, str], dict[str, bool]] = {}
    with path.open(encoding="utf-8") if path.exists() else gzip.open(packed, "rt", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            task, passed = result(row)
            rows.setdefault((task, row["model"]), {})[row["id"]] = passed
    return {key: np.array([cases[case] for case in sorted(cases)]) for key, cases in rows.items()}


def _names(answer: str, truth: str) -> bool:
    """Does the answer end in the right one of [Yes] and [No]? An answer with neither is wrong."""
    found = re.findall(r"\[(yes|no)\]", answer.lower())
    return bool(found) and found[-1] == truth.lower()


def _then(
    old: Floats, new: Floats, nights: int, world: World, rng: np.random.Generator, *, before: int | None = None
) -> Nights:
    phase = int(rng.integers(PHASES)) if before is None else before
    first = _runs(old, world.baseline_runs + phase, world, rng)
    return Nights(np.concatenate([first, _runs(new, nights, world, rng)]), world.baseline_runs, phase)


def _runs(rates: Floats, number: int, world: World, rng: np.random.Generator) -> Floats:
    """1.0 where a case passed, of shape (number, cases)."""
    if world.shock:
        shifts = rng.normal(0, _log_odds_sd(rates, world.shock), size=(number, 1))
        rates = expit(logit(rates) + shifts)
    return (rng.random((number, rates.shape[-1])) >= rates).astype(np.float64)


def _log_odds_sd(rates: Floats, shock: float) -> float:
    """The sd of the shift of all log-odds that shifts the mean rate with sd `shock`."""
    shifts = ndtri((np.arange(99) + 0.5) / 99)[:, None]

    def excess(sd: float) -> float:
        return float(expit(logit(rates) + sd * shifts).mean(axis=1).std()) - shock

    return float(brentq(excess, 0.0, 5.0))


def _most(number: int, share: float, rng: np.random.Generator) -> Bools:
    """True for exactly this share of the cases, at random."""
    return rng.permutation(number) < round(share * number)
