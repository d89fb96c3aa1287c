"""Budgets: how much one call, a run, an assistant, a reader, a segment or a day may take."""

from collections.abc import Mapping

from pydantic import Field

from knowledge.call import Account, Amount, Limit, OverBudget, Scope
from knowledge.content import Content

EACH = "each"  # the limit of every reader (segment, assistant) that has none of its own


class Budget(Content):
    """Tokens in and out together, money, and the time calls occupy a model. None: without limit."""

    tokens: int | None = Field(default=None, ge=0)
    cost_usd: float | None = Field(default=None, ge=0)
    milliseconds: float | None = Field(default=None, ge=0)

    @property
    def limit(self) -> Limit:
        """The limit as the ledger takes it."""
        return Limit(self.tokens, self.cost_usd, self.milliseconds)


class Budgets(Content):
    """`call` bounds one attempt, `run` one night (or one command), the others one day of the settings' zone."""

    call: Budget = Budget()
    run: Budget = Budget()
    day: Budget = Budget()
    assistants: Mapping[str, Budget] = {}
    readers: Mapping[str, Budget] = {}
    segments: Mapping[str, Budget] = {}

    def scopes(self, account: Account, today: str) -> tuple[Scope, ...]:
        """Everything a call of this account is charged to."""
        found = [Scope("day", today, self.day.limit)]
        if account.run:
            found.append(Scope("run", account.run, self.run.limit))
        for kind, name, budgets in (
            ("assistant", account.assistant, self.assistants),
            ("reader", account.reader, self.readers),
            ("segment", account.segment, self.segments),
        ):
            if name:
                budget = budgets.get(name) or budgets.get(EACH) or Budget()
                found.append(Scope(f"{kind} {name}", today, budget.limit))
        return tuple(found)

    def over_call(self, worst: Amount) -> OverBudget | None:
        """The limit of one call that its worst case is beyond, or None."""
        for what in ("tokens", "cost_usd", "milliseconds"):
            limit, asked = getattr(self.call, what), getattr(worst, what)
            if limit is not None and asked > limit:
                return OverBudget(Scope("call", "", self.call.limit), what, limit, 0.0, asked)
        return None


def in_words(over: OverBudget) -> str:
    """Which budget, and by how much, for a person."""
    unit = {"tokens": "tokens", "cost_usd": "USD", "milliseconds": "ms"}[over.what]
    of = f"budget of {over.scope.name} {over.scope.period}".rstrip()
    return f"{of}: {over.taken:.6g} of {over.limit:.6g} {unit} are taken, a call may need {over.asked:.6g}"
