"""route: the models a manifest names, asked in order until one answers."""

import asyncio
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Self

from knowledge.call import Account
from knowledge.manifest import LOCAL_MODEL, Manifest
from knowledge.trace import Usage
from pipelines.answering.extractive import answer_by_quoting
from pipelines.answering.request import ModelReply, ModelRequest
from pipelines.batch import Door
from pipelines.calling.request import CallError, ChatRequest, PassedOver
from pipelines.embedder import Vectors


@dataclass(frozen=True, slots=True)
class Purse:
    """On whose account a route buys, how patiently, and whether an older equal reply will do.

    stream: a reply is streamed, so that the time to its first token is known and bounded.
    """

    account: Account
    attempts: int
    fresh_within: timedelta | None = None
    stream: bool = False


class Route:
    """The entries of a manifest's route that can be asked here: hosted ones through `calls`, the embedded one last."""

    def __init__(
        self,
        manifest: Manifest,
        models: Sequence[str],
        *,
        calls: Door,
        purse: Purse,
        embed: Callable[[Sequence[str]], Vectors],
    ):
        self._manifest = manifest
        self._hosted = tuple(model for model in models if model != LOCAL_MODEL)
        self._ends_local = LOCAL_MODEL in models
        self._calls = calls
        self._purse = purse
        self._embed = embed

    def buying_at(self, door: Door) -> Self:
        """The same route, its hosted models asked through another door."""
        other = copy(self)
        other._calls = door
        return other

    async def call(self, request: ModelRequest) -> ModelReply:
        """The reply of the first model that answers. Raises CallError."""
        fallback = ""
        if self._hosted:
            try:
                return await self._buy(request)
            except CallError as problem:
                if not self._ends_local:
                    raise
                fallback = _in_words(problem.passed_over)
        reply = await asyncio.to_thread(answer_by_quoting, request, self._manifest.replies, self._embed)
        return replace(reply, fallback=fallback)

    async def _buy(self, request: ModelRequest) -> ModelReply:
        generation = self._manifest.generation
        messages = ({"role": "system", "content": request.system}, {"role": "user", "content": request.user})
        bought = await self._calls.buy(
            ChatRequest(
                messages,
                generation.max_output_tokens,
                options=generation.options,
                stream=self._purse.stream,
            ),
            route=self._hosted,
            account=self._purse.account,
            attempts=self._purse.attempts,
            fresh_within=self._purse.fresh_within,
        )
        return ModelReply(
            text=bought.payload["text"],
            model=bought.model,
            usage=Usage(bought.charge.input_tokens, bought.charge.output_tokens),
            cost_usd=bought.charge.cost_usd,
            served_model=bought.model_served,
            fingerprint=bought.fingerprint,
            first_token_ms=bought.charge.first_token_ms,
            fallback=_in_words(bought.passed_over),
            reused=bought.reused,
        )


def _in_words(passed_over: Sequence[PassedOver]) -> str:
    return "; ".join(f"{each.model}: {each.kind}" for each in passed_over)
