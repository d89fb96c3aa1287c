"""A source: where documents come from, who owns them, who may read them, how fresh they must be, what replaces them."""

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator, model_validator

from knowledge.content import Content, read_content
from knowledge.errors import ContentError
from knowledge.glob import glob_matches

PUBLIC = "public"
NAME = r"^[a-z0-9][a-z0-9_-]{0,62}$"
_HIDDEN = re.compile(r"(?:^|/)\.(?!\.\w+$)")  # `..md` is a page about the command `.`


def _possible(name: str) -> str:
    """A name, or a glob, that documents of a source can have. Raises ValueError."""
    if is_hidden(name) or "" in name.split("/"):
        raise ValueError("no document has such a name, so the rule would do nothing; write it as hr/** or hr/pay.md")
    return name


def is_hidden(name: str) -> bool:
    """Does any part of a name begin with a dot?"""
    return _HIDDEN.search(name) is not None


def check_name(name: str, *, what: str) -> str:
    """A plain name, so that it can never be more than a value in a filter. Raises ValueError that says what it is."""
    if not re.fullmatch(NAME, name):
        raise ValueError(f"{what} {name!r} must be lower-case letters, digits, '-' or '_'")
    return name


def check_group(group: str) -> str:
    """A group is a plain name. Raises ValueError."""
    return check_name(group, what="group")


def checked_groups(groups: tuple[str, ...]) -> tuple[str, ...]:
    """The groups sorted, each once. Raises ValueError."""
    return tuple(sorted({check_group(group) for group in groups}))


def _checked_tags(tags: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({check_name(tag, what="tag") for tag in tags}))


_PossibleName = Annotated[str, Field(min_length=1), AfterValidator(_possible)]
_Tags = Annotated[tuple[str, ...], AfterValidator(_checked_tags)]


class AccessRule(Content):
    """Who may read the documents that a glob matches."""

    glob: _PossibleName
    groups: tuple[str, ...] = Field(min_length=1)

    @field_validator("groups")
    @classmethod
    def _groups_are_names(cls, groups: tuple[str, ...]) -> tuple[str, ...]:
        return checked_groups(groups)


class TagRule(Content):
    """Further tags of the documents that a glob matches."""

    glob: _PossibleName
    tags: Annotated[_Tags, Field(min_length=1)]


class SupersededRule(Content):
    """Which document replaces those that a glob matches: its name, in this source or in another one."""

    glob: _PossibleName
    by: _PossibleName
    source: str | None = Field(default=None, pattern=NAME)


class Source(Content):
    """One YAML file in `knowledge/sources/`.

    url: what holds the documents: a folder (relative to the project), bucket, index page, repository or archive.
    include: globs inside it. groups: the access groups that may read its documents; `public` means everyone.
    access: other groups for some of them; the first rule that matches decides.
    tags: what searches can filter all its documents by. tagged: further tags for some; every rule that matches adds.
    superseded: which documents others replace; the first rule that matches decides.
    freshness_target_hours: how old a change may be and not yet be served.
    """

    name: str = Field(pattern=NAME)
    collection: str = Field(pattern=NAME)
    url: str = Field(min_length=1)
    owner: str = Field(min_length=1)
    groups: tuple[str, ...] = Field(default=(PUBLIC,), min_length=1)
    access: tuple[AccessRule, ...] = ()
    tags: _Tags = ()
    tagged: tuple[TagRule, ...] = ()
    superseded: tuple[SupersededRule, ...] = ()
    include: tuple[str, ...] = ("**/*",)
    exclude: tuple[str, ...] = ()
    languages: tuple[str, ...] = ("eng",)
    freshness_target_hours: float = Field(default=24.0, gt=0)
    versioned: bool = False
    description: str = ""

    @field_validator("groups")
    @classmethod
    def _groups_are_names(cls, groups: tuple[str, ...]) -> tuple[str, ...]:
        return checked_groups(groups)

    @model_validator(mode="after")
    def _every_rule_can_decide(self) -> "Source":
        for number, rule in enumerate(self.access):
            for earlier in self.access[:number]:
                if _takes_all_of(earlier.glob, rule.glob):
                    raise ValueError(
                        f"access rule '{rule.glob}' can never decide, as '{earlier.glob}' above it matches the same; "
                        "the first rule that matches decides, so put it first"
                    )
        return self

    @property
    def every_group(self) -> frozenset[str]:
        """The groups that any of its documents may be for."""
        return frozenset(self.groups).union(*(rule.groups for rule in self.access))

    def lists(self, name: str) -> bool:
        """Is a file of this name one of the documents? Hidden ones (a leading dot in any part) never are."""
        return not is_hidden(name) and glob_matches(self.include, name) and not glob_matches(self.exclude, name)

    def readers(self, name: str) -> tuple[str, ...]:
        """The groups that may read the document of this name."""
        for rule in self.access:
            if glob_matches(rule.glob, name):
                return rule.groups
        return self.groups

    def tags_of(self, name: str) -> tuple[str, ...]:
        """The tags of the document of this name, sorted."""
        return _joined((self.tags, *(rule.tags for rule in self.tagged if glob_matches(rule.glob, name))))

    def superseded_by(self, name: str) -> str | None:
        """The doc_id of the document that replaces the one of this name; None where none does, or it itself would."""
        for rule in self.superseded:
            if glob_matches(rule.glob, name):
                by = f"{rule.source or self.name}/{rule.by}"
                return by if by != f"{self.name}/{name}" else None
        return None


@lru_cache(maxsize=1024)  # all documents with the same tags share one tuple
def _joined(parts: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    return tuple(sorted({tag for part in parts for tag in part}))


def _takes_all_of(earlier: str, later: str) -> bool:
    """Is every name that `later` matches one that `earlier` matches? Only where that is plain to see."""
    folder = re.fullmatch(r"((?:[^*?]*/)?)\*\*(?:/\*)?", earlier)
    return earlier == later or (folder is not None and later.startswith(folder[1]))


def unused_rules(source: Source, names: Iterable[str]) -> tuple[str, ...]:
    """The globs of the access rules that decide for none of these names: a misspelt one protects nothing."""
    unused = {rule.glob: rule for rule in source.access}
    for name in names:
        if not unused:
            break
        decides = next((rule.glob for rule in source.access if glob_matches(rule.glob, name)), None)
        unused.pop(decides or "", None)
    return tuple(unused)


def unmatched_rules(source: Source, names: Iterable[str]) -> tuple[str, ...]:
    """The globs of the rules on tags and on superseded documents that match none of these names."""
    left = dict.fromkeys([*(rule.glob for rule in source.tagged), *(rule.glob for rule in source.superseded)])
    for name in names:
        if not left:
            break
        left = dict.fromkeys(glob for glob in left if not glob_matches(glob, name))
    return tuple(left)


def secret_in(url: str) -> str | None:
    """What a URL holds that may be a secret, in words that do not show it; None when it holds none."""
    try:
        parts = urlsplit(url)
        user, password = parts.username, parts.password
    except ValueError:
        return None  # no URL; whoever lists it says so
    if password is not None:
        return "a password"
    if "://" in url and parts.query:
        return "a query ('?…')"
    if user is not None and parts.scheme.removeprefix("git+") in ("http", "https"):
        return "a user name, which may be a token"
    return None


def read_sources(folder: Path) -> list[Source]:
    """Every source in `folder`, by name. Raises ContentError when a file is wrong or a name stands twice."""
    sources: dict[str, Source] = {}
    for path in sorted(folder.glob("*.yaml")):
        source = read_content(path, Source)
        if held := secret_in(source.url):
            # told here, as an error of the field itself would show its value
            raise ContentError(
                f"{path}: 'url' holds {held}. Take it out; the environment can hold it: docs/sources.md."
            )
        if source.name in sources:
            raise ContentError(f"{path}: source '{source.name}' is declared twice. Give it another name.")
        sources[source.name] = source
    return list(sources.values())
