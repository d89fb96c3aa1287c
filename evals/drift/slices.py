"""Where the drift is: the slices that moved since a night, and the cases that carry it.

A slice (a tag, a collection, a route) is a set of cases. Its nights since the excursion began are one block, whose
p-value is that of `streams` on the slice's cases alone; the mean over the bets of exp(mu z - mu^2 / 2) makes it an
e-value. e-BH takes the k slices with the largest e-values, k the largest with e_(k) >= n / (alpha k): for a night
fixed beforehand at most a share alpha of the slices named did not move, in expectation, however slices overlap (Wang
and Ramdas, *False discovery rate control with e-values*, JRSS-B 2022, theorem 1). A night found by the detector is
chosen mostly by the cases that moved, which are independent of the slices that did not: there the promise is a good
description, no theorem.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Literal

from evals.drift.detector import NIGHTLY, e_values
from evals.drift.streams import History, Kind, Values, by_case, p_values

MOST_CASES = 10


@dataclass(frozen=True, slots=True)
class SliceMove:
    """A slice that moved: its p-value and e-value since the night, and its mean result before and since.

    before, since: pass rates (kinds fail and pass) or means (real) of the `cases` with results on both sides, each case
    weighing the same.
    """

    name: str
    p: float
    e: float
    before: float
    since: float
    cases: int


@dataclass(frozen=True, slots=True)
class CarryingCase:
    """A case that carries the drift. mid_p: P(X > x) + P(X = x) / 2 for its own hypergeometric law. Pass rates."""

    case: str
    mid_p: float
    before: float
    since: float


def moved_slices(
    history: History, slices: Mapping[str, frozenset[str]], *, since: int, kind: Kind, alpha: float = 0.05
) -> tuple[SliceMove, ...]:
    """The slices that moved since a night (counted from 0), by e-BH at level alpha, the largest e-value first.

    kind: the direction, as for a stream: fail finds slices that fail more, pass that pass more, real that changed.
    A slice without results on both sides of the night is not among the n that are weighed.
    """
    halves = _halves(history, since)
    weighed = [
        move
        for name, cases in sorted(slices.items())
        if (move := _move(_of_cases(halves, cases), name, kind)) is not None
    ]
    weighed.sort(key=lambda move: -move.e)
    enough = [k for k, move in enumerate(weighed, 1) if move.e >= len(weighed) / (alpha * k)]
    return tuple(weighed[: max(enough, default=0)])


def carrying_cases(
    history: History, *, since: int, kind: Literal["fail", "pass"], limit: int = MOST_CASES
) -> tuple[CarryingCase, ...]:
    """The cases that failed (or passed) more often since a night than before, the most surprising first.

    Each is judged by itself, to be looked at, not to be proved: with hundreds of cases a few are surprising by chance.
    """
    from scipy.stats import hypergeom  # 40 MB that an ingest can spare

    halves = _halves(history, since)
    found = []
    for case, before, after in _on_both_sides(halves):
        counted, passed_before = (sum(value == 1.0 for value in values) for values in (after, before))
        rates = passed_before / len(before), counted / len(after)
        if rates[0] == rates[1] or (rates[1] < rates[0]) != (kind == "fail"):
            continue
        bag_counted, bag = counted + passed_before, len(before) + len(after)
        if kind == "fail":
            counted, bag_counted = len(after) - counted, bag - bag_counted
        law = hypergeom(bag, bag_counted, len(after))
        found.append(CarryingCase(case, float(law.sf(counted) + law.pmf(counted) / 2), *rates))
    return tuple(sorted(found, key=lambda each: (each.mid_p, each.case))[:limit])


def _halves(history: History, since: int) -> History:
    """All that was before the night as the baseline, and the nights since as a single one."""
    if not 0 <= since < len(history.nights):
        raise ValueError(f"there is no night {since} among {len(history.nights)}; nights are counted from 0")
    return replace(
        history,
        baseline=(*history.baseline, *history.nights[:since]),
        nights=(by_case(history.nights[since:]),),
        names=(f"{history.names[since]}..{history.names[-1]}",),
    )


def _of_cases(halves: History, cases: frozenset[str]) -> History:
    def kept(run: Values) -> Values:
        return {case: values for case, values in run.items() if case in cases}

    return replace(halves, baseline=tuple(map(kept, halves.baseline)), nights=tuple(map(kept, halves.nights)))


def _on_both_sides(halves: History) -> list[tuple[str, list[float], list[float]]]:
    """The cases that have results before and since, with both."""
    before, after = by_case(halves.baseline), halves.nights[0]
    return [
        (case, list(before[case]), list(after[case])) for case in sorted(before) if before[case] and after.get(case)
    ]


def _move(halves: History, name: str, kind: Kind) -> SliceMove | None:
    cases = _on_both_sides(halves)
    if not cases:
        return None
    p = p_values(halves, f"slice {name} {kind}", kind)[0][NIGHTLY]
    if p is None:
        return None
    return SliceMove(
        name=name,
        p=p,
        e=float(e_values(p).mean()),
        before=fmean(fmean(before) for _, before, _ in cases),
        since=fmean(fmean(after) for _, _, after in cases),
        cases=len(cases),
    )
