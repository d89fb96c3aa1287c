"""One provider's gate: its endpoint, and what calls to it wait for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager

from pipelines.calling.limits import MOST, Circuit, Concurrency, Rate, Slots
from pipelines.calling.request import Kind, ModelError, Reply, Request
from pipelines.calling.settings import ModelSettings, Provider, ProviderSettings

SICK: frozenset[Kind] = frozenset(("server_error", "connection", "reset", "timeout", "malformed"))
LOOK_SECONDS = 0.2  # between two looks at a circuit


class Gate:
    """Slots, rates and circuits of one provider."""

    def __init__(self, provider: Provider, settings: ModelSettings):
        from pipelines.models import Endpoint  # a second and a half of imports, which an embedded model can spare

        limits = settings.providers.get(provider.name, ProviderSettings())
        fixed = None if limits.concurrency == "adaptive" else limits.concurrency
        self.endpoint = Endpoint(provider, settings.timeouts)
        self.most_at_once = fixed or MOST
        self._settings = settings
        self._slots = Concurrency(fixed)
        self._places = Slots(lambda: self._slots.limit + max(self._slots.limit // 4, 1))
        self._requests = Rate(limits.requests_per_minute)
        self._tokens = Rate(limits.tokens_per_minute)
        self._circuits: dict[str, Circuit] = {}

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """One of a quarter more places than slots: who holds one is written down, and ready when a slot is free."""
        await self._places.acquire()
        try:
            yield
        finally:
            self._places.release()

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold one of the provider's slots."""
        await self._slots.acquire()
        try:
            yield
        finally:
            self._slots.release()

    async def pace(self, tokens: int) -> None:
        """Wait until the rates allow another call, within a slot: only what is really sent counts."""
        await self._requests.take()
        await self._tokens.take(tokens)

    def open_to(self, model: str) -> bool:
        """May the model be asked now?"""
        return self._circuit(model).state() == "closed"

    def call(self, model: str) -> AbstractContextManager[bool]:
        """A call of the model begins, where `open_to`; gives whether it is the one that tries."""
        return self._circuit(model).call()

    async def wait_for_circuit(self, model: str, *, patient: bool) -> None:
        """Return when the model may be asked. Raises ModelError: at once, or, for the patient, when it stays away."""
        while (state := self._circuit(model).state()) != "closed":
            if state == "dead" or not patient:
                raise ModelError("circuit_open", "it failed too often in a row")
            await asyncio.sleep(LOOK_SECONDS)

    async def send(self, model: str, request: Request, *, probe: bool) -> Reply | ModelError:
        """One attempt, within a slot and a call; slots and circuit learn from how it ended."""
        circuit = self._circuit(model)
        try:
            reply = await self.endpoint.send(model.partition("/")[2], request)
        except ModelError as problem:
            if problem.kind == "rate_limit":
                self._slots.refused()
            if problem.kind in SICK:
                circuit.failed(probe=probe)
            else:
                circuit.answered()
            return problem
        circuit.answered()
        self._slots.good(reply.latency_ms, of=(model, getattr(request, "schema", None) is not None))
        return reply

    def _circuit(self, model: str) -> Circuit:
        return self._circuits.setdefault(model, Circuit(self._settings.circuit))
