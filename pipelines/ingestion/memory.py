"""memory: what is remembered of a source's files from its last listing. Losing it costs time, never correctness."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOBase
from pathlib import Path

RACY_NS = 2_000_000_000
DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Remembered:
    """One file. mark: what its file system says of it. validator: what its remote says. modified: epoch seconds."""

    sha: str
    mark: tuple[int, ...]
    validator: str = ""
    modified: float = 0.0


class Memory:
    """The last listing is read while the next is written, both in the order of `order`: neither is held in memory.

    started_ns: when this listing began. all_read: is this the listing at which everything is read anew?
    """

    def __init__(self, last: TextIOBase | None, following: TextIOBase, *, started_ns: int, all_read: bool):
        self._last, self._following = last, following
        self.started_ns, self.all_read = started_ns, all_read
        self._line, self._key = "", ""
        self._entry: Remembered | None = None
        self._advance()

    def recall(self, name: str) -> Remembered | None:
        """What is remembered of a file. Names are asked for in the order of `order`."""
        key = order(name)
        while self._entry is not None and self._key < key:
            self._advance()
        return self._entry if self._key == key else None

    def keep(self, name: str, entry: Remembered) -> None:
        """Remember a file for the next listing."""
        if entry is not self._entry:
            self._line = json.dumps([name, entry.sha, entry.mark, entry.validator, entry.modified]) + "\n"
        self._following.write(self._line)

    def is_racy(self, mark: tuple[int, ...]) -> bool:
        """Could the file change again without its times changing? Then its mark must not be trusted."""
        return max(mark[1:3]) > self.started_ns - RACY_NS

    def _advance(self) -> None:
        self._line = self._last.readline() if self._last else ""
        try:
            name, sha, mark, validator, modified = json.loads(self._line)
            self._key, self._entry = order(name), Remembered(sha, tuple(mark), validator, modified)
        except (ValueError, TypeError, AttributeError):
            self._key, self._entry = "", None  # its end, or damaged: what follows is read again


def order(name: str) -> str:
    """Sorts names as a walk through their folders meets them."""
    return name.replace("/", "\0")


@contextmanager
def open_memory(path: Path, *, about: str, full_after_days: float) -> Iterator[Memory]:
    """The memory of a source; written when the listing ends well. about: what a memory of something else is told by."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.part")
    now = time.time_ns()
    last, read_at = _open_last(path, about)
    due = not 0 <= now / 1e9 - read_at < full_after_days * DAY_SECONDS
    try:
        with aside.open("w", encoding="utf-8") as following:
            following.write(json.dumps([about, now / 1e9 if due else read_at]) + "\n")
            yield Memory(last, following, started_ns=now, all_read=due)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
        if last:
            last.close()


def _open_last(path: Path, about: str) -> tuple[TextIOBase | None, float]:
    """The last memory's entries, and when everything was last read; neither, when it is lost or of something else."""
    try:
        last = path.open(encoding="utf-8", errors="replace")
    except OSError:
        return None, 0.0
    try:
        known, read_at = json.loads(last.readline())
        if known == about and isinstance(read_at, float):
            return last, read_at
    except (ValueError, TypeError):
        pass
    last.close()
    return None, 0.0
