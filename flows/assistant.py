"""One assistant at work: its manifest and policy, the passages it may find and the models it may ask."""

import asyncio
from collections.abc import Sequence
from copy import copy
from typing import Self

from opentelemetry.trace import Tracer

from flows.connect import Connections
from knowledge.manifest import LOCAL_MODEL, Manifest
from knowledge.record import Hit
from knowledge.store import Collection
from knowledge.trace import Answer
from pipelines.answering.answer import answer
from pipelines.answering.retrieve import Asked, retrieve_many
from pipelines.answering.route import Purse, Route
from pipelines.answering.screen import screen
from pipelines.answering.shape import Shape
from pipelines.batch import Door


class Assistant:
    """Answers on one version of its collection, buying on one purse; its coroutines run on `connections.calls`.

    evaluated: only the hosted models of the route answer, where there are any. A night in which the provider is down
    must not be graded on what the embedded model says instead.
    """

    def __init__(
        self,
        connections: Connections,
        manifest: Manifest,
        collection: Collection,
        purse: Purse,
        *,
        evaluated: bool = False,
    ):
        models = connections.models(manifest)
        if evaluated:
            models = tuple(model for model in models if model != LOCAL_MODEL) or models
        self._manifest = manifest
        self._policy = connections.policy(manifest)
        self._collection = collection
        self._embedder = connections.embedder
        embed = connections.local_embedder.embed
        self._route = Route(manifest, models, calls=connections.calls, purse=purse, embed=embed)
        retrieval = manifest.retrieval
        self._limit = retrieval.limit
        # the budget in tokens is kept when the request is assembled, of the text that is left by then
        self._shape = Shape(retrieval.min_score, retrieval.collapse, retrieval.neighbours)
        self._passages: dict[Asked, list[Hit]] = {}

    def buying_at(self, door: Door) -> Self:
        """The same assistant with the passages it has found, buying elsewhere."""
        other = copy(self)
        other._route = self._route.buying_at(door)
        return other

    def retrieve_ahead(self, asked: Sequence[Asked]) -> None:
        """Find the passages of questions that will be put, together: for a fifth of the time it takes one by one."""
        asked = [each for each in asked if screen(each.question, self._policy) is None]
        found = retrieve_many(asked, self._collection, self._embedder, limit=self._limit, shape=self._shape)
        self._passages |= dict(zip(asked, found, strict=True))

    async def answer(self, asked: Asked, *, tracer: Tracer | None = None) -> Answer:
        """One traced answer. Raises CallError when no model answered."""
        return await answer(
            asked.question,
            manifest=self._manifest,
            policy=self._policy,
            retrieve=self._retrieve,
            call=self._route.call,
            groups=asked.groups,
            tracer=tracer,
        )

    async def _retrieve(self, question: str, groups: Sequence[str]) -> list[Hit]:
        asked = Asked(question, tuple(groups))
        if asked not in self._passages:
            await asyncio.to_thread(self.retrieve_ahead, [asked])
        return self._passages[asked]
