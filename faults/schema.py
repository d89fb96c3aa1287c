"""Replies to requests for JSON by a schema: an instance of it, a judge's word, or JSON that breaks it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from faults.words import content_words, numbers, sentences

MIN_WORDS = 0.4  # share of the reference's content words that a good answer holds

_HEADING = re.compile(r"^(Reference answer|Answer|[A-Z][a-z]+(?: [a-z]+){0,2}(?=:[ \t]*$)):", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether an answer holds what the reference says, and why."""

    good: bool
    reason: str


def judge(user: str) -> Judgement | None:
    """The judgement on a prompt with the sections `Reference answer:` and `Answer:`; None for another prompt."""
    _, *parts = _HEADING.split(user)
    sections = {name: text.strip() for name, text in zip(parts[::2], parts[1::2], strict=True)}
    if not {"Reference answer", "Answer"} <= set(sections):
        return None
    reference, answer = sections["Reference answer"], sections["Answer"]
    whole = _compare(reference, answer)
    # "The documents do not tell. They name only …": what follows the first sentence may be left out
    first = _compare(next(iter(sentences(reference)), ""), answer)
    return whole if whole.good else first if first.good else whole


def _compare(reference: str, answer: str) -> Judgement:
    if missing := sorted(numbers(reference) - numbers(answer)):
        return Judgement(False, f"The answer does not hold {', '.join(missing)}.")
    wanted = content_words(reference)
    held = len(wanted & content_words(answer))
    good = held >= MIN_WORDS * len(wanted)
    return Judgement(good, f"The answer holds {held} of {len(wanted)} content words of the reference.")


def instance(schema: Mapping[str, Any], user: str) -> Any:
    """An instance of the schema; in a judge's prompt its first boolean is the judgement, and its marks go with it."""
    made = _make(schema, schema)
    judgement = judge(user)
    if judgement is None or not isinstance(made, dict):
        return made
    for name, value in made.items():
        if isinstance(value, bool):
            made[name] = judgement.good
            break
    for name, marks in _marks(schema).items():
        made[name] = max(marks) if judgement.good else min(marks)
    for name, value in made.items():
        if isinstance(value, str) and "enum" not in schema.get("properties", {}).get(name, {}):
            made[name] = judgement.reason
            break
    return made


def _marks(schema: Mapping[str, Any]) -> dict[str, list[int]]:
    """The properties that are one of several whole numbers."""
    listed = {name: each.get("enum", ()) for name, each in schema.get("properties", {}).items()}
    return {name: list(marks) for name, marks in listed.items() if marks and all(type(each) is int for each in marks)}


def broken_instance(schema: Mapping[str, Any]) -> Any:
    """JSON that is no instance of the schema: every required key with a value of another type."""
    names = _required(schema)
    if not names:
        return [] if schema.get("type") == "object" else {"unexpected": True}
    made = instance(schema, "")
    return {name: "none" if isinstance(made[name], dict | list) else {} for name in names}


def _required(schema: Mapping[str, Any]) -> list[str]:
    properties = schema.get("properties", {})
    return [name for name in schema.get("required", properties) if name in properties]


def _make(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    schema = _resolved(schema, root)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    kinds = schema.get("type", "object" if "properties" in schema else "string")
    kind = next((each for each in kinds if each != "null"), "null") if isinstance(kinds, list) else kinds
    if kind == "object":
        return {name: _make(schema["properties"][name], root) for name in _required(schema)}
    if kind == "array":
        return [_make(schema.get("items", {}), root) for _ in range(schema.get("minItems", 0))]
    if kind in ("integer", "number"):
        return schema.get("minimum", min(0, schema.get("maximum", 0)))
    if kind == "string":
        return "text".ljust(schema.get("minLength", 0), ".")[: schema.get("maxLength")]
    return False if kind == "boolean" else None


def _resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema that is meant: a reference into the same document followed, the first of several taken."""
    while True:
        if "$ref" in schema:
            found: Any = root
            for part in schema["$ref"].removeprefix("#").strip("/").split("/"):
                found = found[part] if part else found
            schema = found
        elif choices := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
            schema = choices[0]
        else:
            return schema
