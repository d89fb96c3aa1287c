"""propose: bounds for the contracts of a collection, with slack around what one version of it holds."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from knowledge.contracts import column_of
from knowledge.errors import CollectionError
from pipelines.ingestion.tally import COUNTED, LANGUAGE_SHARE, LEAST_DOCUMENTS, Tally

OBSERVED = (*COUNTED, "text")
BETWEEN = "expect_column_values_to_be_between"
# what a column's least value is divided by and its greatest multiplied with; one long document is no mistake
SLACK = {
    "characters": (2.0, 2.0),
    "tokens": (2.0, 2.0),
    "chunks": (2.0, 10.0),
    "tokens_median": (1.5, 1.5),
    "tokens_p95": (1.5, 1.5),
    "chunks_per_document_median": (1.5, 1.5),
}
TYPICAL = ("tokens_median", "tokens_p95", "chunks_per_document_median")  # bounded although no default bounds them
AT_MOST = ("boilerplate_share", "doubled_chunk_share")
POINTS = 0.1  # a share may move so far

Suite = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Observed:
    """The least and the greatest value of what contracts are about, in one version of a collection."""

    collection: str
    version: int
    documents: int
    chunks: int
    ranges: Mapping[str, tuple[float, float]]


def observe(collection: str, version: int, standing: Iterable[pa.Table]) -> Observed:
    """Look through a version, whose rows come in parts with the columns OBSERVED.

    Raises CollectionError where it has too few documents to be typical of anything.
    """
    tally, shortest, longest = Tally(), math.inf, 0
    for rows in filter(len, standing):
        tally.add(rows)
        lengths = pc.min_max(pc.utf8_length(rows["text"]))
        shortest, longest = min(shortest, lengths["min"].as_py()), max(longest, lengths["max"].as_py())
    documents, each = tally.by_document() if tally.chunks else ((), None)
    if each is None or len(documents) < LEAST_DOCUMENTS:
        raise CollectionError(
            f"collection '{collection}': version {version} has {len(documents)} documents, and bounds are proposed "
            f"from {LEAST_DOCUMENTS} on. Name a larger version with --version."
        )
    tokens = tally.tokens()
    ranges = {
        "characters": (float(shortest), float(longest)),
        "tokens": (float(tokens.min()), float(tokens.max())),
        "chunks": (float(each.min()), float(each.max())),
        **{name: (value, value) for name, value in tally.figures().items() if value is not None},
    }
    return Observed(collection, version, len(documents), tally.chunks, ranges)


def propose(suite: Suite, observed: Observed, on: date) -> Suite | None:
    """A suite with bounds that this version keeps, and where they are from; None where nothing of it can be bounded."""
    named = {column_of(entry) for entry in suite["expectations"]}
    entries = [_bounded(entry, observed.ranges) for entry in suite["expectations"]]
    if suite["name"] == "collection":
        typical = [*TYPICAL, *sorted(name for name in observed.ranges if name.startswith(LANGUAGE_SHARE))]
        added = [{"type": BETWEEN, "kwargs": {"column": name}} for name in typical if name not in named]
        entries += [_bounded(entry, observed.ranges) for entry in added]
    if entries == suite["expectations"]:
        return None
    origin = {
        "collection": observed.collection,
        "version": observed.version,
        "documents": observed.documents,
        "chunks": observed.chunks,
        "on": f"{on}",
    }
    return {**suite, "meta": {**suite.get("meta", {}), "proposed_from": origin}, "expectations": entries}


def _bounded(entry: dict[str, Any], ranges: Mapping[str, tuple[float, float]]) -> dict[str, Any]:
    column = column_of(entry)
    share = column.startswith(LANGUAGE_SHARE)
    if not (share or column in ranges) or entry.get("type") != BETWEEN:
        return entry
    low, high = ranges.get(column, (0.0, 0.0))  # a language that no document is in any more
    if share:
        bounds = {"min_value": _cut(max(0.0, low - POINTS)), "max_value": _cut(min(1.0, high + POINTS), up=True)}
    elif column in AT_MOST:
        bounds = {"max_value": _cut(min(1.0, high + POINTS), up=True)}
    elif column in SLACK:
        less, more = SLACK[column]
        bounds = {"min_value": max(1, math.floor(low / less)), "max_value": math.ceil(high * more)}
    else:
        return entry
    return {**entry, "kwargs": {"column": column, **bounds}}


def _cut(share: float, *, up: bool = False) -> float:
    """To whole points, outwards."""
    return (math.ceil(share * 100 - 1e-9) if up else math.floor(share * 100 + 1e-9)) / 100


def written(suite: Suite) -> str:
    """A suite as its file: an expectation a line, so that a review shows which ones changed."""
    head = {name: value for name, value in suite.items() if name != "expectations"}
    lines = [f"  {json.dumps(name)}: {json.dumps(value)}," for name, value in head.items()]
    entries = ",\n".join(f"    {json.dumps(entry)}" for entry in suite["expectations"])
    return "\n".join(["{", *lines, '  "expectations": [', entries, "  ]", "}"]) + "\n"
