"""The till: every attempt is priced, held against the budgets and written down before it is sent, and after."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from knowledge.call import (
    Account,
    Amount,
    Bought,
    Charge,
    Held,
    OverBudget,
    Purchase,
    Reserved,
    Settlement,
)
from knowledge.ledger import Ledger
from pipelines.calling.budget import Budgets, in_words
from pipelines.calling.journal import Journal
from pipelines.calling.prices import Prices
from pipelines.calling.request import NOT_CHARGED, ModelError, Reply, Request


@dataclass(slots=True)
class Tally:
    """What the calls of this process came to so far. expired: bought again, as the text in the ledger was gone."""

    paid: int = 0
    reused: int = 0
    expired: int = 0
    cost_usd: float = 0.0


class Till:
    """Prices, budgets and ledger. today: the day that budgets of a day are charged to."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        prices: Prices,
        budgets: Budgets,
        worst_milliseconds: float,
        today: Callable[[], str],
    ):
        self._journal = Journal(ledger)
        self._prices = prices
        self._budgets = budgets
        self._worst_milliseconds = worst_milliseconds
        self._today = today
        self._reserved = 0
        self._settled = 0
        self._change = asyncio.Event()
        self.tally = Tally()

    def purchase(self, model: str, request: Request, digest: str, account: Account) -> Purchase:
        """One attempt, with the most it can take. Raises ModelError when no call may take as much."""
        given, taken = request.worst_tokens
        worst = Amount(given + taken, self._prices.cost(model, given, taken), self._worst_milliseconds)
        if over := self._budgets.over_call(worst):
            raise ModelError("too_large", in_words(over))
        scopes = self._budgets.scopes(account, self._today())
        return Purchase(digest, account, model, request.content(), worst, scopes)

    async def reserve(self, purchase: Purchase) -> Reserved | Bought | Held:
        """What the ledger says. While others here hold reservations, one that does not fit waits for theirs to end.

        Raises ModelError when it cannot fit.
        """
        while True:
            seen = self._settled
            said = await self._journal.reserve(purchase)
            if isinstance(said, Reserved):
                self._reserved += 1
            if not isinstance(said, OverBudget):
                return said
            if seen == self._settled:
                if not self._reserved:
                    raise ModelError("over_budget", in_words(said))
                await self._change.wait()

    async def settle(self, purchase: Purchase, reserved: Reserved, outcome: Reply | ModelError) -> Charge:
        """Write how an attempt ended."""
        settlement = end_of(reserved.entry, outcome, model=purchase.model, worst=purchase.worst, prices=self._prices)
        await asyncio.shield(asyncio.ensure_future(self._write(settlement)))
        self.tally.paid += isinstance(outcome, Reply)
        self.tally.expired += reserved.expired
        return settlement.charge

    async def written(self) -> None:
        """Return when everything is written."""
        await self._journal.written()

    def close(self) -> None:
        """End the thread that writes."""
        self._journal.close()

    async def _write(self, settlement: Settlement) -> None:
        try:
            await self._journal.settle(settlement)
            self.tally.cost_usd += settlement.charge.cost_usd
        finally:  # also where it cannot be written: nobody may wait for it for ever
            self._reserved -= 1
            self._settled += 1
            change, self._change = self._change, asyncio.Event()
            change.set()


def end_of(
    entry: int, outcome: Reply | ModelError, *, model: str, worst: Amount, prices: Prices, price_share: float = 1.0
) -> Settlement:
    """How an attempt ended. Some failures cost nothing, a useless reply costs its tokens; of the rest nobody knows,
    so they are charged at their reservation."""
    reply = outcome if isinstance(outcome, Reply) else outcome.reply
    charge = _charge(reply, model, worst, prices, price_share) if reply else Charge()
    if isinstance(outcome, Reply):
        return Settlement(entry, "settled", charge, outcome.model_served, outcome.fingerprint, outcome.payload)
    if reply or outcome.kind in NOT_CHARGED:
        return Settlement(entry, "failed", charge, reason=str(outcome)[:500])
    return Settlement(entry, "unknown", Charge(cost_usd=worst.cost_usd), reason=str(outcome)[:500])


def _charge(reply: Reply, model: str, worst: Amount, prices: Prices, price_share: float) -> Charge:
    """What a reply took. Where the endpoint does not tell its tokens, it is charged at its reservation."""
    given, taken = reply.input_tokens, reply.output_tokens
    if given is None or taken is None:
        return Charge(worst.tokens, 0, 0, worst.cost_usd, reply.latency_ms, reply.first_token_ms)
    cost = price_share * prices.cost(model, given, taken, cached_tokens=reply.cached_tokens)
    return Charge(given, reply.cached_tokens, taken, cost, reply.latency_ms, reply.first_token_ms)
