"""A source: where documents come from, who owns them, who may read them, how fresh they must be."""

import re
from pathlib import Path

from pydantic import Field, field_validator

from knowledge.content import Content, read_content
from knowledge.errors import ContentError

PUBLIC = "public"
NAME = r"^[a-z0-9][a-z0-9_-]{0,62}$"


class Source(Content):
    """One YAML file in `knowledge/sources/`.

    url: a folder (relative to the project) whose files are the documents. include: globs inside it.
    groups: the access groups that may read its documents; `public` means everyone.
    freshness_target_hours: how old a change may be and not yet be served.
    """

    name: str = Field(pattern=NAME)
    collection: str = Field(pattern=NAME)
    url: str = Field(min_length=1)
    owner: str = Field(min_length=1)
    groups: tuple[str, ...] = Field(default=(PUBLIC,), min_length=1)
    include: tuple[str, ...] = ("**/*",)
    exclude: tuple[str, ...] = ()
    languages: tuple[str, ...] = ("eng",)
    freshness_target_hours: float = Field(default=24.0, gt=0)
    versioned: bool = False
    description: str = ""

    @field_validator("groups")
    @classmethod
    def _groups_are_names(cls, groups: tuple[str, ...]) -> tuple[str, ...]:
        for group in groups:
            check_group(group)
        return tuple(sorted(set(groups)))


def check_group(group: str) -> str:
    """A group is a plain name, so that it can never be more than a value in a filter. Raises ValueError."""
    if not re.fullmatch(NAME, group):
        raise ValueError(f"group {group!r} must be lower-case letters, digits, '-' or '_'")
    return group


def read_sources(folder: Path) -> list[Source]:
    """Every source in `folder`, by name. Raises ContentError when a file is wrong or a name stands twice."""
    sources: dict[str, Source] = {}
    for path in sorted(folder.glob("*.yaml")):
        source = read_content(path, Source)
        if source.name in sources:
            raise ContentError(f"{path}: source '{source.name}' is declared twice. Give it another name.")
        sources[source.name] = source
    return list(sources.values())
