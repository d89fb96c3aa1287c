"""What can be asked of an endpoint, what comes back, and the ways in which it fails."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from knowledge.errors import PlumblineError

Kind = Literal[
    "rate_limit",  # 429
    "server_error",  # 5xx, 408, 409: nothing was made
    "connection",  # nobody answers there: nothing was sent
    "reset",  # the connection or the stream broke off while the reply was awaited
    "timeout",  # no first token, or no end, within the limit; also a gateway's limit
    "malformed",  # a reply that is not the JSON it should be
    "empty",  # a reply without choices
    "wrong_schema",  # a reply that breaks the schema, also after its repair
    "content_filter",  # the provider withholds the answer
    "rejected",  # the provider refuses the request: key, quota, model, size
    "circuit_open",  # too many failures in a row: not asked
    "too_large",  # its worst case is beyond the budget of one call: not asked
    "over_budget",  # its worst case does not fit into what is left of a budget: not asked
]
RETRIED: frozenset[Kind] = frozenset(
    ("rate_limit", "server_error", "connection", "reset", "timeout", "malformed", "empty")
)
NOT_CHARGED: frozenset[Kind] = frozenset(("rate_limit", "server_error", "connection", "rejected"))


@dataclass(frozen=True, slots=True)
class Schema:
    """The JSON schema a reply must keep to, under the name the provider is told."""

    name: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """Messages (`role`, `content`) and how to answer them. max_output_tokens bounds what a reply can cost.

    options: further fields of the API (`temperature`, `reasoning_effort` …), sent as they are.
    """

    messages: tuple[Mapping[str, str], ...]
    max_output_tokens: int
    schema: Schema | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    stream: bool = False

    def content(self) -> dict[str, Any]:
        """What decides the reply, as plain JSON values: how it travels (`stream`) does not."""
        schema = {"name": self.schema.name, "schema": dict(self.schema.schema)} if self.schema else None
        return {
            "messages": [dict(each) for each in self.messages],
            "max_output_tokens": self.max_output_tokens,
            "schema": schema,
            "options": dict(self.options),
        }

    @property
    def worst_tokens(self) -> tuple[int, int]:
        """The most it can take in and give out: a token is at least one byte; the frame of a message is a few."""
        sent = json.dumps([self.content()["messages"], self.content()["schema"]], ensure_ascii=False)
        return len(sent.encode("utf-8", "surrogatepass")) + 16 * len(self.messages), self.max_output_tokens


def read_chat_request(content: Mapping[str, Any]) -> ChatRequest:
    """The request whose `content()` this is."""
    schema = Schema(**content["schema"]) if content["schema"] else None
    return ChatRequest(tuple(content["messages"]), content["max_output_tokens"], schema, content["options"])


@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    """Texts to embed, in vectors of so many dimensions. shorten: the endpoint is asked to cut its vectors to that."""

    texts: tuple[str, ...]
    dimensions: int
    shorten: bool = False

    def content(self) -> dict[str, Any]:
        """What decides the vectors, as plain JSON values."""
        return {"texts": list(self.texts), "dimensions": self.dimensions, "shorten": self.shorten}

    @property
    def worst_tokens(self) -> tuple[int, int]:
        """A token is at least one byte."""
        return sum(len(text.encode("utf-8", "surrogatepass")) + 8 for text in self.texts), 0


Request = ChatRequest | EmbeddingRequest


def request_digest(request: Request, route: Sequence[str]) -> str:
    """Names exactly what is asked, and of which models in which order. SHA-256, hexadecimal."""
    text = json.dumps([request.content(), list(route)], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Reply:
    """One endpoint's answer to one attempt.

    payload: what the ledger keeps (`text`, `finish_reason`; or `vectors`). Tokens are None where none were told.
    """

    payload: Mapping[str, Any]
    model_served: str
    fingerprint: str | None = None
    input_tokens: int | None = None
    cached_tokens: int = 0
    output_tokens: int | None = None
    latency_ms: float = 0.0
    first_token_ms: float | None = None


class ModelError(Exception):
    """One attempt that brought nothing. reply: what came nevertheless, with the tokens it took."""

    def __init__(
        self, kind: Kind, detail: str, *, retry_after_seconds: float | None = None, reply: Reply | None = None
    ):
        super().__init__(f"{kind}: {detail}")
        self.kind: Kind = kind
        self.detail = detail
        self.retry_after_seconds = retry_after_seconds
        self.reply = reply


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A model of the route that did not answer, and why."""

    model: str
    kind: Kind
    detail: str


class CallError(PlumblineError):
    """No model of a route answered."""

    def __init__(self, passed_over: Sequence[PassedOver]):
        self.passed_over = tuple(passed_over)
        tried = "; ".join(f"{each.model}: {each.kind} ({each.detail})" for each in passed_over)
        super().__init__(f"no model answered. {tried}.")


class BudgetError(CallError):
    """A call was not made because no model of its route fits into what is left of a budget."""
