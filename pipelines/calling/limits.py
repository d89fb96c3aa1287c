"""When a call may go: how many at once, how many a minute, and not at all where nobody has answered for a while."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Literal

from pydantic import Field

from knowledge.content import Content

START = 8  # calls at once that an adaptive limit begins with
MOST = 256  # and that it never goes beyond
SLOW = 2.0  # a call this many times slower than the best known ones speaks against more at once
MEMORY = 32  # calls the usual latency is taken from


class Slots:
    """At most so many at once, in the order in which they asked. limit: how many, asked anew each time."""

    def __init__(self, limit: Callable[[], int]):
        self._limit_now = limit
        self._waiting: deque[asyncio.Future[None]] = deque()
        self.in_flight = 0

    async def acquire(self) -> None:
        """Wait for a slot."""
        if self.in_flight < self._limit_now() and not self._waiting:
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

    def _wake(self) -> None:
        while self._waiting and self.in_flight < self._limit_now():
            turn = self._waiting.popleft()
            if not turn.done():
                self.in_flight += 1
                turn.set_result(None)


class Concurrency(Slots):
    """Slots for calls.

    fixed: so many, always. None: adaptive. The limit begins at 8 and doubles with every round of good calls; from the
    first 429 or slow round on it grows by one a round, and shrinks by a third at a 429 and a tenth when calls slow
    down (additive increase, multiplicative decrease: Chiu and Jain, 1989). Where calls stay slow down to 8 at once,
    their number is not why, so that is taken for their usual time.
    """

    def __init__(self, fixed: int | None = None, *, clock: Callable[[], float] = time.monotonic):
        super().__init__(lambda: self.limit)
        self._limit = float(fixed or START)
        self._adaptive = fixed is None
        self._clock = clock
        self._recent: dict[Hashable, deque[float]] = {}
        self._best_ms: dict[Hashable, float] = {}
        self._doubling = True
        self._changed_at = clock()

    @property
    def limit(self) -> int:
        """Calls that may be in flight now."""
        return int(self._limit)

    def good(self, latency_ms: float, *, of: Hashable = None) -> None:
        """Learn from a call that was answered. of: the sort of call; others may take longer by nature."""
        if not self._adaptive:
            return
        used = self.in_flight >= self.limit - 1
        if self._slow(latency_ms, of):
            return
        if used:
            self._limit = min(self._limit + (1.0 if self._doubling else 1.0 / self._limit), MOST)
            self._wake()

    def refused(self) -> None:
        """Learn from a 429."""
        if self._adaptive:
            self._shrink(2 / 3, max(self._best_ms.values(), default=0.0))

    def _slow(self, latency_ms: float, of: Hashable) -> bool:
        """Have calls of this sort slowed down?"""
        recent = self._recent.setdefault(of, deque(maxlen=MEMORY))
        recent.append(latency_ms)
        if len(recent) < START:
            return False
        usual = sorted(recent)[len(recent) // 2]
        best = self._best_ms[of] = min(self._best_ms.get(of, usual), usual)
        if usual <= SLOW * best:
            return False
        if self._limit > START:
            self._shrink(0.9, usual)
        else:
            self._best_ms[of] = usual
        return True

    def _shrink(self, share: float, round_ms: float) -> None:
        """Once a round: what was sent before the last change says nothing about the limit after it."""
        self._doubling = False
        if self._clock() - self._changed_at >= round_ms / 1000:
            self._limit = max(self._limit * share, 1.0)
            self._changed_at = self._clock()


class Rate:
    """At most so many (requests or tokens) in any minute, evenly. None: without limit."""

    def __init__(self, per_minute: float | None):
        self._seconds_each = 60.0 / per_minute if per_minute else 0.0
        self._free_at = 0.0

    async def take(self, amount: float = 1.0) -> None:
        """Wait for one's turn."""
        if not self._seconds_each:
            return
        now = asyncio.get_running_loop().time()
        turn = max(self._free_at, now)
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

    @contextmanager
    def call(self) -> Iterator[bool]:
        """A call goes. Is it the one that tries after the cool-down? No other goes until that one has ended."""
        probe = self._opened_at is not None
        self._probing = self._probing or probe
        try:
            yield probe
        finally:
            if probe:
                self._probing = False

    def answered(self) -> None:
        """It works: closed again. A 429 counts as an answer."""
        self._failures = self._failed_probes = 0
        self._opened_at = None

    def failed(self, *, probe: bool) -> None:
        """Another failure in a row. probe: of the one call that tried after the cool-down."""
        self._failures += 1
        self._failed_probes += probe
        if probe or (self._opened_at is None and self._failures >= self._settings.failures):
            self._opened_at = self._clock()
