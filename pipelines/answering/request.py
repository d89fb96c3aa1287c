"""What goes to a model and what comes back."""

from dataclasses import dataclass

from knowledge.record import Hit
from knowledge.trace import Usage


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """What a model gets: system, user and documents apart, because they are trusted to different degrees."""

    system: str
    user: str
    question: str
    contexts: tuple[Hit, ...]


@dataclass(frozen=True, slots=True)
class ModelReply:
    """What a model said; `[2]` in the text cites the second context.

    model: the entry of the route that answered; served_model: what the endpoint calls it. fallback: why the entries
    before it did not. reused: the ledger had the reply, so nothing was paid now.
    """

    text: str
    model: str
    usage: Usage
    cost_usd: float = 0.0
    served_model: str = ""
    fingerprint: str | None = None
    first_token_ms: float | None = None
    fallback: str = ""
    reused: bool = False
