"""When a call may go: how many at once, how many a minute, and not at all where nobody has answered for a while."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Literal

from pydantic import Field

from knowledge.content import Content

START = 8  # calls at once that an adaptive limit begins with
MOST = 256  # and that it never goes beyond
SLOW = 2.0  # a call this many times slower than the best known ones speaks against more at once
MEMORY = 32  # calls the usual latency is taken from


class Concurrency:
    """Slots for calls, handed out in the order they were asked for.

    fixed: so many, always. None: adaptive. The limit begins at 8 and doubles with every round of good calls; from the
    first 429 or slow round on it grows by one a round, and shrinks by a third at a 429 and a tenth when calls slow
    down (additive increase, multiplicative decrease: Chiu and Jain, 1989).
    """

    def __init__(self, fixed: int | None = None, *, clock: Callable[[], float] = time.monotonic):
        self._limit = float(fixed or START)
        self._adaptive = fixed is None
        self._clock = clock
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._recent: deque[float] = deque(maxlen=MEMORY)
        self._best_ms: float | None = None
        self._doubling = True
        self._changed_at = clock()
        self.in_flight = 0

    @property
    def limit(self) -> int:
        """Calls that may be in flight now."""
        return int(self._limit)

    async def acquire(self) -> None:
        """Wait for a slot."""
        if self.in_flight < self.limit and not self._waiting:
            self.in_flight += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release()
            raise

    def release(self) -> None:
        """Give a slot back; the next in line gets it."""
        self.in_flight -= 1
        self._wake()

    def good(self, latency_ms: float) -> None:
        """Learn from a call that was answered."""
        if not self._adaptive:
            return
        used = self.in_flight >= self.limit - 1
        self._recent.append(latency_ms)
        usual = sorted(self._recent)[len(self._recent) // 2]
        if len(self._recent) >= START:
            self._best_ms = min(self._best_ms or usual, usual)
            if usual > SLOW * self._best_ms:
                self._shrink(0.9, usual)
                return
        if used:
            self._limit = min(self._limit + (1.0 if self._doubling else 1.0 / self._limit), MOST)
            self._wake()

    def refused(self) -> None:
        """Learn from a 429."""
        if self._adaptive:
            self._shrink(2 / 3, self._best_ms or 0.0)

    def _shrink(self, share: float, round_ms: float) -> None:
        """Once a round: what was sent before the last change says nothing about the limit after it."""
        self._doubling = False
        if self._clock() - self._changed_at >= round_ms / 1000:
            self._limit = max(self._limit * share, 1.0)
            self._changed_at = self._clock()

    def _wake(self) -> None:
        while self._waiting and self.in_flight < self.limit:
            turn = self._waiting.popleft()
            if not turn.done():
                self.in_flight += 1
                turn.set_result(None)


class Rate:
    """At most so many (requests or tokens) a minute, evenly, with a second's worth at once. None: without limit."""

    def __init__(self, per_minute: float | None):
        self._seconds_each = 60.0 / per_minute if per_minute else 0.0
        self._free_at = 0.0

    async def take(self, amount: float = 1.0) -> None:
        """Wait for one's turn."""
        if not self._seconds_each:
            return
        now = time.monotonic()
        turn = max(self._free_at, now - 1.0)
        self._free_at = turn + amount * self._seconds_each
        if turn > now:
            await asyncio.sleep(turn - now)


class CircuitSettings(Content):
    """After so many failures in a row a model is left alone for a while; then one call tries again, so many times."""

    failures: int = Field(default=8, ge=1)
    cool_down_seconds: float = Field(default=10.0, gt=0)
    probes: int = Field(default=3, ge=0)


class Circuit:
    """Whether one model is worth asking."""

    def __init__(self, settings: CircuitSettings, *, clock: Callable[[], float] = time.monotonic):
        self._settings = settings
        self._clock = clock
        self._failures = 0
        self._failed_probes = 0
        self._opened_at: float | None = None
        self._probing = False

    def state(self) -> Literal["closed", "open", "dead"]:
        """open: not now; dead: the probes have failed as well, so not in this run any more."""
        if self._opened_at is None:
            return "closed"
        if self._failed_probes >= self._settings.probes:
            return "dead"
        cooled = self._clock() - self._opened_at >= self._settings.cool_down_seconds
        return "closed" if cooled and not self._probing else "open"

    def enter(self) -> None:
        """A call goes. After the cool-down it is the one that tries."""
        self._probing = self._opened_at is not None

    def answered(self) -> None:
        """It works: closed again. A 429 counts as an answer."""
        self._failures = self._failed_probes = 0
        self._opened_at = None
        self._probing = False

    def failed(self) -> None:
        """Another failure in a row."""
        self._failures += 1
        if self._probing:
            self._failed_probes += 1
        if self._probing or (self._opened_at is None and self._failures >= self._settings.failures):
            self._opened_at = self._clock()
        self._probing = False
