"""One assistant at work: its manifest and policy, the passages it may find and the models it may ask."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Self

from opentelemetry.trace import Tracer

from flows.connect import Connections
from knowledge.manifest import LOCAL_MODEL, Manifest
from knowledge.store import Collection
from knowledge.trace import Answer
from pipelines.answering.answer import answer
from pipelines.answering.retrieve import Retriever
from pipelines.answering.route import Purse, Route
from pipelines.batch import Door


class Assistant(AbstractContextManager["Assistant"]):
    """Answers on one version of its collection, buying on one purse; its coroutines run on `connections.calls`.

    evaluated: only the hosted models of the route answer, where there are any. A night in which the provider is down
    must not be graded on what the embedded model says instead. door: where it buys, `connections.calls` if left out.
    """

    def __init__(
        self,
        connections: Connections,
        manifest: Manifest,
        collection: Collection,
        purse: Purse,
        *,
        evaluated: bool = False,
        door: Door | None = None,
    ):
        models = connections.models(manifest)
        if evaluated:
            models = tuple(model for model in models if model != LOCAL_MODEL) or models
        self._manifest = manifest
        self._policy = connections.policy(manifest)
        self._retriever = Retriever(collection, connections.embedder, limit=manifest.retrieval.limit)
        self._route = Route(
            manifest, models, calls=door or connections.calls, purse=purse, embed=connections.embedder.embed
        )

    def __enter__(self) -> Self:
        self._retriever.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._retriever.__exit__()

    async def answer(self, question: str, *, groups: Sequence[str], tracer: Tracer | None = None) -> Answer:
        """One traced answer. Raises CallError when no model answered."""
        return await answer(
            question,
            manifest=self._manifest,
            policy=self._policy,
            retrieve=self._retriever.retrieve,
            call=self._route.call,
            groups=groups,
            tracer=tracer,
        )
