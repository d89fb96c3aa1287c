"""One provider's gate: its endpoint, and what calls to it wait for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pipelines.calling.limits import MOST, Circuit, Concurrency, Rate
from pipelines.calling.request import Kind, ModelError, Reply, Request
from pipelines.calling.settings import ModelSettings, Provider, ProviderSettings
from pipelines.models import Endpoint

SICK: frozenset[Kind] = frozenset(("server_error", "connection", "reset", "timeout", "malformed"))
LOOK_SECONDS = 0.2  # between two looks at a circuit


class Gate:
    """Slots, rates and circuits of one provider."""

    def __init__(self, provider: Provider, settings: ModelSettings):
        limits = settings.providers.get(provider.name, ProviderSettings())
        fixed = None if limits.concurrency == "adaptive" else limits.concurrency
        self.endpoint = Endpoint(provider, settings.timeouts)
        self.most_at_once = fixed or MOST
        self._settings = settings
        self._slots = Concurrency(fixed)
        self._requests = Rate(limits.requests_per_minute)
        self._tokens = Rate(limits.tokens_per_minute)
        self._circuits: dict[str, Circuit] = {}

    @asynccontextmanager
    async def slot(self, tokens: int) -> AsyncIterator[None]:
        """Wait for the rates, then hold one of the provider's slots."""
        await self._requests.take()
        await self._tokens.take(tokens)
        await self._slots.acquire()
        try:
            yield
        finally:
            self._slots.release()

    async def wait_for_circuit(self, model: str, *, patient: bool) -> None:
        """Return when the model may be asked. Raises ModelError: at once, or, for the patient, when it stays away."""
        while (state := self._circuit(model).state()) != "closed":
            if state == "dead" or not patient:
                raise ModelError("circuit_open", "it failed too often in a row")
            await asyncio.sleep(LOOK_SECONDS)

    async def send(self, model: str, request: Request) -> Reply | ModelError:
        """One attempt, within a slot; slots and circuit learn from how it ended."""
        circuit = self._circuit(model)
        circuit.enter()
        try:
            reply = await self.endpoint.send(model.partition("/")[2], request)
        except ModelError as problem:
            if problem.kind == "rate_limit":
                self._slots.refused()
            if problem.kind in SICK:
                circuit.failed()
            else:
                circuit.answered()
            return problem
        circuit.answered()
        self._slots.good(reply.latency_ms)
        return reply

    def _circuit(self, model: str) -> Circuit:
        return self._circuits.setdefault(model, Circuit(self._settings.circuit))
