"""A table as text: one line a row, every cell with the name of its column: `Plan: Team; Price: 19 EUR`."""

import re
from collections.abc import Sequence
from itertools import zip_longest

_NUMBER = re.compile(r"(?=.*\d)[\s\d.,:%€$£¥+\-−/()]+")
_YEAR = re.compile(r"(19|20)\d\d")


def row_lines(cells: Sequence[Sequence[str]], *, head: Sequence[str] | None = None) -> list[str]:
    """The rows of a table, in their order. head: the names of the columns; None: the first row, if it reads so."""
    rows = [row for row in cells if any(row)]
    if head is None and len(rows) > 1 and _is_caption(rows[0], rows[1]):
        return [rows[0][0], *row_lines(rows[1:])]
    if head is None and len(rows) > 1 and not _is_data(rows[0], rows[1]):
        head, *rows = rows
    return [_line(row, head or ()) for row in rows]


def _is_caption(first: Sequence[str], second: Sequence[str]) -> bool:
    """A first row of one cell, perhaps over all columns, above rows of several."""
    return len(first) > 1 and bool(first[0]) and len({*first} - {""}) == 1 and len({*second} - {""}) > 1


def _line(row: Sequence[str], head: Sequence[str]) -> str:
    """A row that is longer than the head has cells nobody named, so none of its names can be trusted."""
    names = head if len(row) <= len(head) else ()
    parts: list[str] = []
    for name, cell in zip_longest(names, row, fillvalue=""):
        part = f"{name}: {cell}" if name and name != cell else cell
        if cell and part not in parts[-1:]:  # a merged cell is one cell
            parts.append(part)
    return "; ".join(parts)


def _is_data(first: Sequence[str], second: Sequence[str]) -> bool:
    """A first row with numbers where the second has numbers too is no head, unless those are years."""
    pairs = [(a, b) for a, b in zip(first, second, strict=False) if _NUMBER.fullmatch(a)]
    return any(_NUMBER.fullmatch(b) and not _YEAR.fullmatch(a) for a, b in pairs)
