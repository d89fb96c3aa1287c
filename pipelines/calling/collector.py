"""A door that sends nothing: it tells what would have to be bought."""

import asyncio
from collections.abc import Awaitable, Sequence
from datetime import timedelta

from knowledge.call import Account, Purchase
from knowledge.ledger import Ledger
from pipelines.batch import Calls, Result, read_result
from pipelines.calling.request import ChatRequest, ModelError


class DeferredError(Exception):
    """The reply is not there yet. No CallError: nobody is to fall back on another model for it."""


class Collector:
    """Stands in for `Calls`: gives what the ledger has, and notes what it lacks. purchases: by their keys."""

    def __init__(self, calls: Calls, ledger: Ledger):
        self._calls = calls
        self._ledger = ledger
        self.purchases: dict[str, Purchase] = {}

    async def buy(
        self,
        request: ChatRequest,
        *,
        route: Sequence[str],
        account: Account,
        attempts: int | None = None,
        fresh_within: timedelta | None = None,
    ) -> Result:
        """The reply of the ledger. Raises DeferredError where it has none."""
        try:
            purchase = self._calls.quote(request, route=route, account=account)
        except ModelError:  # too dear for any call: the next model of the route may do, but not in a batch
            raise DeferredError from None
        if found := await asyncio.to_thread(self._ledger.bought, purchase.key):
            return read_result(found)
        self.purchases[purchase.key] = purchase
        raise DeferredError

    async def collect(self, work: Awaitable[object]) -> None:
        """Let something that buys here run as far as it comes."""
        try:
            await work
        except* DeferredError:
            pass  # what it wants is noted
