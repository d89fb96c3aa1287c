"""How the server behaves: what `/control`, `--faults` and the Python handle take."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

Kind = Literal[
    "rate_limit",
    "overloaded",
    "server_error",
    "hang",
    "reset",
    "reset_midway",
    "slow_drip",
    "malformed",
    "empty_choices",
    "content_filter",
    "content_filter_prompt",
    "wrong_schema",
]
BatchEnd = Literal["completed", "expired", "failed"]
BATCH = "batch:"  # before a path: the lines of a batch, not calls


class SettingsError(Exception):
    """Settings that cannot be used; the message is one line that names the key."""


class Model(BaseModel):
    """A group of settings: frozen, refusing keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Spread(Model):
    """Seconds between two bounds; which of them is drawn from the number of the call."""

    low: float = Field(ge=0)
    high: float = Field(ge=0)

    @model_validator(mode="after")
    def _ordered(self) -> "Spread":
        if self.low > self.high:
            raise ValueError(f"low is {self.low:g} and high is {self.high:g}; swap them")
        return self


Seconds = float | Spread


class Rule(Model):
    """Which calls meet with which fault: a share of them, every Nth, the first N, or (none given) all."""

    kind: Kind
    share: float | None = Field(default=None, ge=0, le=1)
    every: int | None = Field(default=None, ge=1)
    first: int | None = Field(default=None, ge=1)
    path: str | None = None
    model: str | None = None
    retry_after: float | None = Field(default=None, ge=0)
    seconds: float | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _one_choice(self) -> "Rule":
        given = [name for name in ("share", "every", "first") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} are both given; keep one")
        return self

    def covers(self, path: str, model: str) -> bool:
        """Whether a call of this path that asks this model is among those the rule is about."""
        if self.model not in (None, model):
            return False
        return not path.startswith(BATCH) if self.path is None else path.startswith(self.path)


class Price(Model):
    """US dollars for a million tokens. Lines of a batch cost half."""

    input: float = Field(default=0.15, ge=0)
    output: float = Field(default=0.60, ge=0)


class Behaviours(Model):
    """How the model answers; whatever is set works together."""

    terser: bool = False
    wordier: bool = False
    wrong_on: str | None = None
    refuses_more: float = Field(default=0.0, ge=0, le=1)
    breaks_citations: float = Field(default=0.0, ge=0, le=1)
    another_model: bool = False
    served_model: str | None = None
    system_fingerprint: str = "fp_plumbline"
    usd_per_million: Price = Price()

    @field_validator("wrong_on")
    @classmethod
    def _pattern(cls, text: str | None) -> str | None:
        try:
            re.compile(text or "")
        except re.error as problem:
            raise ValueError(f"no regular expression ({problem})") from None
        return text

    @model_validator(mode="after")
    def _one_length(self) -> "Behaviours":
        if self.terser and self.wordier:
            raise ValueError("terser and wordier are both set; keep one")
        return self


PRESETS: Mapping[str, tuple[Rule, ...]] = {
    "none": (),
    "bad-night": (
        Rule(kind="rate_limit", share=0.10, retry_after=1),
        Rule(kind="server_error", share=0.05),
        Rule(kind="hang", share=0.01),
    ),
    "rate-limited": (Rule(kind="rate_limit", share=0.5, retry_after=1),),
    "broken-replies": (
        Rule(kind="malformed", share=0.05),
        Rule(kind="empty_choices", share=0.05),
        Rule(kind="wrong_schema", share=0.10),
        Rule(kind="content_filter", share=0.05),
    ),
    "bad-network": (
        Rule(kind="reset", share=0.05),
        Rule(kind="reset_midway", share=0.05),
        Rule(kind="slow_drip", share=0.05, seconds=5),
    ),
    "outage": (Rule(kind="overloaded", share=1.0, retry_after=5),),
}


class Settings(Model):
    """All settings; what is left out has its default."""

    latency_seconds: Seconds = 0.0
    batch_seconds: Seconds = 1.0
    batch_ends: BatchEnd = "completed"
    faults: tuple[Rule, ...] = ()
    charge_lost: bool = True
    behaviours: Behaviours = Behaviours()

    @field_validator("faults", mode="before")
    @classmethod
    def _preset(cls, given: object) -> object:
        if not isinstance(given, str):
            return given
        if given not in PRESETS:
            raise ValueError(f"no preset; there are {', '.join(PRESETS)}")
        return PRESETS[given]

    @field_validator("latency_seconds", "batch_seconds")
    @classmethod
    def _not_negative(cls, seconds: Seconds) -> Seconds:
        if isinstance(seconds, float) and seconds < 0:
            raise ValueError("give 0 or more")
        return seconds


def parse_settings(given: object) -> Settings:
    """Settings from plain values. Raises SettingsError."""
    try:
        return Settings.model_validate(given)
    except ValidationError as problem:
        raise SettingsError(_explain(problem)) from None


def read_settings(given: str) -> Settings:
    """Settings by the name of a preset, or from a YAML file with the keys of `/control`. Raises SettingsError."""
    import yaml

    if given in PRESETS:
        return Settings(faults=PRESETS[given])
    try:
        content: Any = yaml.safe_load(Path(given).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"{given}: neither a file nor a preset. There are {', '.join(PRESETS)}.") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as problem:
        raise SettingsError(f"{given}: cannot be read ({' '.join(str(problem).split())}).") from None
    try:
        return parse_settings(content if content is not None else {})
    except SettingsError as problem:
        raise SettingsError(f"{given}: {problem}") from None


def _explain(problem: ValidationError) -> str:
    """The first thing wrong: which key, and what is wrong with it."""
    errors = problem.errors()
    # of a union's branches, the one that was meant: not "this is no number" of what has keys
    first = next((each for each in errors if each["type"] not in ("float_type", "model_type")), errors[0])
    # the names of a union's branches are no keys
    parts = [str(part) for part in first["loc"]]
    key = ".".join(part for part in parts if part not in ("float", "Spread") and not part.startswith("function-"))
    if first["type"] == "extra_forbidden":
        return f"unknown key '{key}'. Remove it, or correct its name."
    what = first["msg"].removeprefix("Value error, ")
    if first["type"] == "literal_error" and key.endswith("kind"):
        what = f"no such kind; there are {', '.join(get_args(Kind))}"
    return f"'{key}': {what}. Correct it." if key else f"{what}. Correct it."
