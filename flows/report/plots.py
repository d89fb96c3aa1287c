"""The plots over the nights: which figures, on which scale, and the lines a template draws."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from evals.retrieval import MEASURES
from flows.changes import counted
from flows.report.figures import documents_held, interval, pass_rate, seconds

EDGE = 6.0  # of a plot's 100 x 100, kept free above and below, so that no dot is cut


@dataclass(frozen=True, slots=True)
class Scale:
    """How a figure is written, the least span its axis has, whether it begins at 0, and its bounds."""

    written: str
    span: float
    from_zero: bool = False
    least: float = 0.0
    most: float = float("inf")


SHARE = Scale("{:.1%}", 0.1, most=1.0)
MEASURE = Scale("{:.3f}", 0.05, most=1.0)
COUNT = Scale("{:.0f}", 4)
FEW = Scale("{:.0f}", 4, from_zero=True)
MONEY = Scale("{:.4f}", 0.01, from_zero=True)
TIME = Scale("{:.0f} s", 10, from_zero=True)


@dataclass(frozen=True, slots=True)
class Plot:
    """One figure over the nights, drawn and written. A night without a value parts the line.

    apart: the line does not run through the dots, it is another figure.
    """

    name: str
    written: tuple[str, ...]
    lines: tuple[str, ...]
    dots: tuple[tuple[float, float], ...]
    bands: tuple[str, ...]
    low: str
    high: str
    told: str
    apart: bool = False


def plot_nights(nights: Sequence[dict[str, Any]]) -> list[Plot]:
    """Every plot over these summaries, oldest first."""
    return [
        make_plot("Cases passed", [pass_rate(each) for each in nights], SHARE, [interval(each) for each in nights]),
        *(
            make_plot(name, [each["check"]["metrics"].get(name) for each in nights], MEASURE)
            for name in reversed(MEASURES)
        ),
        make_plot("Documents", [documents_held(each) for each in nights], COUNT),
        make_plot("In quarantine", [len(each["ingest"]["quarantine"]) for each in nights], FEW),
        make_plot("Cost in USD", [each["cost_usd"] for each in nights], MONEY),
        make_plot("Duration", [sum(seconds(each).values()) for each in nights], TIME),
    ]


def make_plot(
    name: str,
    values: Sequence[float | None],
    scale: Scale,
    intervals: Sequence[tuple[float, float] | None] = (),
    *,
    line: Sequence[float | None] | None = None,
) -> Plot:
    """Place values, oldest on the left, and the intervals; the line runs through the values, unless it is given."""
    known = [value for value in values if value is not None]
    low, high = axis([*known, *(end for each in intervals if each for end in each)], scale)

    def place(night: int, value: float) -> tuple[float, float]:
        share = (value - low) / (high - low)
        return round(100 * (night + 0.5) / len(values), 2), round(EDGE + (100 - 2 * EDGE) * (1 - share), 2)

    def placed(found: Sequence[float | None]) -> dict[int, tuple[float, float]]:
        return {night: place(night, value) for night, value in enumerate(found) if value is not None}

    dots = placed(values)
    course = dots if line is None else placed(line)
    ends = {night: (place(night, each[0]), place(night, each[1])) for night, each in enumerate(intervals) if each}
    written = tuple("–" if value is None else scale.written.format(value) for value in values)
    return Plot(
        name=name,
        written=written,
        lines=tuple(_path(course[night] for night in run) for run in _runs(course)),
        dots=tuple(dots.values()),
        bands=tuple(
            _path([*(ends[night][0] for night in run), *(ends[night][1] for night in reversed(run))])
            for run in _runs(ends)
        ),
        low=scale.written.format(low),
        high=scale.written.format(high),
        told=_told(name, written, known, scale),
        apart=line is not None,
    )


def axis(values: Sequence[float], scale: Scale) -> tuple[float, float]:
    """Both ends of the axis: as near to the values as the least span allows."""
    low, high = (min(values), max(values)) if values else (0.0, 0.0)
    low = 0.0 if scale.from_zero else low
    lacking = max(0.0, scale.span - (high - low))
    high = min(scale.most, high + lacking / (1 if scale.from_zero else 2))
    low = max(scale.least, min(low, high - scale.span))
    return low, max(high, low + scale.span)


def _runs(nights: Iterable[int]) -> list[list[int]]:
    """Nights that follow one another without a gap."""
    found: list[list[int]] = []
    for night in nights:
        if found and found[-1][-1] == night - 1:
            found[-1].append(night)
        else:
            found.append([night])
    return found


def _path(points: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in points)


def _told(name: str, written: Sequence[str], known: Sequence[float], scale: Scale) -> str:
    """The plot in words, for those who do not see it."""
    nights = counted(len(written), "night")
    if not known:
        return f"{name}: no value in {nights}"
    first, last, lowest, highest = (
        scale.written.format(value) for value in (known[0], known[-1], min(known), max(known))
    )
    return f"{name} over {nights}: first {first}, last {last}, lowest {lowest}, highest {highest}"
