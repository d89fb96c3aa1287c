"""One group commit of the ledger: read once, decided in memory, written once.

It runs alone: nobody else commits between its reading and its writing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, insert, select, update

from knowledge import tables
from knowledge.budget import Spend
from knowledge.call import Amount, Answered, Bought, Charge, Held, Purchase, Reserved, Settlement, Status
from knowledge.errors import StateError
from knowledge.owner import Owners

DUPLICATE = "duplicate: its process was taken for dead, and the reply was bought again"
LOST = "its process ended before the outcome was recorded"

_ledger = tables.ledger.c
BOUGHT = (
    _ledger.id,
    _ledger.model_asked,
    _ledger.model_served,
    _ledger.fingerprint,
    _ledger.reply,
    _ledger.input_tokens,
    _ledger.cached_tokens,
    _ledger.output_tokens,
    _ledger.cost_usd,
    _ledger.latency_ms,
    _ledger.first_token_ms,
)
_STANDING = select(*BOUGHT, _ledger.key, _ledger.status, _ledger.owner, _ledger.batch, _ledger.reserved_at).where(
    _ledger.key.in_(bindparam("keys", expanding=True)), tables.HELD
)
_ENTRIES = select(
    _ledger.id,
    _ledger.key,
    _ledger.status,
    _ledger.model_asked,
    _ledger.reserved_tokens,
    _ledger.reserved_usd,
    _ledger.reserved_ms,
    _ledger.scopes,
).where(_ledger.id.in_(bindparam("entries", expanding=True)))
_LAST = select(func.coalesce(func.max(_ledger.id), 0))
_RESERVE = insert(tables.ledger)
_SETTLE = (
    update(tables.ledger)
    .where(_ledger.id == bindparam("entry"))
    .values({name: bindparam(name) for name in ("status", "model_served", "fingerprint", "reply", "reason")})
    .values({name: bindparam(name) for name in ("input_tokens", "cached_tokens", "output_tokens", "cost_usd")})
    .values({name: bindparam(name) for name in ("latency_ms", "first_token_ms", "settled_at")})
)
_EXPIRE = update(tables.ledger).where(_ledger.id == bindparam("entry")).values(status="expired")
_DOUBT = (
    update(tables.ledger)
    .where(_ledger.id == bindparam("entry"))
    .values(
        status="unknown", cost_usd=_ledger.reserved_usd, reason=bindparam("reason"), settled_at=bindparam("settled_at")
    )
)


@dataclass(frozen=True, slots=True)
class _Lost:
    """Reserved by a process that is no more."""

    entry: int


@dataclass(frozen=True, slots=True)
class _Forgotten:
    """Settled, and its text is past its retention."""

    entry: int


class GroupCommit:
    """The ledger's rows that a few purchases and settlements are about, and what becomes of them."""

    def __init__(
        self,
        connection: Connection,
        purchases: Sequence[Purchase],
        settlements: Sequence[Settlement],
        *,
        owner: str,
        now: datetime,
        batch: str | None = None,
    ):
        self._connection, self._owner, self._now, self._batch = connection, owner, now, batch
        self._purchases = [(purchase, purchase.key) for purchase in purchases]
        self._settlements = settlements
        self._spend = Spend(connection, purchases)
        self._entries = _read_entries(connection, settlements)
        self._status: dict[int, Status] = {entry: row.status for entry, row in self._entries.items()}
        self._standing = self._read_standing()
        self._unknown: list[dict[str, Any]] = []
        self._expired: list[int] = []
        self._settled: list[dict[str, Any]] = []
        self._reserved: list[dict[str, Any]] = []

    def run(self) -> list[Answered]:
        """Settle, answer every purchase in order, and write."""
        for settlement in self._settlements:
            self._settle(settlement)
        last = self._connection.execute(_LAST).scalar_one() if self._purchases else 0
        answers = [self._answer(purchase, key, last + 1) for purchase, key in self._purchases]
        self._write()
        return answers

    def _read_standing(self) -> dict[str, Bought | Held | _Lost | _Forgotten]:
        keys = {key for _, key in self._purchases} | {row.key for row in self._entries.values()}
        if not keys:
            return {}
        owners = Owners(self._owner, now=self._now)
        standing: dict[str, Bought | Held | _Lost | _Forgotten] = {}
        for row in self._connection.execute(_STANDING, {"keys": sorted(keys)}):
            if row.status == "settled":
                standing[row.key] = _Forgotten(row.id) if row.reply is None else bought(row)
            elif row.batch or owners.hold(row.owner, reserved_at=row.reserved_at):
                standing[row.key] = Held(row.id, row.batch)
            else:
                standing[row.key] = _Lost(row.id)
        return standing

    def _settle(self, settlement: Settlement) -> None:
        entry = settlement.entry
        row, before = self._entries[entry], self._status[entry]
        if before not in {"reserved", "unknown"} or settlement.status == before:
            return  # it is settled already: a commit that was repeated because its outcome was not seen
        if before == "reserved":
            del self._standing[row.key]
        elif settlement.status == "settled" and not self._make_way(row.key):
            settlement = replace(settlement, status="failed", reason=DUPLICATE)
        self._status[entry] = settlement.status
        if settlement.status == "unknown":
            self._unknown.append(unknown(entry, self._now, reason=settlement.reason))
            return
        reserved = Amount(row.reserved_tokens, row.reserved_usd, row.reserved_ms)
        self._spend.add(map(tuple, row.scopes), settlement.charge.amount - reserved)
        self._settled.append(_as_row(settlement, self._now))
        if settlement.status == "settled":
            self._standing[row.key] = Bought(
                entry,
                row.model_asked,
                settlement.model_served,
                settlement.fingerprint,
                settlement.reply or {},
                settlement.charge,
            )

    def _make_way(self, key: str) -> bool:
        """Is the key free, once what is dead or forgotten has been moved out of the way?"""
        match self._standing.get(key):
            case Bought() | Held():
                return False
            case _Lost(entry):
                self._unknown.append(unknown(entry, self._now))
                self._status[entry] = "unknown"
            case _Forgotten(entry):
                self._expired.append(entry)
                self._status[entry] = "expired"
            case None:
                pass
        return True

    def _answer(self, purchase: Purchase, key: str, first: int) -> Answered:
        standing = self._standing.get(key)
        if isinstance(standing, Bought | Held):
            return standing
        if refused := self._spend.refuse(purchase):
            return refused
        self._make_way(key)
        entry = first + len(self._reserved)
        self._standing[key] = Held(entry)
        self._spend.add(((scope.name, scope.period) for scope in purchase.scopes), purchase.worst)
        ours = {"id": entry, "owner": self._owner, "batch": self._batch, "reserved_at": self._now}
        self._reserved.append(_new_row(purchase, key) | ours)
        return Reserved(entry, expired=isinstance(standing, _Forgotten))

    def _write(self) -> None:
        """Rows that leave a key go before those that take it."""
        mark_unknown(self._connection, self._unknown)
        if self._expired:
            self._connection.execute(_EXPIRE, [{"entry": entry} for entry in self._expired])
        if self._settled:
            self._connection.execute(_SETTLE, self._settled)
        if self._reserved:
            self._connection.execute(_RESERVE, self._reserved)
        self._spend.write()


def unknown(entry: int, now: datetime, *, reason: str | None = LOST) -> dict[str, Any]:
    """What `mark_unknown` needs of one attempt."""
    return {"entry": entry, "reason": _storable(reason), "settled_at": now}


def mark_unknown(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Let attempts end as unknown: they may have been paid, so they cost what was reserved."""
    if rows:
        connection.execute(_DOUBT, rows)


def bought(row: Row[Any]) -> Bought:
    """A settled row, with the columns BOUGHT."""
    charge = Charge(
        row.input_tokens, row.cached_tokens, row.output_tokens, row.cost_usd, row.latency_ms, row.first_token_ms
    )
    return Bought(row.id, row.model_asked, row.model_served, row.fingerprint, row.reply, charge)


def _read_entries(connection: Connection, settlements: Iterable[Settlement]) -> dict[int, Row[Any]]:
    wanted = {settlement.entry for settlement in settlements}
    if not wanted:
        return {}
    found = {row.id: row for row in connection.execute(_ENTRIES, {"entries": sorted(wanted)})}
    if missing := wanted - found.keys():
        raise StateError(
            f"ledger entry {min(missing)}: it is not in the state database, so its call cannot be settled. "
            "Was the database exchanged during the run? Run the same command again; it goes on."
        )
    return found


def _new_row(purchase: Purchase, key: str) -> dict[str, Any]:
    account, worst = purchase.account, purchase.worst
    return {
        "key": key,
        "request_digest": purchase.request_digest,
        "purpose": account.purpose,
        "night": account.night,
        "repeat": account.repeat,
        "assistant": account.assistant,
        "run": account.run,
        "reader": account.reader,
        "segment": account.segment,
        "status": "reserved",
        "model_asked": purchase.model,
        "request": dict(purchase.request),
        "reserved_tokens": worst.tokens,
        "reserved_usd": worst.cost_usd,
        "reserved_ms": worst.milliseconds,
        "scopes": [[scope.name, scope.period] for scope in purchase.scopes],
    }


def _as_row(settlement: Settlement, now: datetime) -> dict[str, Any]:
    charge = settlement.charge
    return {
        "entry": settlement.entry,
        "status": settlement.status,
        "model_served": _storable(settlement.model_served),
        "fingerprint": _storable(settlement.fingerprint),
        "reply": None if settlement.reply is None else dict(settlement.reply),
        "reason": _storable(settlement.reason),
        "input_tokens": charge.input_tokens,
        "cached_tokens": charge.cached_tokens,
        "output_tokens": charge.output_tokens,
        "cost_usd": charge.cost_usd,
        "latency_ms": charge.latency_ms,
        "first_token_ms": charge.first_token_ms,
        "settled_at": now,
    }


def _storable(text: str | None) -> str | None:
    """What an endpoint said, without what a database refuses: NUL and halves of surrogate pairs."""
    return text and text.encode(errors="replace").decode().replace("\0", "")
