"""The pictures of drift: evidence on a log axis, pass rate with its interval, means of metrics, flips case by case.

All have the same columns, first the baseline's runs and then the nights, so that one stands above the other.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from evals.compare import PassRate
from evals.drift.decision import Decision
from evals.drift.streams import History, Values
from evals.drift.verdict import written
from flows.changes import counted
from flows.report.plots import EDGE, SHARE, Plot, Scale, make_plot

LEAST_EVIDENCE = 0.01  # where the axis begins; less is drawn there
MOST_ALARMS = 1000.0  # times the alarm, where the axis ends
RECENT = 7  # nights that are held against the baseline while nothing has drifted
MOST_CASES = 20  # in a strip


@dataclass(frozen=True, slots=True)
class EvidencePicture:
    """The evidence of one stream: a curve, and how high the alarm hangs. ticks: heights and what stands there."""

    stream: str
    written: tuple[str, ...]
    points: str
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
        pictures.append(
            EvidencePicture(
                stream=stream,
                written=tuple(written(value) for value in values),
                points=" ".join(
                    f"{100 * (baseline_runs + night + 0.5) / columns:.2f},{height(value):g}"
                    for night, value in enumerate(values)
                ),
                alarm=height(alarm),
                ticks=ticks,
                told=f"Evidence of stream {stream} over {counted(len(values), 'night')}: last {written(values[-1])}, "
                f"highest {written(max(values))}; the alarm is at {written(alarm)}",
            )
        )
    return pictures


def plot_pass_rate(history: History) -> Plot:
    """The share of results that passed, run by run of the baseline and night by night, with its Wilson interval."""
    rates = [PassRate(int(sum(results)), len(results)) for results in map(_flat, _columns(history))]
    return make_plot("Results passed", [each.rate for each in rates], SHARE, [each.interval for each in rates])


def plot_mean(name: str, history: History) -> Plot:
    """The mean of a real-valued metric over the cases that were measured."""
    means = [fmean(results) if results else None for results in map(_flat, _columns(history))]
    largest = max((abs(mean) for mean in means if mean is not None), default=0.0)
    return make_plot(f"{name}, mean", means, Scale("{:.4g}", (largest or 1.0) / 10, least=-math.inf))


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
