"""A policy: what an assistant must not do, whatever the documents or the question say."""

import re
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from knowledge.content import Content, read_content


class Topic(Content):
    """Questions that match one of the patterns are not answered from documents but with `reply`."""

    name: str
    outcome: Literal["refused", "escalated"]
    patterns: tuple[str, ...] = Field(min_length=1)
    reply: str = Field(min_length=1)

    @field_validator("patterns")
    @classmethod
    def _patterns_compile(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        return _compiled(patterns)

    def matches(self, text: str) -> bool:
        """Does any pattern occur in the text? Case does not count."""
        return any(re.search(pattern, text, re.IGNORECASE) for pattern in self.patterns)


class Policy(Content):
    """One YAML file in `knowledge/policies/`.

    topics: looked at in order, before anything is retrieved.
    orders: patterns of sentences that give orders to the assistant; in a document they are withheld from it.
    private: patterns of personal data that no answer may contain.
    """

    name: str
    topics: tuple[Topic, ...]
    orders: tuple[str, ...] = ()
    private: tuple[str, ...] = ()

    @field_validator("orders", "private")
    @classmethod
    def _patterns_compile(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        return _compiled(patterns)


def _compiled(patterns: tuple[str, ...]) -> tuple[str, ...]:
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as problem:
            raise ValueError(f"pattern {pattern!r} is no regular expression ({problem})") from None
    return patterns


def read_policy(folder: Path, name: str) -> Policy:
    """The policy called `name`. Raises ContentError."""
    return read_content(folder / f"{name}.yaml", Policy)
