"""P-values of nights that are past, kept in a cache file that may be deleted at any time."""

import json
import os
import tempfile
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from pathlib import Path

from flows.state import make_folder


class _Known(dict[str, float]):
    """P-values by key, which remembers those that were asked for."""

    def __init__(self, found: Mapping[str, float]):
        super().__init__(found)
        self.used: dict[str, float] = {}

    def __getitem__(self, key: str) -> float:
        self.used[key] = super().__getitem__(key)
        return self.used[key]


@contextmanager
def known_p_values(path: Path) -> Iterator[MutableMapping[str, float]]:
    """P-values by the digest of all that each comes from; those that are asked for are kept. Raises StateError."""
    before = _read(path)
    known = _Known(before)
    kept: dict[str, float] = known  # all that was found before Ctrl-C
    try:
        yield known
        kept = known.used
    finally:
        if kept.keys() != before.keys():
            _write(path, kept)


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
