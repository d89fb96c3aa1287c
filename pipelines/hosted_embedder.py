"""An embedding model behind an endpoint: each set of texts, and each question, is bought once, for good."""

import asyncio
import base64
from collections.abc import Sequence

import numpy as np

from knowledge.call import Account
from knowledge.digest import digest
from pipelines.batch import Calls, Result
from pipelines.calling.request import EmbeddingRequest
from pipelines.embedder import Vectors

CODE_VERSION = "1"


class HostedEmbedder:
    """Texts to unit vectors, through the ledger. Not to be called from the event loop that calls are made on.

    shorten: the endpoint is asked to cut its vectors to `dimensions`. batch_texts: texts in one call.
    """

    def __init__(self, calls: Calls, model: str, *, dimensions: int, shorten: bool, batch_texts: int):
        self._dimensions = dimensions
        self._calls = calls
        self._model = model
        self._shorten = shorten
        self._batch_texts = batch_texts

    @property
    def dimensions(self) -> int:
        """Width of a vector."""
        return self._dimensions

    @property
    def embed_id(self) -> str:
        """Fingerprint of everything of ours that decides a vector; what the provider changes is measured, not known."""
        return digest(["embed", CODE_VERSION, self._model, self._dimensions, self._shorten])

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Shape (len(texts), dimensions), float32, each row of length 1. Raises CallError."""
        return self._embed(texts, self._batch_texts)

    def embed_questions(self, questions: Sequence[str]) -> Vectors:
        """As `embed`, a call for each: which questions come together is chance, so a set would be bought anew."""
        return self._embed(questions, 1)

    def _embed(self, texts: Sequence[str], size: int) -> Vectors:
        requests = [
            EmbeddingRequest(tuple(texts[start : start + size]), self._dimensions, self._shorten)
            for start in range(0, len(texts), size)
        ]
        rows = [
            np.frombuffer(base64.b64decode(vector), np.float32)
            for result in self._calls.run(self._buy(requests))
            for vector in result.payload["vectors"]
        ]
        vectors = np.stack(rows) if rows else np.zeros((0, self._dimensions), np.float32)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.where(lengths > 0, lengths, 1.0), np.float32)

    async def _buy(self, requests: Sequence[EmbeddingRequest]) -> list[Result]:
        route, account = [self._model], Account("embed", "")
        try:
            async with asyncio.TaskGroup() as group:
                buying = [
                    group.create_task(self._calls.buy(request, route=route, account=account)) for request in requests
                ]
        except BaseExceptionGroup as problems:
            raise problems.exceptions[0] from None
        return [each.result() for each in buying]
