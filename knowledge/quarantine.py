"""What people decide about documents in quarantine: try again, leave out, let a version serve without them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import func, insert, update

from knowledge import tables
from knowledge.database import Database
from knowledge.errors import QuarantineError
from knowledge.record import Quarantined, Reason

Decision = Literal["retry", "drop", "accept"]

_AT_ONCE = 500  # names in one statement; SQLite takes no more than 32,766 values


def choose(
    entries: Sequence[Quarantined], doc_ids: Sequence[str], *, collection: str, reason: Reason | None = None
) -> list[Quarantined]:
    """The entries that are named, or those of a reason, or all. Raises QuarantineError when there are none."""
    look = f"Look at `plumbline quarantine list --collection {collection}`."
    known = {entry.rejected.doc_id: entry for entry in entries}
    if unknown := [doc_id for doc_id in doc_ids if doc_id not in known]:
        more = f" and {len(unknown) - 1} more are" if len(unknown) > 1 else " is"
        raise QuarantineError(f"collection '{collection}': {unknown[0]}{more} not in quarantine. {look}")
    named = [known[doc_id] for doc_id in dict.fromkeys(doc_ids)] if doc_ids else list(entries)
    found = [entry for entry in named if reason in (None, entry.rejected.reason)]
    if not found:
        what = f"nothing is in quarantine for the reason '{reason}'" if reason else "nothing is in quarantine"
        raise QuarantineError(f"collection '{collection}': {what}, so there is nothing to do. {look}")
    return found


def enter_decision(
    database: Database, collection: str, chosen: Sequence[Quarantined], *, decision: Decision, by: str, reason: str
) -> None:
    """Enter what somebody decided about these documents, and that they did, in one transaction.

    What is dropped is accepted as well: nobody waits for it.
    """
    now = datetime.now(UTC)
    row = tables.quarantine.c
    values: dict[Decision, dict[str, Any]] = {
        "retry": {"state": "retry"},
        "drop": {"state": "dropped", "accepted_at": func.coalesce(row.accepted_at, now)},
        "accept": {"accepted_at": func.coalesce(row.accepted_at, now)},
    }
    doc_ids = [entry.rejected.doc_id for entry in chosen]
    entry = {
        "at": now,
        "actor": by,
        "action": f"quarantine {decision}",
        "subject": f"collection:{collection}",
        "before": {entry.rejected.doc_id: entry.state for entry in chosen},
        "after": {"decision": decision, "documents": doc_ids},
        "reason": reason,
    }
    with database.engine.begin() as connection:
        for start in range(0, len(doc_ids), _AT_ONCE):
            names = row.doc_id.in_(doc_ids[start : start + _AT_ONCE])
            change = update(tables.quarantine).where(row.collection == collection, names)
            connection.execute(change.values(**values[decision]))
        connection.execute(insert(tables.audit).values(**entry))


def accept_all(database: Database, collection: str) -> None:
    """Enter that a version serves without the documents that are kept out now: none of them is new any more."""
    row = tables.quarantine.c
    change = update(tables.quarantine).where(row.collection == collection, row.accepted_at.is_(None))
    with database.engine.begin() as connection:
        connection.execute(change.values(accepted_at=datetime.now(UTC)))
