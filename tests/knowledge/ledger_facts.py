"""What the tests of the ledger share: small purchases, their ends, and what then stands in the database."""

import hashlib
import socket
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update

from knowledge import tables
from knowledge.call import Account, Amount, Charge, Purchase, Purpose, Reserved, Scope, Settlement
from knowledge.database import Database
from knowledge.ledger import Ledger

NIGHT = "2026-11-21"
WORST = Amount(tokens=300, cost_usd=0.03, milliseconds=3000)
CHARGE = Charge(100, 40, 20, 0.01, 700.0, 90.0)
DEAD = f"{socket.gethostname()}/4194305/1.00"  # no process has such a number
ELSEWHERE = "another-host/1/1.00"


def purchase(
    name: str = "q",
    *,
    worst: Amount = WORST,
    scopes: tuple[Scope, ...] = (),
    purpose: Purpose = "answer",
    night: str = NIGHT,
    repeat: int = 0,
    assistant: str = "support",
    model: str = "model",
) -> Purchase:
    account = Account(purpose, assistant, night, repeat, run="run", reader="hr", segment="gold")
    digest = hashlib.sha256(repr(name).encode()).hexdigest()
    return Purchase(digest, account, model, {"messages": [{"role": "user", "content": name}]}, worst, scopes)


def settled(entry: int, *, charge: Charge = CHARGE, text: str = "yes") -> Settlement:
    return Settlement(entry, "settled", charge, "model-1", "fp", {"text": text})


def failed(entry: int, *, cost_usd: float = 0.0) -> Settlement:
    return Settlement(entry, "failed", Charge(cost_usd=cost_usd, latency_ms=5.0), reason="500")


def unknown(entry: int) -> Settlement:
    return Settlement(entry, "unknown", Charge(), reason="timeout")


def reserve(ledger: Ledger, *purchases: Purchase) -> list[int]:
    """The entries of purchases that nothing stands against."""
    answers = ledger.commit(purchases, [])
    assert all(isinstance(each, Reserved) for each in answers), answers
    return [each.entry for each in answers]


def row(database: Database, entry: int) -> dict[str, Any]:
    (found,) = database.rows(select(tables.ledger).where(tables.ledger.c.id == entry))
    return dict(found._mapping)


def rows(database: Database) -> list[dict[str, Any]]:
    return [dict(each._mapping) for each in database.rows(select(tables.ledger).order_by(tables.ledger.c.id))]


def spend(database: Database) -> dict[tuple[str, str], Amount]:
    found = database.rows(select(tables.spend))
    return {(each.scope, each.period): Amount(each.tokens, each.cost_usd, each.milliseconds) for each in found}


def change(database: Database, entry: int, **columns: str | datetime | None) -> None:
    """Set columns of a row behind the ledger's back."""
    with database.engine.begin() as connection:
        connection.execute(update(tables.ledger).where(tables.ledger.c.id == entry).values(**columns))


def empty(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(delete(tables.ledger))
        connection.execute(delete(tables.spend))
        connection.execute(delete(tables.batch_job))


def taken_by_rows(database: Database) -> dict[tuple[str, str], Amount]:
    """What rows say the scopes have taken: the reservation where the outcome is open or unknown, else the charge."""
    taken: dict[tuple[str, str], Amount] = {}
    for each in rows(database):
        if each["status"] in {"reserved", "unknown"}:
            amount = Amount(each["reserved_tokens"], each["reserved_usd"], each["reserved_ms"])
        else:
            amount = Amount(each["input_tokens"] + each["output_tokens"], each["cost_usd"], each["latency_ms"])
        for name, period in each["scopes"]:
            taken[name, period] = taken.get((name, period), Amount()) + amount
    return taken
