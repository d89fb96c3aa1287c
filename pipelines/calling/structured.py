"""Replies that keep to a JSON schema: checked here, and asked for once more where they do not."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from pipelines.batch import Result
from pipelines.calling.request import CallError, ChatRequest, PassedOver


@dataclass(frozen=True, slots=True)
class Structured:
    """The parsed reply, and every result that was needed for it, the one it stands in last."""

    content: dict[str, Any]
    results: tuple[Result, ...]

    @property
    def cost_usd(self) -> float:
        """What all of it cost, whenever it was paid."""
        return sum(each.charge.cost_usd for each in self.results)


async def buy_structured(request: ChatRequest, buy: Callable[[ChatRequest], Awaitable[Result]]) -> Structured:
    """The reply to a request with a schema; a broken one is shown to the model once, with what is wrong.

    Raises CallError when the repaired one is broken as well.
    """
    first = await buy(request)
    content, problem = _read(first, request)
    if content is not None:
        return Structured(content, (first,))
    said = {"role": "assistant", "content": first.payload["text"]}
    order = {
        "role": "user",
        "content": f"That does not fit the schema: {problem}. Reply with the corrected JSON alone.",
    }
    second = await buy(replace(request, messages=(*request.messages, said, order)))
    content, problem = _read(second, request)
    if content is None:
        raise CallError([PassedOver(second.model, "wrong_schema", problem)])
    return Structured(content, (first, second))


def _read(result: Result, request: ChatRequest) -> tuple[dict[str, Any] | None, str]:
    """The content, or None and what is wrong with it."""
    if request.schema is None:
        raise ValueError("the request has no schema")
    try:
        content = json.loads(result.payload["text"])
    except ValueError as problem:
        return None, f"it is not JSON ({problem})"
    broken = best_match(_validator(json.dumps(dict(request.schema.schema))).iter_errors(content))
    return (None, f"{broken.json_path}: {broken.message}"[:300]) if broken else (content, "")


@cache
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads(schema))
