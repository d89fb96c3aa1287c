"""What tokens cost: the settings' own price, else the public list's (genai-prices, offline)."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
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
        price = self.own.get(model) or _listed(model)
        if not isinstance(price, Price):
            from genai_prices import Usage

            usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens, cache_read_tokens=cached_tokens)
            return float(price.calc_price(usage)["total_price"])
        cached_price = price.cached_usd_per_million
        cached = cached_tokens if cached_price is not None else 0
        fresh = (input_tokens - cached) * price.input_usd_per_million
        return (fresh + cached * (cached_price or 0.0) + output_tokens * price.output_usd_per_million) / 1e6


@cache
def _listed(model: str) -> "Price | ModelPrice":
    """Today's price in the public list: as three numbers where it is no more than that, for a hundredth of the time."""
    from genai_prices import Usage, calc_price

    provider, _, name = model.partition("/")
    try:
        listed = calc_price(Usage(input_tokens=1), name, provider_id=provider).model_price
    except (LookupError, ValueError):
        raise SettingsError(
            f"model '{model}': its price is not known, so no budget could hold. "
            f"Write it in params.yaml under models.prices.'{model}' (0 for a model of your own)."
        ) from None
    given, taken, cached = (getattr(listed, f"{name}_mtok", None) for name in ("input", "output", "cache_read"))
    if getattr(listed, "requests_kcount", None) or not all(
        isinstance(each, Decimal | None) for each in (given, taken, cached)
    ):
        return listed
    return Price(
        input_usd_per_million=float(given or 0),
        output_usd_per_million=float(taken or 0),
        cached_usd_per_million=None if cached is None else float(cached),
    )
