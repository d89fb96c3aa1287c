"""An event loop in a thread of its own, for callers that are plain functions."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class CallLoop:
    """Runs coroutines; started at the first one."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def run(self, work: Coroutine[Any, Any, R]) -> R:
        """What a coroutine gives. Not to be called from the loop itself."""
        return asyncio.run_coroutine_threadsafe(work, self._started()).result()

    def each(self, items: Iterable[T], work: Callable[[T], Awaitable[R]], *, at_once: int) -> Iterator[R]:
        """What `work` gives for each item, in the order of completion; at most `at_once` items are under way.

        The first error ends it: the others are cancelled, and it is raised here.
        """
        done: SimpleQueue[tuple[R | None, BaseException | None]] = SimpleQueue()
        waiting = list(items)
        left = iter(waiting)

        async def worker() -> None:
            for item in left:
                done.put((await work(item), None))

        async def workers() -> None:
            try:
                async with asyncio.TaskGroup() as group:
                    for _ in range(min(at_once, len(waiting))):
                        group.create_task(worker())
            except BaseExceptionGroup as problems:
                done.put((None, problems.exceptions[0]))

        under_way = asyncio.run_coroutine_threadsafe(workers(), self._started())
        try:
            for _ in waiting:
                result, problem = done.get()
                if problem is not None:
                    raise problem
                yield result  # type: ignore[misc]
        finally:
            under_way.cancel()

    def close(self) -> None:
        """End the thread."""
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
            self._loop = self._thread = None

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="calls", daemon=True)
                self._thread.start()
            return self._loop
