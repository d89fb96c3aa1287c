"""Words that others wrote, made fit to be shown: nothing invisible, nothing endless, and what differs marked."""

import re
from collections import Counter
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

LONGEST = 1500  # characters of one text that are shown: about a phone's screen and a half
MOST_PAIRS = 5000  # of equal words in two texts that are compared in full; prose of that length has under 2,000

# what a page would obey instead of showing: controls, changes of direction, zero-width marks, tags, lone surrogates
_UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of words: in both texts, or in one of them alone."""

    kind: Literal["same", "only"]
    text: str


@dataclass(frozen=True, slots=True)
class Shown:
    """As much of a text as a page shows, and how many characters more it has."""

    pieces: tuple[Piece, ...]
    left: int


def clean(value: object) -> object:
    """The value; of a text, every character that is not seen is named instead of used."""
    if type(value) is not str:
        return value
    return _UNSEEN.sub(lambda found: f"[U+{ord(found[0]):04X}]", value)


def shorten(text: str, longest: int = LONGEST) -> Shown:
    """The beginning of a text."""
    return Shown((Piece("same", text[:longest]),), max(0, len(text) - longest))


def mark_differences(before: str, after: str, longest: int = LONGEST) -> tuple[Shown, Shown]:
    """Two texts side by side, word by word: what only one of them says is a piece of its own."""
    old, new = (re.findall(r"\S+\s*|\s+", text[:longest]) for text in (before, after))
    bare = [word.strip() for word in old], [word.strip() for word in new]
    seen = Counter(bare[0]), Counter(bare[1])
    # a text that repeats itself took 12 s; `autojunk` lets no match start at the words it is full of
    repeating = sum(number * seen[1][word] for word, number in seen[0].items()) > MOST_PAIRS
    matcher = SequenceMatcher(None, *bare, autojunk=repeating)
    left: list[Piece] = []
    right: list[Piece] = []
    for tag, old_from, old_to, new_from, new_to in matcher.get_opcodes():
        for side, words in ((left, old[old_from:old_to]), (right, new[new_from:new_to])):
            side.extend(_pieces("".join(words), alike=tag == "equal"))
    return (
        Shown(tuple(left), max(0, len(before) - longest)),
        Shown(tuple(right), max(0, len(after) - longest)),
    )


def _pieces(text: str, *, alike: bool) -> list[Piece]:
    """The white space behind a difference is no part of it."""
    words = text.rstrip()
    marked = [Piece("same" if alike else "only", words), Piece("same", text[len(words) :])]
    return [piece for piece in marked if piece.text]
