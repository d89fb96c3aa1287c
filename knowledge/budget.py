"""What the scopes of budgets have taken, spent and reserved together, within one commit of the ledger."""

from collections.abc import Iterable
from functools import cache

from sqlalchemy import Connection, Executable, bindparam, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from knowledge import tables
from knowledge.call import Amount, OverBudget, Purchase

Place = tuple[str, str]  # name and period of a scope

COUNTS = ("tokens", "cost_usd", "milliseconds")

# a sum of floats is a little off: three times 0.1 is more than 0.3
SLACK = 1e-9

_TAKEN = select(tables.spend).where(
    tuple_(tables.spend.c.scope, tables.spend.c.period).in_(bindparam("places", expanding=True))
)


class Spend:
    """What stood in the database at first, and what the commit adds to it."""

    def __init__(self, connection: Connection, purchases: Iterable[Purchase]):
        self._connection = connection
        self._added: dict[Place, Amount] = {}
        places = {(scope.name, scope.period) for purchase in purchases for scope in purchase.scopes}
        rows = connection.execute(_TAKEN, {"places": sorted(places)}) if places else ()
        self._stood = {(row.scope, row.period): Amount(row.tokens, row.cost_usd, row.milliseconds) for row in rows}

    def add(self, places: Iterable[Place], amount: Amount) -> None:
        """Charge every place, or give back where the amount is negative."""
        for place in places:
            self._added[place] = self._added.get(place, Amount()) + amount

    def refuse(self, purchase: Purchase) -> OverBudget | None:
        """The first scope that the worst case of a purchase does not fit into."""
        for scope in purchase.scopes:
            place = scope.name, scope.period
            taken = self._stood.get(place, Amount()) + self._added.get(place, Amount())
            for what in COUNTS:
                limit = getattr(scope.limit, what)
                before, asked = getattr(taken, what), getattr(purchase.worst, what)
                if limit is not None and before + asked > limit * (1 + SLACK):
                    return OverBudget(scope, what, limit, before, asked)
        return None

    def write(self) -> None:
        """Enter what was added."""
        if not self._added:
            return
        rows = [
            {"scope": name, "period": period, **{count: getattr(amount, count) for count in COUNTS}}
            for (name, period), amount in self._added.items()
        ]
        self._connection.execute(_adding(self._connection.dialect.name), rows)


@cache
def _adding(dialect: str) -> Executable:
    statement = (postgresql if dialect == "postgresql" else sqlite).insert(tables.spend)
    added = {count: tables.spend.c[count] + statement.excluded[count] for count in COUNTS}
    added_to: Executable = statement.on_conflict_do_update(index_elements=["scope", "period"], set_=added)
    return added_to
