"""Many requests -> results: the one door for everything that costs money. It knows no cases."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar

from knowledge.call import Account, Bought, Charge, Held, Purchase, Reserved
from knowledge.ledger import Ledger
from pipelines.calling.budget import Budgets
from pipelines.calling.gate import LOOK_SECONDS, Gate
from pipelines.calling.loop import CallLoop
from pipelines.calling.prices import Prices
from pipelines.calling.request import (
    BudgetError,
    CallError,
    ChatRequest,
    ModelError,
    PassedOver,
    Reply,
    Request,
    request_digest,
)
from pipelines.calling.settings import ModelSettings, Provider
from pipelines.calling.till import Tally, Till

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Result:
    """A reply, the model of the route that gave it, and what it took. reused: the ledger had it.

    passed_over: the models before it on the route, and why they did not answer.
    """

    payload: Mapping[str, Any]
    model: str
    model_served: str
    fingerprint: str | None
    charge: Charge
    reused: bool
    passed_over: tuple[PassedOver, ...] = ()


class Door(Protocol):
    """Where replies are bought."""

    async def buy(
        self,
        request: ChatRequest,
        *,
        route: Sequence[str],
        account: Account,
        attempts: int | None = None,
        fresh_within: timedelta | None = None,
    ) -> Result:
        """The reply of the first model on the route that gives one; see `Calls.buy`."""


class Calls:
    """Buys replies: each at most once, within the budgets, as fast as the endpoints allow.

    today: the day that budgets of a day are charged to.
    """

    def __init__(
        self,
        providers: Iterable[Provider],
        ledger: Ledger,
        *,
        settings: ModelSettings,
        budgets: Budgets,
        today: Callable[[], str],
    ):
        self._ledger = ledger
        self._settings = settings
        self._prices = Prices(settings.prices)
        self._till = Till(
            ledger,
            prices=self._prices,
            budgets=budgets,
            worst_milliseconds=settings.timeouts.total_seconds * 1000,
            today=today,
        )
        self._gates = {each.name: Gate(each, settings) for each in providers}
        self._loop = CallLoop()

    @property
    def tally(self) -> Tally:
        """What the calls of this process came to so far."""
        return self._till.tally

    def run(self, work: Coroutine[Any, Any, R]) -> R:
        """What a coroutine that buys gives, for a caller without an event loop."""
        return self._loop.run(work)

    def each(self, items: Iterable[T], work: Callable[[T], Awaitable[R]]) -> Iterator[R]:
        """What `work` gives for each item, in the order of completion; the first error ends it.

        Four times as many items are under way as calls may be: the next call is ready when a slot is free, and the
        last items begin early enough not to make a wave of their own.
        """
        at_once = sum(4 * gate.most_at_once for gate in self._gates.values()) or 1
        return self._loop.each(items, work, at_once=at_once)

    def quote(self, request: ChatRequest, *, route: Sequence[str], account: Account) -> Purchase:
        """What asking the first model of the route would be. Raises ModelError when no call may take as much."""
        return self._till.purchase(route[0], request, request_digest(request, route), account)

    async def buy(
        self,
        request: Request,
        *,
        route: Sequence[str],
        account: Account,
        attempts: int | None = None,
        fresh_within: timedelta | None = None,
    ) -> Result:
        """The reply of the first model on the route that gives one.

        attempts: how often each model is tried. fresh_within: an equal call's reply of that age will do, whoever
        paid it. Raises CallError when no model answered; BudgetError when budgets alone are why.
        """
        digest = request_digest(request, route)
        if fresh_within:
            since = datetime.now(UTC) - fresh_within
            if found := await asyncio.to_thread(self._ledger.cached, digest, account.purpose, since=since):
                return self._reuse(found)
        attempts = attempts or self._settings.retries.attempts
        passed_over: list[PassedOver] = []
        for model in route:
            try:
                purchase = self._till.purchase(model, request, digest, account)
                result = await self._keep_trying(request, purchase, attempts, patient=model == route[-1])
                return replace(result, passed_over=tuple(passed_over))
            except ModelError as problem:
                passed_over.append(PassedOver(model, problem.kind, problem.detail))
        kinds = {each.kind for each in passed_over}
        raise (BudgetError if "over_budget" in kinds <= {"over_budget", "too_large"} else CallError)(passed_over)

    def close(self) -> None:
        """Close connections and threads, once everything is written."""
        if self._loop.runs:
            self._loop.run(self._end())
            self._loop.close()
        self._till.close()

    async def _end(self) -> None:
        await self._till.written()
        for gate in self._gates.values():
            await gate.endpoint.close()

    async def _keep_trying(self, request: Request, purchase: Purchase, attempts: int, *, patient: bool) -> Result:
        """One model, tried as often as it is worth it. Raises ModelError."""
        gate = self._gates[purchase.model.partition("/")[0]]
        failed = 0
        while True:
            if not gate.open_to(purchase.model):
                if found := await asyncio.to_thread(self._ledger.bought, purchase.key):
                    return self._reuse(found)
                await gate.wait_for_circuit(purchase.model, patient=patient)
            try:
                if result := await self._try_once(gate, request, purchase):
                    return result
                await asyncio.sleep(LOOK_SECONDS)
            except ModelError as problem:
                failed += 1
                wait = self._settings.retries.wait_seconds(failed, problem)
                if wait is None or failed >= attempts:
                    raise
                await asyncio.sleep(wait)

    async def _try_once(self, gate: Gate, request: Request, purchase: Purchase) -> Result | None:
        """One attempt, its end in the ledger before anybody sees it. Raises ModelError.

        None: not now, as somebody else is buying this reply, or as the circuit has opened meanwhile.
        """
        async with gate.place():
            if not gate.open_to(purchase.model):
                return None
            with gate.call(purchase.model) as probe:
                said = await self._till.reserve(purchase)
                if isinstance(said, Held):
                    return None
                if isinstance(said, Bought):
                    return self._reuse(said)
                outcome, charge = await self._send(gate, request, purchase, said, probe=probe)
        if isinstance(outcome, ModelError):
            raise outcome
        return Result(outcome.payload, purchase.model, outcome.model_served, outcome.fingerprint, charge, reused=False)

    async def _send(
        self, gate: Gate, request: Request, purchase: Purchase, reserved: Reserved, *, probe: bool
    ) -> tuple[Reply | ModelError, Charge]:
        """One attempt in its slot, which it holds until its end is written: what a kill loses is what is in flight."""
        left: ModelError | None = ModelError("connection", "given up before it was sent")
        try:
            async with gate.slot():
                await gate.pace(purchase.worst.tokens)
                left = ModelError("timeout", "given up while it was under way")
                outcome = await gate.send(purchase.model, request, probe=probe)
                left = None
                return outcome, await self._till.settle(purchase, reserved, outcome)
        except BaseException:
            if left is not None:  # nobody waits for it any more, but its place in the budget is told
                await self._till.settle(purchase, reserved, left)
            raise

    def _reuse(self, bought: Bought) -> Result:
        self.tally.reused += 1
        return read_result(bought)


def read_result(bought: Bought) -> Result:
    """What stands in the ledger."""
    served = bought.model_served or bought.model
    return Result(bought.reply, bought.model, served, bought.fingerprint, bought.charge, reused=True)
