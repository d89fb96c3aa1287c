"""The rows of a results file: text, header and cells, each checked where it stands."""

import csv
import difflib
import io
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from knowledge.errors import ContentError

NEEDED = ("night", "case", "metric", "value")
OPTIONAL = ("baseline", "slice")
HEADER = f"{','.join(NEEDED)} and, if wanted, {','.join(OPTIONAL)}"
MOST_SHOWN = 40  # characters of a cell in an error


class Row(NamedTuple):
    """One row, numbered as in a spreadsheet. value None: missing; baseline None: there is no such column."""

    number: int
    night: str
    case: str
    metric: str
    value: float | None
    baseline: bool | None
    slices: str


def read_rows(path: Path) -> list[Row]:
    """Every row below the header. Raises ContentError."""
    lines = _cells(path, _text(path))
    number, header = next(lines, (1, []))
    places = _places(path, number, [name.strip() for name in header])
    found = [_row(path, number, cells, places) for number, cells in lines]
    if not found:
        raise ContentError(f"{path}: there is no row below the header. Write one for each night, case and metric.")
    return found


def wrong_cell(path: Path, number: int, column: str, said: str) -> ContentError:
    """The error of one cell."""
    return ContentError(f"{path}: row {number}, column '{column}': {said}.")


def suggest(name: str, known: Sequence[str]) -> str:
    """What was meant, or else what there is."""
    near = difflib.get_close_matches(name.lower(), known, n=1)
    return f" Did you mean {near[0]!r}?" if near else f" There is {', '.join(map(repr, known))}."


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as problem:
        raise ContentError(
            f"{path}: cannot be read ({problem.strerror}). Give a CSV file with the columns {HEADER}."
        ) from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        row = content.count(b"\n", 0, problem.start) + 1
        raise ContentError(f"{path}: row {row} is not UTF-8. Save the file as CSV in UTF-8.") from None


def _cells(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not blank, with their numbers."""
    number = 0
    try:
        for number, cells in enumerate(csv.reader(io.StringIO(text, newline=""), strict=True), 1):
            if any(cells):
                yield number, cells
    except csv.Error as problem:
        raise ContentError(f"{path}: row {number + 1} is no CSV ({problem}). Close its quotation marks.") from None


def _places(path: Path, number: int, header: Sequence[str]) -> dict[str, int]:
    if not header:
        raise ContentError(f"{path}: the file is empty. Its first row names the columns: {HEADER}.")
    if len(header) == 1 and any(sign in header[0] for sign in ";\t|"):
        raise ContentError(f"{path}: row {number} holds no comma. Separate the columns {HEADER} with commas.")
    known = (*NEEDED, *OPTIONAL)
    for name in header:
        if name not in known:
            left = [each for each in known if each not in header]
            raise ContentError(
                f"{path}: row {number}: there is no column {_shown(name)}.{suggest(name, left or known)} "
                f"The columns are {HEADER}."
            )
        if header.count(name) > 1:
            raise ContentError(f"{path}: row {number}: the column '{name}' is there twice. Take one out.")
    missing = [name for name in NEEDED if name not in header]
    if missing:
        raise ContentError(f"{path}: row {number}: the column '{missing[0]}' is missing. The columns are {HEADER}.")
    return {name: header.index(name) for name in header}


def _row(path: Path, number: int, cells: Sequence[str], places: dict[str, int]) -> Row:
    if len(cells) != len(places):
        raise ContentError(
            f"{path}: row {number} has {len(cells)} cells, the header {len(places)}. "
            "Quote a cell that holds a comma, and leave a missing value empty between its commas."
        )
    texts = {name: cells[place].strip() for name, place in places.items()}
    for name in NEEDED[:3]:
        if not texts[name]:
            raise wrong_cell(path, number, name, f"it is empty. Every row names its {name}")
    for name in ("night", "metric"):  # those that are said on the screen
        if not texts[name].isprintable():
            raise wrong_cell(
                path, number, name, f"{_shown(texts[name])} holds a character that cannot be shown. Take it out"
            )
    return Row(
        number=number,
        night=texts["night"],
        case=texts["case"],
        metric=texts["metric"],
        value=_value(path, number, texts["value"]),
        baseline=_baseline(path, number, texts.get("baseline")),
        slices=texts.get("slice", ""),
    )


def _value(path: Path, number: int, text: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise wrong_cell(
            path,
            number,
            "value",
            f"{_shown(text)} is no number. Write 1 for passed, 0 for failed, a finite number for a score, "
            "or nothing where there is no result",
        )
    return value


def _baseline(path: Path, number: int, text: str | None) -> bool | None:
    if text is None:
        return None
    if text not in ("0", "1"):
        raise wrong_cell(
            path, number, "baseline", f"{_shown(text)} is neither 0 nor 1. Write 1 in every row of a baseline's night"
        )
    return text == "1"


def _shown(text: str) -> str:
    return repr(text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…")
