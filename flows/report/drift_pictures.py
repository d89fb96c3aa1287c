"""The pictures of drift: evidence on a log axis, pass rate since the baseline, means of metrics, flips case by case.

All have the same columns, first the baseline's runs and then the nights, so that one stands above the other.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from evals.drift.decision import Decision
from evals.drift.pass_rate import RunningRate, running_pass_rate
from evals.drift.results import Results
from evals.drift.streams import History, Values
from evals.drift.verdict import Standing, written
from flows.changes import counted
from flows.report.plots import EDGE, SHARE, Plot, Scale, make_plot

LEAST_EVIDENCE = 0.01  # where the axis begins; less is drawn there
MOST_ALARMS = 1000.0  # times the alarm, where the axis ends
RECENT = 7  # nights that show what flips while nothing has drifted
MOST_CASES = 20  # in a strip


@dataclass(frozen=True, slots=True)
class EvidencePicture:
    """The evidence of one stream: a curve and its last point, and how high the alarm hangs.

    ticks: heights and what stands there.
    """

    stream: str
    written: tuple[str, ...]
    points: str
    last: tuple[float, float]
    alarm: float
    ticks: tuple[tuple[float, str], ...]
    told: str


@dataclass(frozen=True, slots=True)
class FlipStrip:
    """One case over the columns: cells where it failed, failed in some of its runs, and was not measured."""

    case: str
    failed: str
    partly: str
    missing: str
    before: str
    after: str
    told: str


@dataclass(frozen=True, slots=True)
class DriftPictures:
    """All pictures of one standing. columns: the baseline's `runs`, then the nights. running: see `_running`.

    recent: how many nights are held against the baseline while nothing has drifted.
    edge, since: where the baseline ends, and where the drift is thought to have begun, in percent of the width.
    """

    columns: tuple[str, ...]
    runs: int
    edge: float
    since: float | None
    recent: int
    evidence: tuple[EvidencePicture, ...]
    plots: tuple[Plot, ...]
    running: tuple[str, ...]
    strips: tuple[FlipStrip, ...]


def draw_drift(results: Results, standing: Standing) -> DriftPictures:
    """What can be drawn: without decisions no evidence and no flips."""
    columns = (*results.baseline, *results.nights)
    runs = len(results.baseline)
    since = results.nights.index(standing.drift.since) if standing.drift else None
    decisions = standing.decisions
    binary = next((each.history for each in results.metrics if each.kind == "binary"), None)
    rates = running_pass_rate(binary) if binary else []
    return DriftPictures(
        columns=columns,
        runs=runs,
        edge=100 * runs / len(columns),
        since=100 * (runs + since) / len(columns) if since is not None else None,
        recent=min(RECENT, len(results.nights)),
        evidence=tuple(draw_evidence(decisions, alarm=standing.alarm, baseline_runs=runs)) if decisions else (),
        plots=tuple(
            plot_pass_rate(each.history, rates) if each.kind == "binary" else plot_mean(each.name, each.history)
            for each in results.metrics
        ),
        running=("baseline",) * runs + tuple(map(_running, rates)) if binary else (),
        strips=tuple(draw_flips(binary, since=since)) if binary and decisions else (),
    )


def draw_evidence(decisions: Sequence[Decision], *, alarm: float, baseline_runs: int) -> list[EvidencePicture]:
    """A picture for each stream, all on the same axis."""
    streams = list(decisions[-1].evidence)
    most = max(max(each.evidence.values()) for each in decisions)
    top = 10 ** math.ceil(math.log10(min(max(most, alarm * 10), alarm * MOST_ALARMS)))
    span = math.log10(top / LEAST_EVIDENCE)

    def height(evidence: float) -> float:
        share = math.log10(min(max(evidence, LEAST_EVIDENCE), top) / LEAST_EVIDENCE) / span
        return round(EDGE + (100 - 2 * EDGE) * (1 - share), 2)

    columns = baseline_runs + len(decisions)
    ticks = ((height(alarm), written(alarm)), (height(1.0), "1"))
    pictures = []
    for stream in streams:
        values = [each.evidence[stream] for each in decisions]
        points = [
            (round(100 * (baseline_runs + night + 0.5) / columns, 2), height(value))
            for night, value in enumerate(values)
        ]
        pictures.append(
            EvidencePicture(
                stream=stream,
                written=tuple(written(value) for value in values),
                points=" ".join(f"{x:g},{y:g}" for x, y in points),
                last=points[-1],
                alarm=height(alarm),
                ticks=ticks,
                told=f"Evidence of stream {stream} over {counted(len(values), 'night')}: last {written(values[-1])}, "
                f"highest {written(max(values))}; the alarm is at {written(alarm)}",
            )
        )
    return pictures


def plot_pass_rate(history: History, running: Sequence[RunningRate | None]) -> Plot:
    """A dot for the share that passed in each column; line and band: that of all nights since the baseline."""
    rates = [fmean(results) if results else None for results in map(_flat, _columns(history))]
    before = (None,) * len(history.baseline)
    plot = make_plot(
        "Results passed",
        rates,
        SHARE,
        [*before, *((each.low, each.high) if each else None for each in running)],
        line=[*before, *(each.rate if each else None for each in running)],
    )
    return replace(plot, told=f"{plot.told}; {_running(running[-1])} since the baseline") if running else plot


def _running(rate: RunningRate | None) -> str:
    """The pass rate since the baseline, as it is written below the pictures."""
    return f"{rate.rate:.1%} ({rate.low:.1%} to {rate.high:.1%})" if rate else "–"


def plot_mean(name: str, history: History) -> Plot:
    """The mean of a real-valued metric over the cases that were measured."""
    means = [fmean(results) if results else None for results in map(_flat, _columns(history))]
    known = [mean for mean in means if mean is not None]
    largest = max(map(abs, known), default=0.0) or 1.0
    least = -math.inf if min(known, default=0.0) < 0 else 0.0
    return make_plot(f"{name}, mean", means, Scale("{:.4g}", largest / 10, least=least))


def draw_flips(history: History, *, since: int | None) -> list[FlipStrip]:
    """The cases whose failure rate moved most, from the baseline to the nights since `since` or the last seven."""
    columns = _columns(history)
    first = len(history.baseline) + (since if since is not None else max(0, len(history.nights) - RECENT))
    cases = sorted({case for column in columns for case in column})
    moved = []
    for case in cases:
        results = [list(column.get(case, ())) for column in columns]
        before = [value for column in results[: len(history.baseline)] for value in column]
        after = [value for column in results[first:] for value in column]
        if before and after and fmean(before) != fmean(after):
            size = abs(fmean(before) - fmean(after))
            moved.append((-size, case, _strip(case, results, before, after)))
    return [strip for _, _, strip in sorted(moved, key=lambda each: each[:2])[:MOST_CASES]]


def _strip(case: str, results: Sequence[Sequence[float]], before: Sequence[float], after: Sequence[float]) -> FlipStrip:
    told = _failed(before), _failed(after)
    return FlipStrip(
        case=case,
        failed=_cells(place for place, column in enumerate(results) if column and not any(column)),
        partly=_cells(place for place, column in enumerate(results) if 0.0 in column and 1.0 in column),
        missing=_cells(place for place, column in enumerate(results) if not column),
        before=told[0],
        after=told[1],
        told=f"failed {told[0]}, then {told[1]}",
    )


def _failed(results: Sequence[float]) -> str:
    return f"{sum(value == 0.0 for value in results)} of {len(results)}"


def _cells(places: Iterable[int]) -> str:
    return "".join(f"M{place} 0h1v1h-1z" for place in places)


def _columns(history: History) -> tuple[Values, ...]:
    return (*history.baseline, *history.nights)


def _flat(column: Values) -> list[float]:
    return [value for results in column.values() for value in results]
