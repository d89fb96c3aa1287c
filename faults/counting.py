"""Counting at the server: what was received, answered, lost and charged, on each path."""

import time
from dataclasses import asdict, dataclass, field
from typing import Any

from faults.replies import Usage
from faults.settings import Price

MILLION = 1_000_000


@dataclass(slots=True)
class Tally:
    """The counts of one path.

    answered: sound replies given whole. lost: calls that were cut off or left by their client before their reply.
    distinct: different requests (by their JSON) among those answered; repeated: answers beyond the first to a request.
    Times: of the clock, and in seconds since the counts were last set to zero.
    """

    received: int = 0
    answered: int = 0
    lost: int = 0
    distinct: int = 0
    repeated: int = 0
    in_flight: int = 0
    in_flight_most: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float = 0.0
    by_status: dict[str, int] = field(default_factory=dict)
    by_fault: dict[str, int] = field(default_factory=dict)
    by_model: dict[str, int] = field(default_factory=dict)
    first_received_at: float | None = None
    first_received_seconds: float | None = None
    last_answered_at: float | None = None
    last_answered_seconds: float | None = None


def add_one(counts: dict[str, int], name: str) -> None:
    """Count one more of this name."""
    counts[name] = counts.get(name, 0) + 1


class Counts:
    """The tallies of all paths since the last reset."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._tallies: dict[str, Tally] = {}
        self._answered: set[str] = set()
        self.calls = 0

    def receive(self, path: str) -> Tally:
        """Count a call that has come in."""
        self.calls += 1
        tally = self._tallies.setdefault(path, Tally())
        tally.received += 1
        tally.in_flight += 1
        tally.in_flight_most = max(tally.in_flight_most, tally.in_flight)
        if tally.first_received_at is None:
            tally.first_received_at, tally.first_received_seconds = self._now()
        return tally

    def finish(self, tally: Tally, *, status: int, digest: str | None, sound: bool) -> None:
        """Count a reply that is given whole. digest: of what a model was asked."""
        add_one(tally.by_status, str(status))
        tally.in_flight -= 1
        tally.last_answered_at, tally.last_answered_seconds = self._now()
        if not sound:
            return
        tally.answered += 1
        if digest is None:
            return
        if digest in self._answered:
            tally.repeated += 1
        else:
            self._answered.add(digest)
            tally.distinct += 1

    @staticmethod
    def charge(tally: Tally, usage: Usage, price: Price, *, share: float = 1.0) -> None:
        """Charge for tokens, at this share of the price."""
        tally.prompt_tokens += usage.prompt_tokens
        tally.completion_tokens += usage.completion_tokens
        dollars = usage.prompt_tokens * price.input + usage.completion_tokens * price.output
        tally.cost_usd += share * dollars / MILLION

    def lose(self, tally: Tally) -> None:
        """Count a call that was cut off, or left by its client, before its reply."""
        tally.lost += 1
        tally.in_flight -= 1

    def as_row(self) -> dict[str, Any]:
        """All counts, as `/control/calls` gives them."""
        seconds = time.monotonic() - self._started
        return {"seconds": seconds, "paths": {path: asdict(each) for path, each in sorted(self._tallies.items())}}

    def _now(self) -> tuple[float, float]:
        return time.time(), time.monotonic() - self._started
