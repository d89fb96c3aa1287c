"""What the calls cost, for a person: by assistant, purpose and model."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, case, func, select

from knowledge import tables
from knowledge.database import Database


@dataclass(frozen=True, slots=True)
class Spending:
    """The attempts of one assistant, for one purpose, at one model.

    calls: all attempts, of which `failed` brought nothing, `unknown` are charged at their worst case, and `open` are
    under way and not in cost_usd yet.
    """

    assistant: str
    purpose: str
    model: str
    calls: int
    failed: int
    unknown: int
    open: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost_usd: float


def read_spending(database: Database, *, since: datetime | None = None) -> list[Spending]:
    """The attempts begun since a moment, the dearest first."""
    row = tables.ledger.c
    cost = _total(row.cost_usd)
    query = select(
        row.assistant,
        row.purpose,
        row.model_asked.label("model"),
        func.count().label("calls"),
        *(_count(row.status == status).label(name) for name, status in _COUNTED.items()),
        *(_total(row[name]).label(name) for name in ("input_tokens", "cached_tokens", "output_tokens")),
        cost.label("cost_usd"),
    )
    if since is not None:
        query = query.where(row.reserved_at >= since)
    grouped = query.group_by(row.assistant, row.purpose, row.model_asked)
    ordered = grouped.order_by(cost.desc(), row.assistant, row.purpose, row.model_asked)
    return [Spending(**found._mapping) for found in database.rows(ordered)]


def read_cost(database: Database, assistant: str, night: str) -> float:
    """USD that the calls of one night of one assistant cost, those of unknown outcome at their worst case."""
    row = tables.ledger.c
    query = select(_total(row.cost_usd)).where(row.assistant == assistant, row.night == night)
    return float(database.rows(query)[0][0])


_COUNTED = {"failed": "failed", "unknown": "unknown", "open": "reserved"}


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))


def _total(column: ColumnElement[float]) -> ColumnElement[float]:
    return func.coalesce(func.sum(column), 0)
