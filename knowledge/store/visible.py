"""The condition that rows meet before either leg ranks: what the reader may see, and of that what a filter lets by."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from knowledge.errors import CollectionError
from knowledge.filter import Filter
from knowledge.source import PUBLIC, check_group
from knowledge.store.view import View

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def visible(view: View, groups: Iterable[str], wanted: Filter) -> str:
    """The condition in SQL. Raises CollectionError where the version lacks a column that the filter is about."""
    held = view.columns
    conditions = [_one_of("groups", sorted({PUBLIC, *map(check_group, groups)}))]
    if "duplicate_of" in held:
        conditions.append("duplicate_of IS NULL")
    for column, condition in _wanted(wanted).items():
        if column not in held:
            raise CollectionError(
                f"collection '{view.name}': version {view.version} is of an earlier release and does not know "
                f"the {column} of its passages. Run `plumbline ingest --collection {view.name}`, or leave it out."
            )
        conditions.append(condition)
    return " AND ".join(conditions)


def quoted(text: str) -> str:
    """Any text as a value in SQL."""
    return "'" + text.replace("'", "''") + "'"


def _wanted(wanted: Filter) -> dict[str, str]:
    """The condition on each column that a filter is about. Its names are plain ones, and a time is a number."""
    conditions = {}
    if wanted.sources:
        conditions["source"] = f"source IN ({_listed(wanted.sources)})"
    if wanted.languages:
        conditions["languages"] = _one_of("languages", wanted.languages)
    if wanted.tags:
        conditions["tags"] = _one_of("tags", wanted.tags)
    if wanted.modified_since is not None:
        since = (wanted.modified_since - _EPOCH) // timedelta(microseconds=1)
        conditions["modified_at"] = f"modified_at >= to_timestamp_micros({since})"
    return conditions


def _one_of(column: str, names: Iterable[str]) -> str:
    return f"array_has_any({column}, make_array({_listed(names)}))"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(quoted, names))
