"""Where in its source does each passage of ours stand? Passages hold text, not positions.

Letters and digits alone are compared, in the order of the source: white space, markup and marks may differ.
"""

from collections.abc import Iterable

from bench.plain_splitters import Span

_ANCHOR = 20  # letters and digits at both ends of a passage, inside of which something was left out
_LONGER = 1.5  # so many times its own length a passage may span in the source


def locate(source: str, passages: Iterable[str]) -> list[Span | None]:
    """The place of each passage, given in the order of the source; None where it cannot be found."""
    places = [place for place, character in enumerate(source) if character.isalnum()]
    letters = "".join(source[place] for place in places)
    found: list[Span | None] = []
    at = 0
    for passage in passages:
        span = _find(letters, "".join(filter(str.isalnum, passage)), at)
        if span:
            at = span.end
        found.append(Span(places[span.start], places[span.end - 1] + 1) if span else None)
    return found


def _find(letters: str, wanted: str, at: int) -> Span | None:
    if not wanted:
        return None
    start = letters.find(wanted, at)
    if start >= 0:
        return Span(start, start + len(wanted))
    start = letters.find(wanted[:_ANCHOR], at)
    if start < 0:
        return None
    limit = start + int(_LONGER * len(wanted))
    last = letters.rfind(wanted[-_ANCHOR:], start, limit)
    return Span(start, last + len(wanted[-_ANCHOR:])) if last >= 0 else None
