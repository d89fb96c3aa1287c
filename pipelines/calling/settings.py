"""What `params.yaml` says of models: where they are, how fast they may be asked, and when to give up."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import Field, field_validator

from knowledge.content import Content
from knowledge.source import NAME
from pipelines.calling.limits import CircuitSettings
from pipelines.calling.prices import Price
from pipelines.calling.retries import Retries


class Timeouts(Content):
    """How long one attempt may take: to connect, to the first token of a stream, and in all."""

    connect_seconds: float = Field(default=10.0, gt=0)
    first_token_seconds: float = Field(default=60.0, gt=0)
    total_seconds: float = Field(default=120.0, gt=0)


class ProviderSettings(Content):
    """One provider. Its address and key may come from the environment instead: see flows/params.py.

    api_key_variable: the environment variable that holds the key; None for a server that wants none.
    """

    base_url: str | None = Field(default=None, pattern=r"^https?://")
    api_key_variable: str | None = None
    limit_field: Literal["max_completion_tokens", "max_tokens"] = "max_completion_tokens"
    concurrency: Literal["adaptive"] | int = "adaptive"
    requests_per_minute: float | None = Field(default=None, gt=0)
    tokens_per_minute: float | None = Field(default=None, gt=0)

    @field_validator("concurrency")
    @classmethod
    def _at_least_one(cls, concurrency: str | int) -> str | int:
        if isinstance(concurrency, int) and not 1 <= concurrency <= 10_000:
            raise ValueError("a number from 1 to 10000, or 'adaptive'")
        return concurrency


class BatchSettings(Content):
    """The Batch API, for nights that can wait: cheaper, and done within a day.

    deadline: until when the calls must be made (HH:MM in the settings' zone); direct_minutes: how long before it what
    is left is bought directly. price_share: of the price of a direct call.
    cancel_wait_minutes: how long a batch that was cancelled may take to end before the run stops. min_calls: fewer
    are bought directly, as they are not worth the wait.
    """

    enabled: bool = False
    deadline: str = Field(default="06:00", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    direct_minutes: float = Field(default=30.0, ge=0)
    poll_seconds: float = Field(default=30.0, gt=0)
    cancel_wait_minutes: float = Field(default=15.0, ge=0)
    price_share: float = Field(default=0.5, gt=0, le=1)
    min_calls: int = Field(default=10, ge=1)

    @field_validator("deadline", mode="before")
    @classmethod
    def _in_quotes(cls, given: object) -> object:
        if isinstance(given, int):  # YAML reads 16:30 as a number of base 60
            raise ValueError("write the time of day in quotes, such as '06:00'")
        return given


class ModelSettings(Content):
    """Everything about calls that is not a budget. ask_cache_minutes: how long `ask` reads an equal call's reply."""

    timeouts: Timeouts = Timeouts()
    retries: Retries = Retries()
    circuit: CircuitSettings = CircuitSettings()
    providers: Mapping[str, ProviderSettings] = {}
    prices: Mapping[str, Price] = {}
    ask_cache_minutes: float = Field(default=0.0, ge=0)
    batch: BatchSettings = BatchSettings()

    @field_validator("providers")
    @classmethod
    def _names(cls, providers: Mapping[str, ProviderSettings]) -> Mapping[str, ProviderSettings]:
        for name in providers:
            if not re.fullmatch(NAME, name) or name == "local":
                raise ValueError(f"'{name}' cannot name a provider; lower-case letters, digits, '-' and '_'")
        return providers


@dataclass(frozen=True, slots=True)
class Provider:
    """Where models are. limit_field: how the endpoint calls the limit of a reply's tokens; older ones: max_tokens."""

    name: str
    base_url: str | None
    api_key: str = field(repr=False)
    limit_field: Literal["max_completion_tokens", "max_tokens"] = "max_completion_tokens"
