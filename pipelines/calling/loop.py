"""An event loop in a thread of its own, for callers that are plain functions."""

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class CallLoop:
    """Runs coroutines; started at the first one."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    @property
    def runs(self) -> bool:
        """Has there been a coroutine?"""
        return self._loop is not None

    def run(self, work: Coroutine[Any, Any, R]) -> R:
        """What a coroutine gives. Not to be called from the loop itself."""
        return _UnderWay(self._started(), work).result()

    def each(self, items: Iterable[T], work: Callable[[T], Awaitable[R]], *, at_once: int) -> Iterator[R]:
        """What `work` gives for each item, in the order of completion; at most `at_once` items are under way.

        The first error ends it: the others are cancelled, and it is raised here. However it ends, also when the
        caller leaves early, nothing of it is under way any more.
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

        under_way = _UnderWay(self._started(), workers())
        try:
            for _ in waiting:
                result, problem = done.get()
                if problem is not None:
                    raise problem
                yield result  # type: ignore[misc]
        finally:
            under_way.end()

    def close(self) -> None:
        """Cancel what is left, and end the thread."""
        if self._loop is not None and self._thread is not None:
            self.run(_end_others())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
            self._loop = self._thread = None

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._starting:
            if self._loop is None:
                # a call must not wait 5 ms for its turn behind a thread that grades or writes
                sys.setswitchinterval(0.0005)
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="calls", daemon=True)
                self._thread.start()
            return self._loop


class _UnderWay(Generic[R]):
    """A coroutine on the loop of another thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, R]):
        self._loop = loop
        self._work = work
        self._ended = threading.Event()
        loop.call_soon_threadsafe(self._begin)

    def result(self) -> R:
        """What it gives. When the waiting thread is interrupted, it is cancelled, and its end awaited."""
        try:
            self._ended.wait()
        finally:
            self.end()
        return self._task.result()

    def end(self) -> None:
        """Cancel it, and wait until it has ended."""
        if not self._ended.is_set():
            self._loop.call_soon_threadsafe(self._cancel)  # after _begin: the loop keeps their order
            self._ended.wait()

    def _begin(self) -> None:
        self._task = self._loop.create_task(self._work)
        self._task.add_done_callback(lambda _: self._ended.set())

    def _cancel(self) -> None:
        self._task.cancel()


async def _end_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for each in others:
        each.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    loop = asyncio.get_running_loop()
    await loop.shutdown_asyncgens()
    await loop.shutdown_default_executor()
