"""Sheets of cells: xlsx, xls, csv and tsv. Every row is a line, every sheet is headed by its name."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time
from itertools import groupby
from typing import Any

from knowledge.record import Element
from pipelines.ingestion.parsing.settings import DocumentError, ParseSettings
from pipelines.ingestion.parsing.tables import row_lines

_DEFAULT_NAME = re.compile(r"(sheet|tabelle|feuil|hoja|foglio|planilha|blad|arkusz)\s*\d*", re.I)
_SPREAD_BELOW = 3_000_000  # bytes; larger workbooks are streamed, which does not tell which cells are merged
_SAMPLE = 20_000  # characters; what the delimiter is told from


def csv_elements(text: str, settings: ParseSettings) -> list[Element]:
    """The rows of comma-, semicolon-, tab- or pipe-separated values. Raises DocumentError."""
    sample = text[:_SAMPLE]
    delimiter = max(",;\t|", key=lambda sign: _columns(sample, sign))
    try:
        rows = [
            [cell.strip() for cell in row] for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        ]
    except csv.Error as problem:
        raise DocumentError("corrupt", f"the csv cannot be read ({problem})") from None
    return [Element("row", " ".join(line.split())) for line in row_lines(rows)]


def _columns(sample: str, delimiter: str) -> tuple[float, int]:
    """How many of the rows are as wide as most are, if that is over one column; then how wide."""
    try:
        widths = [len(row) for row in csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter) if row]
    except csv.Error:
        return 0.0, 0
    usual = max(set(widths), key=widths.count, default=1)
    return (widths.count(usual) / len(widths), usual) if usual > 1 else (0.0, 0)


def xlsx_elements(content: bytes, settings: ParseSettings) -> list[Element]:
    """The rows of every sheet that is not hidden. Raises DocumentError."""
    import openpyxl

    streamed = len(content) > _SPREAD_BELOW
    book = openpyxl.load_workbook(io.BytesIO(content), read_only=streamed, data_only=True)
    try:
        sheets = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
        found: list[Element] = []
        for part, sheet in enumerate(sheets, start=1):
            if streamed:
                sheet.reset_dimensions()  # what the file says of its size may be wrong
            rows = [[_shown(value) for value in row] for row in sheet.iter_rows(values_only=True)]
            if not streamed:
                _spread_merged(rows, sheet.merged_cells.ranges)
            found += sheet_elements(sheet.title, rows, part)
        return found
    finally:
        book.close()


def xls_elements(content: bytes, settings: ParseSettings) -> list[Element]:
    """The rows of every sheet of a workbook of old Excel that is not hidden. Raises DocumentError."""
    import xlrd

    try:
        book = xlrd.open_workbook(file_contents=content, logfile=io.StringIO(), on_demand=True)
    except xlrd.XLRDError as problem:
        if "encrypted" in str(problem).lower():
            raise DocumentError("encrypted", "the .xls file needs a password") from None
        raise
    found: list[Element] = []
    for part in range(book.nsheets):
        sheet = book.sheet_by_index(part)
        if sheet.visibility == 0:
            rows = [[_old_cell(cell, book.datemode) for cell in row] for row in sheet.get_rows()]
            found += sheet_elements(sheet.name, rows, part + 1)
        book.unload_sheet(part)
    return found


def sheet_elements(name: str, rows: Sequence[Sequence[str]], part: int) -> list[Element]:
    """A sheet's elements: its name, unless the program gave it, then its tables, which empty rows part."""
    found: list[Element] = []
    for table in _tables(rows):
        found += [Element("row", line, part=part) for line in row_lines(table)]
    if found and not _DEFAULT_NAME.fullmatch(name):
        found.insert(0, Element("title", name, depth=1, part=part))
    return found


def _tables(rows: Iterable[Sequence[str]]) -> Iterator[list[Sequence[str]]]:
    for filled, group in groupby(rows, key=any):
        if filled:
            table = list(group)
            used = [place for row in table for place, cell in enumerate(row) if cell]
            first, last = min(used), max(used) + 1
            yield [row[first:last] for row in table]


def _spread_merged(rows: list[list[str]], ranges: Iterable[Any]) -> None:
    """A merged cell's value stands in each of the cells it covers."""
    for merged in ranges:
        for row in rows[merged.min_row - 1 : merged.max_row]:
            for place in range(merged.min_col - 1, min(merged.max_col, len(row))):
                row[place] = rows[merged.min_row - 1][merged.min_col - 1]


def _old_cell(cell: Any, datemode: int) -> str:
    import xlrd

    if cell.ctype == xlrd.XL_CELL_DATE:
        try:
            return _shown(xlrd.xldate_as_datetime(cell.value, datemode))
        except (ValueError, OverflowError):
            return _shown(cell.value)
    if cell.ctype == xlrd.XL_CELL_BOOLEAN:
        return _shown(bool(cell.value))
    return "" if cell.ctype == xlrd.XL_CELL_ERROR else _shown(cell.value)


def _shown(value: object) -> str:
    """A cell as a reader would write it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return f"{value:.15g}"
    if isinstance(value, datetime) and value.time() == time():
        return value.date().isoformat()
    if isinstance(value, datetime | date | time):
        return value.isoformat(" ") if isinstance(value, datetime) else value.isoformat()
    return " ".join(str(value).split())
