"""Two common ways to cut a text, written plainly: every so many words, and at the largest separators that fit."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

WORD = re.compile(r"\w+")
SEPARATORS = tuple(map(re.compile, (r"\n\s*\n", r"\n", r"(?<=[.!?])\s+", r"\s+")))  # paragraph, line, sentence, word


@dataclass(frozen=True, slots=True)
class Span:
    """Characters of a text, from `start` up to `end`."""

    start: int
    end: int

    @property
    def length(self) -> int:
        return self.end - self.start


Splitter = Callable[[str, int], list[Span]]


def fixed(text: str, words: int) -> list[Span]:
    """So many words each, but for the last."""
    starts = [word.start() for word in WORD.finditer(text)][::words]
    return [Span(start, end) for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]


def recursive(text: str, characters: int) -> list[Span]:
    """At most so many characters each: cut at paragraphs, what is too long at lines, then sentences, then words.

    Neighbours are joined while they fit. No overlap. Pieces without a word are dropped.
    """
    found = _cut(text, Span(0, len(text)), characters, SEPARATORS)
    return [span for span in found if WORD.search(text, span.start, span.end)]


def _cut(text: str, whole: Span, size: int, separators: Sequence[re.Pattern[str]]) -> Iterator[Span]:
    if whole.length <= size:
        yield whole
        return
    if not separators:
        yield from (Span(at, min(at + size, whole.end)) for at in range(whole.start, whole.end, size))
        return
    joined: Span | None = None
    for piece in _pieces(text, whole, separators[0]):
        if joined and piece.end - joined.start <= size:
            joined = Span(joined.start, piece.end)
            continue
        if joined:
            yield joined
        joined = piece if piece.length <= size else None
        if joined is None:
            yield from _cut(text, piece, size, separators[1:])
    if joined:
        yield joined


def _pieces(text: str, whole: Span, separator: re.Pattern[str]) -> Iterator[Span]:
    """Between the separators, each with the one behind it."""
    start = whole.start
    for found in separator.finditer(text, whole.start, whole.end):
        yield Span(start, found.end())
        start = found.end()
    if start < whole.end:
        yield Span(start, whole.end)
