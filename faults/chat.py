"""Chat completions: a request read, answered, and written as one body or as a stream of events."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from faults.assistant import answer
from faults.replies import RefusedError, Reply, Usage, dump
from faults.schema import broken_instance, instance
from faults.settings import Behaviours
from faults.words import count_tokens, cut_to_tokens

WORDS_A_CHUNK = 3  # about what a token stream of a real endpoint looks like in its bursts

Finish = Literal["stop", "length", "content_filter"]


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What is asked. digest: of the whole body; schema: None where plain text is wanted."""

    digest: str
    model: str
    system: str
    user: str
    schema: Mapping[str, Any] | None
    max_tokens: int | None
    stream: bool
    include_usage: bool
    prompt_tokens: int


@dataclass(frozen=True, slots=True)
class Completion:
    """What is answered. text: None where the reply has no choice at all."""

    text: str | None
    finish: Finish = "stop"


def read_chat(content: Mapping[str, Any], digest: str) -> ChatRequest:
    """The request in a body. Raises RefusedError."""
    model, messages = content.get("model"), content.get("messages")
    if not isinstance(model, str) or not model:
        raise RefusedError("you must provide a model parameter")
    if not isinstance(messages, list) or not messages or not all(isinstance(each, dict) for each in messages):
        raise RefusedError("'messages' must be a list of messages, at least one.")
    if content.get("n") not in (None, 1):
        raise RefusedError("'n' is not 1. The fault server gives one choice.")
    limit = content.get("max_completion_tokens", content.get("max_tokens"))
    if limit is not None and (not isinstance(limit, int) or limit < 1):
        raise RefusedError("'max_completion_tokens' must be a whole number of 1 or more.")
    options = content.get("stream_options")
    texts = [(each.get("role"), _text(each.get("content"))) for each in messages]
    asked = [text for role, text in texts if role == "user"]
    return ChatRequest(
        digest=digest,
        model=model,
        system="\n".join(text for role, text in texts if role in ("system", "developer")),
        user=asked[-1] if asked else "",
        schema=_schema(content.get("response_format")),
        max_tokens=limit,
        stream=content.get("stream") is True,
        include_usage=isinstance(options, dict) and options.get("include_usage") is True,
        prompt_tokens=sum(count_tokens(text) for _, text in texts),
    )


def _text(content: object) -> str:
    """The text of a message, also of one in several parts."""
    if isinstance(content, list):
        return "\n".join(
            each["text"] for each in content if isinstance(each, dict) and isinstance(each.get("text"), str)
        )
    return content if isinstance(content, str) else ""


def _schema(wanted: object) -> Mapping[str, Any] | None:
    if not isinstance(wanted, dict) or wanted.get("type") in (None, "text"):
        return None
    if wanted["type"] == "json_object":
        return {"type": "object", "properties": {"text": {"type": "string"}}}
    form = wanted.get("json_schema")
    schema = form.get("schema") if isinstance(form, dict) else None
    if not isinstance(schema, dict):
        raise RefusedError("'response_format.json_schema.schema' is missing.")
    return schema


def complete(request: ChatRequest, behaviours: Behaviours) -> Completion:
    """The answer: the same for the same request. Raises RefusedError."""
    if request.schema is None:
        text = answer(request.system, request.user, behaviours)
    else:
        try:
            text = json.dumps(instance(request.schema, request.user), ensure_ascii=False)
        except (KeyError, TypeError, AttributeError, RecursionError):
            raise RefusedError("Invalid schema for response_format: it cannot be followed.") from None
    return _limited(Completion(text), request.max_tokens)


def break_schema(request: ChatRequest) -> Completion:
    """JSON that is no instance of the schema that was asked for."""
    return _limited(Completion(json.dumps(broken_instance(request.schema or {}))), request.max_tokens)


def _limited(completion: Completion, max_tokens: int | None) -> Completion:
    text = completion.text or ""
    if max_tokens is None or count_tokens(text) <= max_tokens:
        return completion
    return replace(completion, text=cut_to_tokens(text, max_tokens), finish="length")


def write_chat(request: ChatRequest, completion: Completion, behaviours: Behaviours) -> Reply:
    """The reply with this completion, as one body or as events."""
    usage = Usage(request.prompt_tokens, count_tokens(completion.text or ""))
    head = {
        "id": f"chatcmpl-{request.digest[:24]}",
        "created": int(time.time()),
        "model": behaviours.served_model or request.model,
        "system_fingerprint": behaviours.system_fingerprint,
    }
    if request.stream:
        return _stream(request, completion, head, usage)
    message = {"role": "assistant", "content": completion.text, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": completion.finish}
    choices = [] if completion.text is None else [choice]
    body = {**head, "object": "chat.completion", "choices": choices, "usage": usage.as_row()}
    return Reply(dump(body), usage=usage)


def _stream(request: ChatRequest, completion: Completion, head: Mapping[str, Any], usage: Usage) -> Reply:
    head = {**head, "object": "chat.completion.chunk"}

    def event(choices: list[dict[str, Any]], **more: object) -> bytes:
        return b"data: " + dump({**head, "choices": choices, **more}) + b"\n\n"

    def delta(content: dict[str, str], finish: Finish | None = None) -> bytes:
        return event([{"index": 0, "delta": content, "logprobs": None, "finish_reason": finish}])

    events = [event([])]
    if completion.text is not None:
        pieces = [delta({"content": piece}) for piece in _pieces(completion.text)]
        events = [delta({"role": "assistant", "content": ""}), *pieces, delta({}, completion.finish)]
    if request.include_usage:
        events.append(event([], usage=usage.as_row()))
    return Reply(usage=usage, chunks=(*events, b"data: [DONE]\n\n"), content_type="text/event-stream")


def _pieces(text: str) -> list[str]:
    words = text.split(" ")
    starts = range(0, len(words), WORDS_A_CHUNK)
    pieces = [" ".join(words[start : start + WORDS_A_CHUNK]) for start in starts]
    return [piece if number == 0 else f" {piece}" for number, piece in enumerate(pieces)]
