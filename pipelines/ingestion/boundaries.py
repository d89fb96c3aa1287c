"""boundaries: where a text that is longer than a passage is cut, so that the passages are of about the same length."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from zlib import crc32

from knowledge.record import Element

APART = "\n\n"  # between two elements; in code, an empty line
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[.!?][\"'”’)])\s+|(?<=[。！？])")
_LINE_END, _CELL_END = re.compile("\n+"), re.compile("; ")
_IDEAL_SHARE = 0.75  # of the limit: leaves room to go on to the end of a sentence
_DEAR_SHARE = 0.1  # of what a passage of no length costs: the price of a cut inside an element


@dataclass(frozen=True, slots=True)
class Piece:
    """Text that stays together: an element, or of a long one a sentence, a cell, a line of code.

    gap: what stands between it and the piece before it.
    """

    text: str
    element: Element
    headings: tuple[str, ...]
    gap: str = APART


def length(pieces: Sequence[Piece]) -> int:
    """Of the pieces as one text, in characters."""
    return sum(len(piece.text) + len(piece.gap) for piece in pieces) - len(pieces[0].gap)


def joined(pieces: Sequence[Piece]) -> str:
    """The pieces as one text."""
    return "".join((pieces[0].text, *(piece.gap + piece.text for piece in pieces[1:])))


def cut(elements: Sequence[Piece], limit: int) -> list[Sequence[Piece]]:
    """Runs of at most `limit` characters, and of about the same length where one is not enough.

    A row or code that fits is never cut, nor is a sentence of up to half the limit.
    """
    if length(elements) <= limit:
        return [elements]
    return _evenly([piece for element in elements for piece in _pieces(element, limit)], limit)


def _evenly(pieces: Sequence[Piece], limit: int) -> list[Sequence[Piece]]:
    """The runs with the least sum of squared distances from the ideal length and of the prices of cuts."""
    ideal = round(limit * _IDEAL_SHARE)
    dear = round(ideal * ideal * _DEAR_SHARE)
    prices = [0, *(_price(before, after, dear) for before, after in pairwise(pieces))]
    costs, starts = [0], [0]  # of the best way to cut all before each piece, and where its last run starts
    for end in range(1, len(pieces) + 1):
        size, best, best_start = 0, -1, end - 1
        for start in range(end - 1, -1, -1):
            size += len(pieces[start].text)
            if size > limit:
                break
            cost = costs[start] + prices[start] + (size - ideal) ** 2
            if best < 0 or cost < best:
                best, best_start = cost, start
            size += len(pieces[start].gap)
        costs.append(best)
        starts.append(best_start)
    return _runs(pieces, starts)


def _price(before: Piece, after: Piece, dear: int) -> int:
    """Of a cut between two pieces: dear inside an element and behind what leads to what follows.

    Up to as much again comes from the text behind it, so that the cuts after an edit soon are those of before.
    """
    rough = APART not in after.gap or before.element.kind == "title" or before.text.endswith(":")
    return rough * dear + dear * (crc32(after.text.encode(errors="replace")) % 1000) // 1000


def _runs(pieces: Sequence[Piece], starts: Sequence[int]) -> list[Sequence[Piece]]:
    runs: list[Sequence[Piece]] = []
    end = len(pieces)
    while end:
        runs.append(pieces[starts[end] : end])
        end = starts[end]
    return runs[::-1]


def _pieces(element: Piece, limit: int) -> Iterator[Piece]:
    """What an element may be cut into: lines of code, cells of a row, sentences; what is too long of these by words."""
    kind = element.element.kind
    if kind not in ("row", "code"):
        yield from _between(_SENTENCE_END, element, limit // 2)  # a longer one would leave its neighbours no room
    elif len(element.text) <= limit:
        yield element
    else:
        yield from _between(_LINE_END if kind == "code" else _CELL_END, element, limit)


def _between(ends: re.Pattern[str], element: Piece, longest: int) -> Iterator[Piece]:
    gap, start = element.gap, 0
    for end in [*ends.finditer(element.text), None]:
        text = element.text[start : end.start() if end else None]
        yield from _by_words(replace(element, text=text, gap=gap), longest)
        if end:
            gap, start = end[0], end.end()


def _by_words(piece: Piece, longest: int) -> Iterator[Piece]:
    """The piece in parts of even length, cut at spaces; inside a word where it has none."""
    text, gap, start = piece.text, piece.gap, 0
    while len(text) - start > longest:
        parts = -(-(len(text) - start) // longest)
        most = start + -(-(len(text) - start) // parts)
        space = text.rfind(" ", start + 1, most + 1)
        end = space if space > 0 else most
        yield replace(piece, text=text[start:end], gap=gap)
        gap = " " if space > 0 else ""
        start = end + len(gap)
    yield replace(piece, text=text[start:], gap=gap)
