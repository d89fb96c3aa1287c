"""What tokens cost: the settings' own price, else the public list's (genai-prices, offline)."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from pydantic import Field

from knowledge.content import Content
from knowledge.errors import SettingsError

if TYPE_CHECKING:
    from genai_prices.types import ModelPrice


class Price(Content):
    """USD for a million tokens; cached input is priced like other input where nothing is said."""

    input_usd_per_million: float = Field(ge=0)
    output_usd_per_million: float = Field(default=0.0, ge=0)
    cached_usd_per_million: float | None = Field(default=None, ge=0)


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices by model. own: those of the settings, by `provider/model`."""

    own: Mapping[str, Price]

    def check(self, model: str) -> None:
        """A model without a price would make every budget blind. Raises SettingsError."""
        self.cost(model, 1, 1)

    def cost(self, model: str, input_tokens: int, output_tokens: int, *, cached_tokens: int = 0) -> float:
        """USD for so many tokens of `provider/model`; `cached_tokens` are among the input. Raises SettingsError."""
        if price := self.own.get(model):
            cached_price = price.cached_usd_per_million
            cached = cached_tokens if cached_price is not None else 0
            fresh = (input_tokens - cached) * price.input_usd_per_million
            output = output_tokens * price.output_usd_per_million
            return (fresh + cached * (cached_price or 0.0) + output) / 1e6
        return _listed_cost(model, input_tokens, output_tokens, cached_tokens)


def _listed_cost(model: str, input_tokens: int, output_tokens: int, cached_tokens: int) -> float:
    from genai_prices import Usage

    usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens, cache_read_tokens=cached_tokens)
    return float(_listed_price(model).calc_price(usage)["total_price"])


@cache
def _listed_price(model: str) -> "ModelPrice":
    """The price of today; looking it up takes longer than reckoning with it."""
    from genai_prices import Usage, calc_price

    provider, _, name = model.partition("/")
    try:
        return calc_price(Usage(input_tokens=1), name, provider_id=provider).model_price
    except (LookupError, ValueError):
        raise SettingsError(
            f"model '{model}': its price is not known, so no budget could hold. "
            f"Write it in params.yaml under models.prices.'{model}' (0 for a model of your own)."
        ) from None
