"""What the ledger knows of a paid call: who it is for, what it may cost, what came back."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Purpose = Literal["answer", "judge", "embed", "label"]
Status = Literal[
    "reserved",  # about to be sent, or sent: the outcome is not known yet
    "settled",  # the reply is here
    "failed",  # the endpoint said no, or said nothing of use; cost_usd is what that cost
    "unknown",  # sent, and nobody knows what became of it: settled at its reservation
    "expired",  # settled once, but its text is past its retention: bought again
]


@dataclass(frozen=True, slots=True)
class Account:
    """Whom a call is for. `night` and `repeat` keep apart what must be bought again; the rest is for budgets."""

    purpose: Purpose
    assistant: str
    night: str = ""
    repeat: int = 0
    run: str = ""
    reader: str = ""
    segment: str = ""


@dataclass(frozen=True, slots=True)
class Amount:
    """What a call takes: tokens in and out together, money, and the time it occupies a model."""

    tokens: int = 0
    cost_usd: float = 0.0
    milliseconds: float = 0.0

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(
            self.tokens + other.tokens, self.cost_usd + other.cost_usd, self.milliseconds + other.milliseconds
        )

    def __sub__(self, other: "Amount") -> "Amount":
        return Amount(
            self.tokens - other.tokens, self.cost_usd - other.cost_usd, self.milliseconds - other.milliseconds
        )


@dataclass(frozen=True, slots=True)
class Limit:
    """How much may be taken; None is without limit."""

    tokens: int | None = None
    cost_usd: float | None = None
    milliseconds: float | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """One account that a call is charged to, such as (`assistant support`, `2026-11-21`), and its limit."""

    name: str
    period: str
    limit: Limit


@dataclass(frozen=True, slots=True)
class Purchase:
    """One attempt to buy one reply from one model.

    request_digest names what is asked (of which models, with which settings); `worst` is the most it can take.
    """

    request_digest: str
    account: Account
    model: str
    request: Mapping[str, Any]
    worst: Amount
    scopes: tuple[Scope, ...] = ()

    @property
    def key(self) -> str:
        """What is bought once: this request, for this purpose, in this night, this repeat. SHA-256, hexadecimal."""
        account = self.account
        parts = [self.request_digest, account.purpose, account.night, account.repeat]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Charge:
    """What an attempt turned out to take; the numbers the endpoint told, where it told them."""

    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    latency_ms: float = 0.0
    first_token_ms: float | None = None

    @property
    def amount(self) -> Amount:
        """What budgets count."""
        return Amount(self.input_tokens + self.output_tokens, self.cost_usd, self.latency_ms)


@dataclass(frozen=True, slots=True)
class Settlement:
    """The end of one attempt. status `unknown` is charged at its reservation, whatever `charge` says.

    reply: what `Bought` gives back (plain JSON values), for a settled one. reason: why it failed.
    """

    entry: int
    status: Status
    charge: Charge
    model_served: str | None = None
    fingerprint: str | None = None
    reply: Mapping[str, Any] | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Reserved:
    """The attempt is written down and may be sent. expired: an earlier reply stood here whose text is gone."""

    entry: int
    expired: bool = False


@dataclass(frozen=True, slots=True)
class Bought:
    """The reply stands in the ledger already; nothing needs to be paid."""

    entry: int
    model: str
    model_served: str | None
    fingerprint: str | None
    reply: Mapping[str, Any]
    charge: Charge


@dataclass(frozen=True, slots=True)
class Held:
    """Somebody who is alive is buying this very reply: wait for it. batch: the batch job it is part of."""

    entry: int
    batch: str | None = None


@dataclass(frozen=True, slots=True)
class OverBudget:
    """The worst case does not fit. what: `tokens`, `cost_usd` or `milliseconds`; taken: spent and reserved so far."""

    scope: Scope
    what: str
    limit: float
    taken: float
    asked: float


Answered = Reserved | Bought | Held | OverBudget
