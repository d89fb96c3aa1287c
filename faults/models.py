"""What the model endpoints reply to a request, with the fault that a rule plants in it; the same in a batch."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import blake2b
from typing import Any

from faults.chat import Completion, break_schema, complete, read_chat, write_chat
from faults.embedding import embed
from faults.picking import EMBEDDINGS
from faults.replies import Reply, error_reply, json_reply
from faults.settings import Behaviours, Rule

AT_ONCE = {"rate_limit", "overloaded", "content_filter_prompt"}  # said before any work is done
MODELS = ("gpt-4o-mini", "gpt-4o", "text-embedding-3-small", "text-embedding-3-large")


def digest_of(path: str, content: Mapping[str, Any]) -> str:
    """The digest of what is asked, whichever way it is written."""
    asked = json.dumps([path, content], sort_keys=True)
    return blake2b(asked.encode(), digest_size=16).hexdigest()


def reply_to(path: str, content: Mapping[str, Any], digest: str, behaviours: Behaviours, rule: Rule | None) -> Reply:
    """The reply of a model endpoint. Raises RefusedError."""
    if rule and (refusal := _refusal(rule)):
        return refusal
    if path == EMBEDDINGS:
        reply = embed(content, behaviours)
    else:
        request = read_chat(content, digest)
        completion = complete(request, behaviours)
        if rule and rule.kind == "empty_choices":
            completion = Completion(None)
        elif rule and rule.kind == "content_filter":
            completion = Completion("", "content_filter")
        elif rule and rule.kind == "wrong_schema":
            completion = break_schema(request)
        reply = write_chat(request, completion, behaviours)
    return malformed(reply) if rule and rule.kind == "malformed" else reply


def malformed(reply: Reply) -> Reply:
    """The reply with its JSON broken off; a stream ends with the broken event."""
    if reply.chunks:
        *sound, last, _done = reply.chunks
        return replace(reply, chunks=(*sound, last[: len(last) // 2] + b"\n\n"))
    return replace(reply, body=reply.body[: len(reply.body) // 2])


def plain_reply(make: Callable[[], Reply], rule: Rule | None) -> Reply:
    """The reply of an endpoint that asks no model. What a fault refuses is not done. Raises RefusedError."""
    if rule and (refusal := _refusal(rule)):
        return refusal
    return malformed(make()) if rule and rule.kind == "malformed" else make()


def list_models() -> Reply:
    """Names that clients may look for; every other name is served as well."""
    rows = [{"id": name, "object": "model", "created": 0, "owned_by": "plumbline"} for name in MODELS]
    return json_reply({"object": "list", "data": rows})


def _refusal(rule: Rule) -> Reply | None:
    later = None if rule.retry_after is None else {"Retry-After": f"{rule.retry_after:g}"}
    if rule.kind == "rate_limit":
        later = later or {"Retry-After": "1"}
        return error_reply("Rate limit reached.", status=429, code="rate_limit_exceeded", headers=later)
    if rule.kind == "overloaded":
        return error_reply("The engine is currently overloaded.", status=503, headers=later)
    if rule.kind == "server_error":
        return error_reply("The server had an error while processing your request.", status=500, headers=later)
    if rule.kind == "content_filter_prompt":
        return error_reply("The prompt was filtered by the content policy.", status=400, code="content_filter")
    return None
