"""Reading the YAML files that people write: typed, unknown keys refused by name, one clear line on error."""

from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from knowledge.errors import ContentError, PlumblineError


class Content(BaseModel):
    """A piece of written content: frozen, refusing keys it does not know and numbers that are not finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


C = TypeVar("C", bound=BaseModel)


def read_content(path: Path, kind: type[C], *, error: type[PlumblineError] = ContentError) -> C:
    """Read one YAML file as `kind`. Raises `error` with one line that names file, key and what is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise error(f"{path}: no such file. Create it, or correct the name that leads here.") from None
    except (OSError, UnicodeDecodeError) as problem:
        raise error(f"{path}: cannot be read ({problem}). It must be a UTF-8 text file.") from None
    try:
        content = _load(text)
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        place = f":{mark.line + 1}" if mark else ""
        what = getattr(problem, "problem", None) or "not valid YAML"
        raise error(f"{path}{place}: unreadable YAML ({what}). Correct that line.") from None
    except ValueError as problem:
        raise error(f"{path}: unreadable YAML ({problem}). Correct that value.") from None
    if not isinstance(content, dict):
        raise error(f"{path}: expected keys and values, found {type(content).__name__}. See the files beside it.")
    try:
        return kind.model_validate(content)
    except ValidationError as problem:
        raise error(f"{path}: {explain(problem, kind)}") from None


def _load(text: str) -> object:
    """Read by libyaml, ten times as fast; what it cannot read is read again by the parser that names the right line."""
    try:
        return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError:
        return yaml.safe_load(text)


def explain(problem: ValidationError, kind: type[BaseModel]) -> str:
    """The first thing wrong, in words: which key, what is wrong with it, what would be right."""
    first = problem.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    more = f" ({problem.error_count() - 1} more after it)" if problem.error_count() > 1 else ""
    if first["type"] == "extra_forbidden":
        known = _known_keys(kind, first["loc"][:-1])
        return f"unknown key '{key}'{more}. Known there: {', '.join(known)}."
    if first["type"] == "missing":
        return f"key '{key}' is missing{more}. Add it."
    what = first["msg"].removeprefix("Value error, ")
    if not key or len(repr(first["input"])) > 80:
        return f"{key and f'{key!r}: '}{what}{more}. Correct it."
    return f"'{key}' is {first['input']!r}: {what}{more}. Correct it."


def _known_keys(kind: type[BaseModel], place: tuple[int | str, ...]) -> list[str]:
    """The keys that are allowed at a place inside `kind`."""
    model: object = kind
    for part in place:
        if isinstance(part, str) and isinstance(model, type) and issubclass(model, BaseModel):
            annotation = model.model_fields[part].annotation if part in model.model_fields else None
            inner = [a for a in getattr(annotation, "__args__", ()) if isinstance(a, type)]
            model = next((a for a in inner if issubclass(a, BaseModel)), annotation)
    if isinstance(model, type) and issubclass(model, BaseModel):
        return sorted(model.model_fields)
    return ["see the documentation"]
