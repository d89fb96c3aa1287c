"""remote: what a source that is no local folder must be able to do, and how its failures are told."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file of a remote source.

    address: what fetches it. size_bytes: None where the remote does not tell. validator: differs whenever the content
    does; empty where there is none. weak: could the content differ all the same? modified: seconds since 1970.
    position: where it stands in what holds it, as files are best read in that order.
    """

    name: str
    address: str
    size_bytes: int | None
    validator: str
    weak: bool = False
    modified: float | None = None
    position: int = 0


@dataclass(frozen=True, slots=True)
class FetchError(Exception):
    """One file could not be fetched. transient: may it succeed a moment later?"""

    detail: str
    transient: bool


class Remote(Protocol):
    """A remote source. side_by_side: may several of its files be fetched at once?"""

    side_by_side: bool

    def files(self) -> Iterable[RemoteFile]:
        """All its files, or a SourceError: never only some of them."""
        ...

    def fetch(self, file: RemoteFile, to: Path) -> None:
        """Write a file's bytes to `to`. Raises FetchError."""
        ...


def in_words(problem: BaseException) -> str:
    """A vendor's error in one short line."""
    return " ".join(str(problem).split())[:200].rstrip(".:") or type(problem).__name__
