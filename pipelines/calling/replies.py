"""What an endpoint sends back, read without trust: whatever it is, it becomes a reply or a ModelError."""

import base64
import json
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipelines.calling.request import EmbeddingRequest, ModelError, Reply

MOST_TOKENS = 2**31 - 1  # of one call; more is no count, and more than the ledger's columns hold


@dataclass(slots=True)
class Heard:
    """What a stream has told so far."""

    started: float
    first_token_ms: float | None = None
    pieces: list[str] = field(default_factory=list)
    told: dict[str, Any] = field(default_factory=dict)
    finish_reason: str | None = None

    def take(self, chunk: dict[str, Any]) -> None:
        """Add a piece of the stream. Raises ModelError."""
        self.told |= {name: chunk[name] for name in ("model", "system_fingerprint", "usage") if chunk.get(name)}
        for choice in _choices(chunk):
            self.told["choices"] = True
            piece = _text(as_object(choice.get("delta") or {}, "a piece of the stream"))
            if piece and self.first_token_ms is None:
                self.first_token_ms = since(self.started)
            self.pieces.append(piece)
            self.finish_reason = choice.get("finish_reason") or self.finish_reason

    def reply(self, model: str) -> Reply:
        """The whole, as a reply that was not streamed. Raises ModelError."""
        if self.told.pop("choices", False):
            if self.finish_reason is None:
                raise ModelError("reset", "the stream ended before the reply did")
            choice = {"message": {"content": "".join(self.pieces)}, "finish_reason": self.finish_reason}
            self.told["choices"] = [choice]
        return _completion(self.told, model, since(self.started), self.first_token_ms)


def read_completion(text: str, *, model: str, latency_ms: float) -> Reply:
    """The reply in a chat completion's JSON. Raises ModelError."""
    return _completion(json_object(text), model, latency_ms, None)


def read_embeddings(text: str, request: EmbeddingRequest, *, model: str, latency_ms: float) -> Reply:
    """The vectors in an embedding's JSON, each as base64 of float32; some endpoints give numbers. Raises ModelError."""
    content = json_object(text)
    usage = _usage(content)
    try:
        rows = sorted(content["data"], key=lambda row: row["index"])
        vectors = [_vector(row["embedding"]) for row in rows]
        places = [row["index"] for row in rows]
    except (KeyError, TypeError, ValueError, OverflowError) as problem:
        raise ModelError("malformed", f"no vectors in the reply ({one_line(problem)})") from None
    shapes = {vector.shape for vector in vectors}
    if places != list(range(len(request.texts))) or shapes - {(request.dimensions,)}:
        got = f"{len(vectors)} vectors of the shapes {sorted(shapes)}"
        raise ModelError("malformed", f"{got} for {len(request.texts)} texts of {request.dimensions} dimensions")
    if not all(np.isfinite(vector).all() for vector in vectors):
        raise ModelError("malformed", "a vector holds what is no number")
    return Reply(
        payload={"vectors": [base64.b64encode(vector.tobytes()).decode() for vector in vectors]},
        model_served=_name(content.get("model")) or model,
        input_tokens=_tokens(usage.get("prompt_tokens")),
        output_tokens=0,
        latency_ms=latency_ms,
    )


def _vector(given: object) -> np.ndarray[Any, np.dtype[np.float32]]:
    if isinstance(given, str):
        return np.frombuffer(base64.b64decode(given, validate=True), "<f4")
    with np.errstate(over="ignore"):  # what is beyond float32 is infinite, and refused as that
        return np.asarray(given, np.float64).astype("<f4")


def _completion(content: dict[str, Any], model: str, latency_ms: float, first_token_ms: float | None) -> Reply:
    usage, choices = _usage(content), _choices(content)
    choice = choices[0] if choices else {}
    finish_reason = _name(choice.get("finish_reason"))
    input_tokens = _tokens(usage.get("prompt_tokens"))
    details = usage.get("prompt_tokens_details")
    cached = _tokens(details.get("cached_tokens")) if isinstance(details, dict) else None
    reply = Reply(
        payload={"text": _text(as_object(choice.get("message") or {}, "a message")), "finish_reason": finish_reason},
        model_served=_name(content.get("model")) or model,
        fingerprint=_name(content.get("system_fingerprint")),
        input_tokens=input_tokens,
        cached_tokens=min(cached or 0, input_tokens or 0),
        output_tokens=_tokens(usage.get("completion_tokens")),
        latency_ms=latency_ms,
        first_token_ms=first_token_ms,
    )
    if not choices:
        raise ModelError("empty", f"the reply holds no choices {one_line(content.get('error') or '')}", reply=reply)
    if finish_reason == "content_filter":
        raise ModelError("content_filter", "the provider withholds its reply", reply=reply)
    return reply


def _choices(content: dict[str, Any]) -> list[dict[str, Any]]:
    choices = content.get("choices") or []
    if not isinstance(choices, list):
        raise ModelError("malformed", f"the choices are no list but {type(choices).__name__}")
    return [as_object(choice, "a choice") for choice in choices]


def _text(message: dict[str, Any]) -> str:
    """What a message says, also where it is a refusal; null says nothing."""
    text = message.get("content") or message.get("refusal") or ""
    if not isinstance(text, str):
        raise ModelError("malformed", f"the content of a message is no text but {type(text).__name__}")
    return text


def _usage(content: dict[str, Any]) -> dict[str, Any]:
    usage = content.get("usage")
    return usage if isinstance(usage, dict) else {}


def _tokens(told: object) -> int | None:
    """A count of tokens; None for what can be none, so that the call is charged at its reservation."""
    return told if type(told) is int and 0 <= told <= MOST_TOKENS else None


def _name(told: object) -> str | None:
    return told if isinstance(told, str) and told else None


def json_object(text: str) -> dict[str, Any]:
    """The object in a reply. Raises ModelError."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise ModelError("malformed", f"the reply is not JSON ({one_line(problem)})") from None
    return as_object(content, "the reply")


def as_object(content: object, what: str) -> dict[str, Any]:
    """A JSON object, called so in the error where it is none. Raises ModelError."""
    if not isinstance(content, dict):
        raise ModelError("malformed", f"{what} is no JSON object but {type(content).__name__}")
    return content


def since(started: float) -> float:
    """Milliseconds by the performance counter."""
    return round((time.perf_counter() - started) * 1000, 2)


def one_line(problem: object) -> str:
    """An error's words, short enough for a line."""
    return " ".join(str(problem).split())[:200]
