"""One call from its arrival to its reply: counted, delayed, damaged, charged."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from faults import wire
from faults.counting import Counts, add_one
from faults.models import AT_ONCE, digest_of, plain_reply, reply_to
from faults.picking import Picker, seconds_of
from faults.replies import RefusedError, Reply
from faults.settings import Rule, Settings


class Conditions:
    """The settings that hold now, the faults drawn from them, and the counts since the last reset."""

    def __init__(self, settings: Settings) -> None:
        self.change(settings)
        self.reset()

    def change(self, settings: Settings) -> None:
        """Let other settings hold, for the calls that come from now on."""
        self.settings = settings
        self.picker = Picker(settings.faults)

    def reset(self) -> None:
        """Counts and clock to zero; the draws begin anew. Calls in flight are not counted any more."""
        self.counts = Counts()
        self.picker = Picker(self.settings.faults)


class Call:
    """A call in flight. It ends once: answered, or lost."""

    def __init__(self, conditions: Conditions, path: str) -> None:
        self._settings, self._counts, self._picker = conditions.settings, conditions.counts, conditions.picker
        self._path = path
        self._tally = self._counts.receive(path)
        self._number = self._counts.calls
        self._reply = Reply()
        self._rule: Rule | None = None
        self._digest: str | None = None
        self._open = True

    def ask_model(self, content: Mapping[str, Any]) -> None:
        """Prepare the reply of a model endpoint. Raises RefusedError."""
        add_one(self._tally.by_model, str(content.get("model")))
        digest = digest_of(self._path, content)
        self._pick(content)
        self._reply = reply_to(self._path, content, digest, self._settings.behaviours, self._rule)
        self._digest = digest

    def do(self, work: Callable[[], Reply]) -> None:
        """Prepare the reply of an endpoint that asks no model. Raises RefusedError."""
        self._pick({})
        self._reply = plain_reply(work, self._rule)

    def refuse(self, refusal: RefusedError) -> None:
        """Prepare a refusal of what was asked; the rules do not touch it."""
        self._reply, self._rule, self._digest = refusal.reply, None, None

    def _pick(self, content: Mapping[str, Any]) -> None:
        self._rule = self._picker.pick(self._path, content, number=self._number)
        if self._rule:
            add_one(self._tally.by_fault, self._rule.kind)

    async def send(self, request: web.Request) -> web.StreamResponse:
        """Send what is prepared, when its time has come."""
        reply, rule = self._reply, self._rule
        if reply.status == 200 or (rule and rule.kind not in AT_ONCE):
            await asyncio.sleep(seconds_of(self._settings.latency_seconds, self._number))
        if rule and rule.kind in wire.CUTTING:
            return await wire.cut(request, reply, rule)
        return await wire.send(request, reply, seconds=wire.drip_seconds(rule), before_end=self._answered)

    def _answered(self) -> None:
        self._open = False
        sound = self._reply.status == 200 and (self._rule is None or self._rule.kind == "slow_drip")
        self._counts.finish(self._tally, status=self._reply.status, digest=self._digest, sound=sound)
        self._charge()

    def end(self) -> None:
        """Count it as lost, unless it was answered."""
        if not self._open:
            return
        self._open = False
        self._counts.lose(self._tally)
        if self._settings.charge_lost:
            self._charge()

    def _charge(self) -> None:
        self._counts.charge(self._tally, self._reply.usage, self._settings.behaviours.usd_per_million)
