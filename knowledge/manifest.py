"""A manifest: one YAML file is one assistant, and the unit of change."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from knowledge.content import Content, read_content
from knowledge.digest import digest
from knowledge.errors import ContentError
from knowledge.source import NAME

LOCAL_MODEL = "local/extractive"
MODEL = r"^[a-z0-9][a-z0-9_-]*/\S+$"  # provider/model, as the provider calls it

Option = str | float | int | bool


class Prompt(Content):
    """The text sent to the model; `{{variable}}` marks what is filled in."""

    variables: tuple[str, ...]
    system: str = Field(min_length=1)
    user: str = Field(min_length=1)

    @model_validator(mode="after")
    def _variables_are_declared(self) -> "Prompt":
        used = set(re.findall(r"\{\{\s*(\w+)\s*\}\}", self.system + self.user))
        if unknown := sorted(used - set(self.variables)):
            raise ValueError(
                f"prompt uses {{{{{unknown[0]}}}}} but declares only {', '.join(self.variables) or 'nothing'}. "
                "Add it under 'variables'"
            )
        return self

    @property
    def prompt_digest(self) -> str:
        """Names exactly this text and its variables; stored with every answer."""
        return digest(self.model_dump(mode="json"))

    def fill(self, **values: str) -> tuple[str, str]:
        """System and user text with every variable filled in, in one pass: a value is never read as a variable."""

        def value(match: re.Match[str]) -> str:
            return values[match[1]]

        pattern = r"\{\{\s*(\w+)\s*\}\}"
        return re.sub(pattern, value, self.system), re.sub(pattern, value, self.user)


class Retrieval(Content):
    """How passages are found: how many, and how many tokens of them the model gets to see.

    min_score: the least cosine of passage and question. collapse: near-duplicates are one passage. neighbours: so many
    passages before and after each are joined to it.
    """

    limit: int = Field(default=6, ge=1, le=50)
    max_context_tokens: int = Field(default=1500, ge=100, le=100_000)
    min_score: float | None = Field(default=None, ge=0, le=1)
    collapse: bool = False
    neighbours: int = Field(default=0, ge=0, le=10)


class Generation(Content):
    """How a hosted model is asked. max_output_tokens bounds what a reply costs; options are the API's further fields.

    Options are sent as they are, such as `temperature: 0` or `reasoning_effort: low`.
    """

    max_output_tokens: int = Field(default=800, ge=1, le=1_000_000)
    options: Mapping[str, Option] = {}

    @field_validator("options")
    @classmethod
    def _ours_are_set_by_us(cls, options: Mapping[str, Option]) -> Mapping[str, Option]:
        ours = {"model", "messages", "stream", "n", "response_format", "max_tokens", "max_completion_tokens"}
        if taken := sorted(ours & options.keys()):
            raise ValueError(f"'{taken[0]}' is set by the assistant itself; take it out")
        return options


class Replies(Content):
    """The words by which an outcome is recognised, whichever model wrote them."""

    refusal: str = "The documents do not tell."
    clarification: str = "Do you mean"


class Judge(Content):
    """Who judges the answers: a prompt in `evals/judges/`, and the models that are asked, the first that replies."""

    name: str = Field(pattern=NAME)
    route: tuple[Annotated[str, Field(pattern=r"^[\w.-]+/\S+$")], ...] = Field(min_length=1)


class Manifest(Content):
    """One assistant: collection, prompt, model route, retrieval, policy, suites, and who judges its answers."""

    assistant: str = Field(pattern=NAME)
    description: str = ""
    collection: str = Field(pattern=NAME)
    route: tuple[str, ...] = Field(default=(LOCAL_MODEL,), min_length=1)
    generation: Generation = Generation()
    prompt: Prompt
    replies: Replies = Replies()
    retrieval: Retrieval = Retrieval()
    policy: str
    suites: tuple[str, ...] = Field(min_length=1)
    judge: Judge | None = None

    @field_validator("route")
    @classmethod
    def _models_are_named(cls, route: tuple[str, ...]) -> tuple[str, ...]:
        for model in route:
            if model.startswith("local/") and model != LOCAL_MODEL:
                raise ValueError(f"'{model}' is not embedded here; {LOCAL_MODEL} is")
            if not re.fullmatch(MODEL, model):
                raise ValueError(f"'{model}' is no model; write PROVIDER/MODEL, such as openai/gpt-4.1-mini")
            if route.count(model) > 1:
                raise ValueError(f"'{model}' stands twice; once is enough")
        if LOCAL_MODEL in route[:-1]:
            raise ValueError(f"{LOCAL_MODEL} always answers, so nothing after it is ever asked; put it last")
        return route

    @property
    def manifest_digest(self) -> str:
        """Names exactly this content; a comment or a reordering in the file does not change it."""
        return digest(self._content({"generation": True} if self.generation == Generation() else {}))

    @property
    def digest_without_prompt(self) -> str:
        """Names the content but for the prompt."""
        return digest(self._content({"prompt": True}))

    def _content(self, left_out: dict[str, Any]) -> dict[str, Any]:
        # without what is not set, so that a key that comes later leaves the digests of earlier nights as they were
        usual = {"retrieval": {name for name in ("collapse", "neighbours") if not getattr(self.retrieval, name)}}
        return self.model_dump(mode="json", exclude_none=True, exclude=usual | left_out)

    @property
    def prompt_digest(self) -> str:
        """Names exactly the prompt."""
        return self.prompt.prompt_digest


def read_manifests(folder: Path) -> dict[str, Manifest]:
    """Every assistant in `folder`, by name. Raises ContentError."""
    manifests: dict[str, Manifest] = {}
    for path in sorted(folder.glob("*.yaml")):
        manifest = read_content(path, Manifest)
        if manifest.assistant != path.stem:
            raise ContentError(f"{path}: assistant is '{manifest.assistant}'. The file must have the same name.")
        manifests[manifest.assistant] = manifest
    return manifests


def read_manifest(folder: Path, assistant: str) -> Manifest:
    """The manifest of one assistant. Raises ContentError that names those there are."""
    manifests = read_manifests(folder)
    if assistant not in manifests:
        known = ", ".join(manifests) or "none"
        raise ContentError(
            f"assistant '{assistant}': no {folder.name}/{assistant}.yaml. There are: {known}. "
            "Name one of them, or write that file."
        )
    return manifests[assistant]
