"""The ledger from the event loop: whatever waits is written in one transaction, in a thread, while calls go on."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from knowledge.call import Answered, Charge, Purchase, Reserved, Settlement
from knowledge.ledger import Ledger


class Journal:
    """Group commits: each waits for the one before, and takes all that has come meanwhile."""

    def __init__(self, ledger: Ledger):
        self._ledger = ledger
        self._thread = ThreadPoolExecutor(1, "ledger")
        self._purchases: list[tuple[Purchase, asyncio.Future[Answered]]] = []
        self._settlements: list[tuple[Settlement, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def reserve(self, purchase: Purchase) -> Answered:
        """What the ledger says to a purchase; when it says Reserved, that is on the disk.

        One who is cancelled meanwhile holds nothing: what the ledger has reserved for them is given back.
        """
        answer: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
        self._purchases.append((purchase, answer))
        self._write()
        try:
            return await asyncio.shield(answer)
        except asyncio.CancelledError:
            answer.add_done_callback(self._give_back)
            raise

    async def settle(self, settlement: Settlement) -> None:
        """Write the end of an attempt; after this its reply may be used."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._settlements.append((settlement, written))
        self._write()
        await written

    async def written(self) -> None:
        """Return when nothing waits to be written."""
        while self._writing is not None:
            await asyncio.wait([self._writing])

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown()

    def _give_back(self, answer: asyncio.Future[Answered]) -> None:
        if answer.exception() is None and isinstance(reserved := answer.result(), Reserved):
            left = Settlement(reserved.entry, "failed", Charge(), reason="given up before it was sent")
            written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            written.add_done_callback(asyncio.Future.exception)  # nobody is left to be told
            self._settlements.append((left, written))
            self._write()

    def _write(self) -> None:
        if self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write_all())

    async def _write_all(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._purchases or self._settlements:
                purchases, self._purchases = self._purchases, []
                settlements, self._settlements = self._settlements, []
                waiting: list[asyncio.Future[Any]] = [answer for _, answer in purchases]
                waiting += [written for _, written in settlements]
                said = loop.run_in_executor(
                    self._thread,
                    self._ledger.commit,
                    [purchase for purchase, _ in purchases],
                    [settlement for settlement, _ in settlements],
                )
                await asyncio.wait([said])
                problem = said.exception()
                results = [*said.result(), *(None for _ in settlements)] if problem is None else [None] * len(waiting)
                for each, result in zip(waiting, results, strict=True):
                    if each.done():
                        continue  # who asked is gone
                    if problem is None:
                        each.set_result(result)
                    else:
                        each.set_exception(problem)
        finally:
            self._writing = None
