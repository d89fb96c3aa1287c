"""What checks of freshness have seen: since when each change of a source waits to be served."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select

from knowledge import tables
from knowledge.database import Database


@dataclass(frozen=True, slots=True)
class Seen:
    """What the last check saw of a source, and when; waiting: since when, by document. missed: was its target missed?

    checked_at is None before the first check.
    """

    checked_at: datetime | None = None
    waiting: Mapping[str, datetime] = field(default_factory=dict)
    missed: bool = False


class FreshnessLog:
    """The last check of each source, in a state database."""

    def __init__(self, database: Database):
        self._database = database

    def seen(self, collection: str) -> dict[str, Seen]:
        """The last check of each source of a collection, by the name of the source."""
        query = select(tables.freshness).where(tables.freshness.c.collection == collection)
        return {
            row.source: Seen(
                row.checked_at,
                {doc_id: datetime.fromisoformat(since) for doc_id, since in row.waiting.items()},
                row.missed,
            )
            for row in self._database.rows(query)
        }

    def note(self, collection: str, checks: Mapping[str, Seen]) -> None:
        """Put these checks, by source, in the place of those before."""
        rows = [
            {
                "collection": collection,
                "source": source,
                "checked_at": each.checked_at,
                "waiting": {doc_id: since.isoformat() for doc_id, since in each.waiting.items()},
                "missed": each.missed,
            }
            for source, each in checks.items()
        ]
        self._database.upsert(tables.freshness, rows)
