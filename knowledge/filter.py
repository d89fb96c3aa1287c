"""A filter: which passages a search looks at, of those that its reader may see."""

from dataclasses import dataclass
from datetime import datetime

from knowledge.source import check_name


@dataclass(frozen=True, slots=True)
class Filter:
    """Passages from one of these sources, in one of these languages, with one of these tags, of no older files.

    What is empty lets all through. languages: as sources name them (`eng`). modified_since: with its time zone.
    Raises ValueError: names are plain ones, as those of groups are.
    """

    sources: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    modified_since: datetime | None = None

    def __post_init__(self) -> None:
        for what, names in (("source", self.sources), ("language", self.languages), ("tag", self.tags)):
            for name in names:
                check_name(name, what=what)
        if self.modified_since is not None and self.modified_since.utcoffset() is None:
            raise ValueError(f"time {self.modified_since.isoformat()} has no time zone")


EVERYTHING = Filter()
