"""Coroutines whose waits take no time: the loop's clock jumps to whatever is due next."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

R = TypeVar("R")


class _Jumping(selectors.DefaultSelector):
    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise AssertionError("everything waits, and nothing will come: a lost wake-up")
        self.now += max(timeout, 0.0)
        return super().select(0)


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._clock = _Jumping()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now


def run_in_virtual_time(work: Callable[[Callable[[], float]], Coroutine[Any, Any, R]]) -> R:
    """What a coroutine gives; it is handed the clock. A wait for nothing is an error instead of a hang."""
    with asyncio.Runner(loop_factory=_VirtualLoop) as runner:
        return runner.run(work(runner.get_loop().time))
