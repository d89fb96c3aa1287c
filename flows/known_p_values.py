"""P-values of nights that are past, kept in a cache file that may be deleted at any time."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.state import make_folder


@contextmanager
def known_p_values(path: Path) -> Iterator[dict[str, float]]:
    """P-values by the digest of all that each comes from; those that are put in are kept. Raises StateError."""
    known = _read(path)
    before = len(known)
    try:
        yield known
    finally:  # also what was found before Ctrl-C
        if len(known) > before:
            _write(path, known)


def _read(path: Path) -> dict[str, float]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # not there or broken: it is made anew
    sound = isinstance(found, dict) and all(isinstance(p, float) and 0 < p <= 1 for p in found.values())
    return found if sound else {}


def _write(path: Path, known: dict[str, float]) -> None:
    # another process may read it now: it sees the old file or the new one
    handle, name = tempfile.mkstemp(dir=make_folder(path.parent), suffix=".tmp")
    with open(handle, "w", encoding="utf-8") as file:
        json.dump(known, file)
    os.replace(name, path)
