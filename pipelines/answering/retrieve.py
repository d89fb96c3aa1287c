"""retrieve: the passages nearest to a question, among those the reader may see."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Self

from knowledge.record import Hit
from knowledge.store import Collection, Question
from pipelines.ingestion.embed import Embedder

BATCH = 64  # questions that go to the store together; more would save little and let the first ones wait


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and its reader's groups; `public` is added by the store."""

    question: str
    groups: tuple[str, ...] = ()


def retrieve(
    question: str, collection: Collection, embedder: Embedder, *, groups: Sequence[str], limit: int
) -> list[Hit]:
    """At most `limit` passages, best first."""
    return retrieve_many([Asked(question, tuple(groups))], collection, embedder, limit=limit)[0]


def retrieve_many(asked: Sequence[Asked], collection: Collection, embedder: Embedder, *, limit: int) -> list[list[Hit]]:
    """For each question at most `limit` passages, best first: embedded together, searched together."""
    vectors = embedder.embed([each.question for each in asked])
    questions = [Question(each.question, vector, each.groups) for each, vector in zip(asked, vectors, strict=True)]
    return collection.search_many(questions, limit=limit)


@dataclass(slots=True)
class _Batch:
    """Questions that will go together, and the task that fetches their passages."""

    asked: list[Asked] = field(default_factory=list)
    found: asyncio.Task[list[list[Hit]]] | None = None


class Retriever:
    """Retrieval for the coroutines of one loop, in one worker thread.

    The questions that arrive while the thread is busy go together as soon as it is free. Leaving its `with` closes it.
    """

    def __init__(self, collection: Collection, embedder: Embedder, *, limit: int):
        self._collection = collection
        self._embedder = embedder
        self._limit = limit
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="retrieve")
        self._free = asyncio.Lock()
        self._next = _Batch()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._worker.shutdown()

    async def retrieve(self, question: str, groups: Sequence[str]) -> list[Hit]:
        """At most `limit` passages, best first. What fails a batch is raised to each who waits for it."""
        batch, place = self._next, len(self._next.asked)
        batch.asked.append(Asked(question, tuple(groups)))
        if batch.found is None:
            batch.found = asyncio.create_task(self._fetch(batch))
        if len(batch.asked) == BATCH:
            self._next = _Batch()
        # one who gives up must not take the passages from the others
        return (await asyncio.shield(batch.found))[place]

    async def _fetch(self, batch: _Batch) -> list[list[Hit]]:
        async with self._free:
            if batch is self._next:
                self._next = _Batch()
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._worker, self._search, batch.asked)

    def _search(self, asked: Sequence[Asked]) -> list[list[Hit]]:
        return retrieve_many(asked, self._collection, self._embedder, limit=self._limit)
