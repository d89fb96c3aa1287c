"""The ledger: every attempt to buy a reply is a row, written before it is sent, so that no reply is bought twice."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Select, or_, select, text, update
from sqlalchemy.exc import DatabaseError

from knowledge import tables
from knowledge.call import Answered, Bought, Purchase, Purpose, Settlement
from knowledge.database import Database, first_line
from knowledge.errors import StateError
from knowledge.ledger_commit import BOUGHT, GroupCommit, bought, mark_unknown, unknown
from knowledge.owner import Owners, this_process

_ledger = tables.ledger.c
_LOCK = text("SELECT pg_advisory_xact_lock(:number)")
_LOCK_NUMBER = 7_266_283  # any number that no other program takes in this database


class Ledger:
    """The paid calls in a state database.

    owner: the process that is buying, as `host/pid/start`; this one if left out.
    """

    def __init__(self, database: Database, *, owner: str | None = None):
        self._database = database
        self.owner = owner or this_process()

    def commit(self, purchases: Sequence[Purchase], settlements: Sequence[Settlement]) -> list[Answered]:
        """End attempts and begin others, in one transaction; one answer for each purchase, in order.

        Settlements come first. One that stands already is passed over, so that a commit can be repeated.
        Raises StateError for an entry that does not exist.
        """
        with self.alone() as connection:
            now = datetime.now(UTC)
            return GroupCommit(connection, purchases, settlements, owner=self.owner, now=now).run()

    def bought(self, key: str) -> Bought | None:
        """The reply that stands under a key."""
        return self._first(select(*BOUGHT).where(_ledger.key == key, tables.HELD))

    def cached(self, request_digest: str, purpose: Purpose, *, since: datetime) -> Bought | None:
        """The newest reply to the same request, whatever night it was bought for."""
        same = _ledger.request_digest == request_digest, _ledger.purpose == purpose
        query = select(*BOUGHT).where(*same, _ledger.status == "settled", _ledger.settled_at >= since)
        return self._first(query.order_by(_ledger.settled_at.desc(), _ledger.id.desc()))

    def close_lost(self) -> int:
        """Mark as unknown what processes that are no more have left reserved; how many."""
        with self.alone() as connection:
            now = datetime.now(UTC)
            reserved = select(_ledger.id, _ledger.owner, _ledger.reserved_at).where(tables.OPEN)
            rows = connection.execute(reserved.where(_ledger.batch.is_(None))).all()
            owners = Owners(self.owner, now=now)
            lost = [row for row in rows if not owners.hold(row.owner, reserved_at=row.reserved_at)]
            mark_unknown(connection, [unknown(row.id, now) for row in lost])
        return len(lost)

    def forget_texts(self, before: datetime) -> int:
        """Take requests and replies out of what ended before a moment; digests, counts and costs stay. How many."""
        ended = _ledger.reserved_at < before, _ledger.settled_at < before, _ledger.status != "reserved"
        has_text = or_(_ledger.request.is_not(None), _ledger.reply.is_not(None))
        with self.alone() as connection:
            return connection.execute(
                update(tables.ledger).where(*ended, has_text).values(request=None, reply=None)
            ).rowcount

    @contextmanager
    def alone(self) -> Iterator[Connection]:
        """A transaction in which no other process commits to the ledger, so that check and write are one.

        Raises StateError when it cannot be written.
        """
        try:
            with self._database.engine.begin() as connection:
                if connection.dialect.name == "postgresql":
                    connection.execute(_LOCK, {"number": _LOCK_NUMBER})
                else:
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                yield connection
        except DatabaseError as problem:
            raise StateError(
                f"ledger: what is bought cannot be written down ({first_line(problem)}), so nothing more is bought. "
                "Check that the state database is there, writable and has room; the same command then goes on."
            ) from problem

    def _first(self, query: Select[Any]) -> Bought | None:
        rows = self._database.rows(query.where(_ledger.reply.is_not(None)).limit(1))
        return bought(rows[0]) if rows else None
