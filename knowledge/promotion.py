"""Promotion: what served compared with what is proven, night by night, and collections whose pointer may not move."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime

from sqlalchemy import delete, insert, select

from knowledge import tables
from knowledge.database import Database

PROVEN = "proven"  # the tag of the last version that passed its gate


@dataclass(frozen=True, slots=True)
class Closure:
    """Since when no candidate of a collection is promoted, why, and between which versions it was gone back."""

    collection: str
    good: int
    bad: int
    reason: str
    since: datetime


class Promotions:
    """The comparisons and closures of a state database."""

    def __init__(self, database: Database):
        self._database = database

    def earlier(self, collection: str, *, proven: int, before: date, last: int) -> list[dict[str, float]]:
        """The differences of the last so many nights before a date against this proven version, oldest first.

        A night on which the proven version itself served says nothing of another one.
        """
        row = tables.comparison.c
        query = (
            select(row.differences)
            .where(row.collection == collection, row.proven == proven, row.version != proven, row.night < before)
            .order_by(row.night.desc())
            .limit(last)
        )
        return [each.differences for each in reversed(self._database.rows(query))]

    def note(
        self, collection: str, night: date, *, version: int, proven: int, differences: Mapping[str, float]
    ) -> None:
        """Keep how the version that serves compares with the proven one; the last check of a night counts."""
        row = {"collection": collection, "night": night, "version": version, "proven": proven}
        self._database.upsert(tables.comparison, [row | {"differences": dict(differences)}])

    def closure(self, collection: str) -> Closure | None:
        """Why a collection is closed; None while it is open."""
        rows = self._database.rows(select(tables.closure).where(tables.closure.c.collection == collection))
        return Closure(**rows[0]._mapping) if rows else None

    def close(self, collection: str, *, good: int, bad: int, reason: str, by: str) -> None:
        """Let no candidate serve from now on."""
        closure = Closure(collection, good, bad, reason, datetime.now(UTC))
        with self._database.engine.begin() as connection:
            connection.execute(delete(tables.closure).where(tables.closure.c.collection == collection))
            connection.execute(insert(tables.closure).values(**asdict(closure)))
            entry = _entry(collection, "close promotion", by, reason) | {"after": {"good": good, "bad": bad}}
            connection.execute(insert(tables.audit).values(**entry))

    def open(self, collection: str, *, reason: str, by: str) -> bool:
        """Let candidates serve again; False where it was open."""
        with self._database.engine.begin() as connection:
            gone = connection.execute(delete(tables.closure).where(tables.closure.c.collection == collection))
            if gone.rowcount:
                connection.execute(insert(tables.audit).values(**_entry(collection, "open promotion", by, reason)))
        return bool(gone.rowcount)


def _entry(collection: str, action: str, by: str, reason: str) -> dict[str, object]:
    subject = f"collection:{collection}"
    return {"at": datetime.now(UTC), "actor": by, "action": action, "subject": subject, "reason": reason}
