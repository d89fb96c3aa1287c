"""Globs over the names of documents. An `ö` is one letter, also where a name writes it as two."""

import re
import unicodedata
from functools import cache


def glob_matches(globs: str | tuple[str, ...], name: str) -> bool:
    """Does a glob, or any of several, match a name?

    `**/` is any number of folders, `*` stays inside one, `?` is one character.
    """
    return _pattern(globs).fullmatch(name if name.isascii() else unicodedata.normalize("NFC", name)) is not None


@cache
def _pattern(globs: str | tuple[str, ...]) -> re.Pattern[str]:
    written = (globs,) if isinstance(globs, str) else globs
    return re.compile("|".join(map(_expression, written)) if written else r"(?!)", re.DOTALL)


def _expression(glob: str) -> str:
    parts = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    pieces = re.split(r"(\*\*/|\*\*|\*|\?)", unicodedata.normalize("NFC", glob))
    return "".join(parts.get(piece, re.escape(piece)) for piece in pieces)
