"""Results of any harness in a CSV file: read, checked row by row, and put in the order of the nights.

Columns: night, case, metric, value, and if wanted baseline (0 or 1) and slice (several are separated by `;`).
An empty value is a missing result, never a failure. Rows of the same night, case and metric are several runs of that
case. Rows may come in any order where nights are dates or numbers; other names are taken in the order in which they
first appear.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Literal

from evals.drift.results import Metric, Results
from evals.drift.results_rows import Row, read_rows, suggest, wrong_cell
from evals.drift.streams import History, Values
from knowledge.digest import digest
from knowledge.errors import ContentError

BASELINE_NIGHTS = 10  # the first so many are the baseline, where no column says otherwise
LEAST_BASELINE = 3  # marked nights, below which there is no verdict
PASS = "pass"
TAKEN = "fail"  # a stream's name; as a metric nobody could tell what its 1 means


@dataclass(frozen=True, slots=True)
class _Order:
    """The names of the baseline's nights and of those since, in order."""

    baseline: tuple[str, ...]
    wanted: int
    nights: tuple[str, ...]


def read_results(path: Path, *, metrics: Collection[str] = ()) -> Results:
    """The results in a file; of these metrics alone, where some are named. Raises ContentError."""
    rows = _chosen(path, read_rows(path), metrics)
    order = _order(path, rows)
    measured = {row.metric for row in rows if row.value is not None and row.night in order.baseline}
    known = [row for row in rows if row.metric in measured]
    kinds = _kinds(path, known, order.baseline)
    values = _grouped(known)
    runs = {
        name: tuple(tuple(values[name].get(night, {}) for night in part) for part in (order.baseline, order.nights))
        for name in sorted(kinds)
    }
    baseline_id = digest([[name, *baseline] for name, (baseline, _) in runs.items()])
    return Results(
        metrics=tuple(
            Metric(name, kinds[name], History(baseline_id, baseline, nights, order.nights))
            for name, (baseline, nights) in runs.items()
        ),
        baseline_id=baseline_id,
        baseline=order.baseline,
        wanted=order.wanted,
        nights=order.nights,
        slices=_slices(rows),
        not_followed=tuple(sorted({row.metric for row in rows} - measured)),
    )


def _chosen(path: Path, rows: list[Row], metrics: Collection[str]) -> list[Row]:
    there = sorted({row.metric for row in rows})
    for name in metrics:
        if name not in there:
            raise ContentError(f"{path}: no row has the metric {name!r}.{suggest(name, there)}")
    found = [row for row in rows if row.metric in (metrics or there)]
    for row in found:
        if row.metric == TAKEN:
            raise wrong_cell(
                path, row.number, "metric", f"{TAKEN!r} would not tell what 1 means. Name it {PASS!r}, 1 for passed"
            )
    return found


def _order(path: Path, rows: Sequence[Row]) -> _Order:
    """The nights that are marked, or the first ten, are the baseline; a night of it without a result does not count."""
    names = _sorted(path, {row.night: row.number for row in reversed(rows)})
    measured = {row.night for row in rows if row.value is not None}
    marked = _marked(path, rows, names)
    if marked is not None:
        baseline = tuple(name for name in names if name in marked and name in measured)
        return _Order(baseline, LEAST_BASELINE, tuple(name for name in names if name not in marked))
    baseline = tuple(islice((name for name in names if name in measured), BASELINE_NIGHTS))
    since = names[names.index(baseline[-1]) + 1 :] if baseline else names
    return _Order(baseline, BASELINE_NIGHTS, tuple(since))


def _sorted(path: Path, names: Mapping[str, int]) -> list[str]:
    """By date or number where all are such, else as they come. names: each with its first row. Raises ContentError."""
    found = sorted(names, key=names.__getitem__)
    for key in (_number, _moment):
        with suppress(ValueError):
            return [name for _, name in sorted((key(name), name) for name in found)]
    dated = [name for name in found if _is_date(name)]
    if dated and (odd := next((name for name in found if name not in dated), None)) is not None:
        raise wrong_cell(path, names[odd], "night", f"{odd!r} is no date, as {dated[0]!r} is; write it like that")
    return found


def _is_date(name: str) -> bool:
    try:
        _moment(name)
    except ValueError:
        return False
    return True


def _moment(name: str) -> float:
    found = datetime.fromisoformat(name)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _number(name: str) -> float:
    found = float(name)
    if not math.isfinite(found):
        raise ValueError(name)
    return found


def _marked(path: Path, rows: Sequence[Row], names: Sequence[str]) -> frozenset[str] | None:
    """The nights that the column says are the baseline; None: there is no such column."""
    said: dict[str, Row] = {}
    for row in rows:
        first = said.setdefault(row.night, row)
        if row.baseline != first.baseline:
            raise wrong_cell(
                path,
                row.number,
                "baseline",
                f"{row.baseline:d} for night {row.night!r}, and {first.baseline:d} in row {first.number}. "
                "A night is the baseline's as a whole or not at all",
            )
    if any(row.baseline is None for row in said.values()):
        return None
    before: str | None = None
    for name in names:
        if not said[name].baseline:
            before = name
        elif before is not None:
            raise wrong_cell(
                path,
                said[name].number,
                "baseline",
                f"night {name!r} is marked 1 and comes after night {before!r}, which is not. "
                "The baseline's nights come first",
            )
    return frozenset(name for name in names if said[name].baseline)


def _kinds(path: Path, rows: Sequence[Row], baseline: Collection[str]) -> dict[str, Literal["binary", "real"]]:
    """Which metrics are of the kind 0 or 1: `pass`, and one of which the baseline knows nothing else."""
    real = {row.metric for row in rows if row.night in baseline and row.value not in (None, 0.0, 1.0)} - {PASS}
    for row in rows:
        if row.metric not in real and row.value not in (None, 0.0, 1.0):
            known = "is 0 or 1" if row.metric == PASS else "is 0 or 1 all through the baseline"
            raise wrong_cell(
                path,
                row.number,
                "value",
                f"{row.value:g}, but the metric {row.metric!r} {known}. Give a score under a name of its own",
            )
    binary = sorted({row.metric for row in rows} - real)
    if len(binary) > 1:
        raise ContentError(
            f"{path}: the metrics {', '.join(map(repr, binary))} are all 0 or 1 in the baseline, "
            f"and one such metric is followed at a time. Choose with --metric {binary[0]}, "
            "or put each in a file of its own."
        )
    return {**dict.fromkeys(sorted(real), "real"), **dict.fromkeys(binary, "binary")}


def _grouped(rows: Iterable[Row]) -> dict[str, dict[str, Values]]:
    """Values by metric, night and case; sorted, so that the order of rows says nothing."""
    found: dict[str, dict[str, dict[str, list[float]]]] = {}
    for row in rows:
        nights = found.setdefault(row.metric, {})
        if row.value is not None:
            nights.setdefault(row.night, {}).setdefault(row.case, []).append(row.value)
    for nights in found.values():
        for cases in nights.values():
            for values in cases.values():
                values.sort()
    return {metric: {**nights} for metric, nights in found.items()}


def _slices(rows: Iterable[Row]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for case, names in {(row.case, row.slices) for row in rows}:
        for name in filter(None, (each.strip() for each in names.split(";"))):
            found.setdefault(name, set()).add(case)
    return {name: frozenset(found[name]) for name in sorted(found)}
