"""How a collection is kept: which search its size asks for, and how many of its versions stay."""

from pydantic import Field

from knowledge.content import Content


class UpkeepSettings(Content):
    """exact_below: up to so many passages vectors are compared one by one, above they have an index (IVF_RQ).

    keep_versions: versions kept besides those that a tag names.
    """

    exact_below: int = Field(default=50_000, ge=256)
    keep_versions: int = Field(default=60, ge=1)


DEFAULT_UPKEEP = UpkeepSettings()
