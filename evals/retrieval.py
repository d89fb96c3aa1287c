"""Retrieval quality: labelled queries against ranked documents, by `ir_measures`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import ir_measures
from ir_measures import RR, R, nDCG
from pydantic import Field, field_validator

from knowledge.content import Content, read_content
from knowledge.digest import digest
from knowledge.errors import ContentError
from knowledge.source import NAME, check_group

# the name we print: the measure that computes it
MEASURES = {"recall@5": R @ 5, "MRR@10": RR @ 10, "nDCG@10": nDCG @ 10}


class Query(Content):
    """A labelled query: relevance of each document that helps, 2 = answers it, 1 = helps."""

    id: str
    text: str = Field(min_length=1)
    groups: tuple[str, ...] = ()
    relevant: dict[str, Annotated[int, Field(ge=1, le=2)]] = Field(min_length=1)

    @field_validator("groups")
    @classmethod
    def _groups_are_names(cls, groups: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(check_group(group) for group in groups)


class Queries(Content):
    """One YAML file in `evals/queries/`: labelled queries for one collection."""

    collection: str = Field(pattern=NAME)
    queries: tuple[Query, ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class RetrievalQuality:
    """Mean of each measure over the judged queries; `stale` are those whose labelled documents are all gone."""

    metrics: dict[str, float]
    per_query: dict[str, dict[str, float]]
    stale: tuple[str, ...]

    @property
    def judged(self) -> int:
        """How many queries the means rest on."""
        return len(self.per_query)


def read_queries(folder: Path, collection: str) -> list[Query]:
    """All labelled queries of a collection; an empty list where nobody wrote any. Raises ContentError."""
    found: dict[str, Query] = {}
    for path in sorted(folder.glob("*.yaml")):
        written = read_content(path, Queries)
        for query in written.queries if written.collection == collection else ():
            if query.id in found:
                raise ContentError(f"{path}: query id '{query.id}' stands twice. Give one of them another id.")
            found[query.id] = query
    return list(found.values())


def queries_digest(queries: Sequence[Query]) -> str:
    """Names exactly this set of labelled queries."""
    return digest([query.model_dump(mode="json") for query in queries])


def measure_retrieval(
    queries: Sequence[Query], ranked: Mapping[str, Sequence[str]], documents: set[str]
) -> RetrievalQuality:
    """Score rankings. ranked: doc_ids by query id, best first. documents: those that are indexed.

    Labels on documents that are gone do not count; a query without any other label is stale, not failed.
    """
    qrels = {
        query.id: {doc_id: grade for doc_id, grade in query.relevant.items() if doc_id in documents}
        for query in queries
    }
    stale = tuple(sorted(query_id for query_id, labels in qrels.items() if not labels))
    qrels = {query_id: labels for query_id, labels in qrels.items() if labels}
    run = {
        query_id: {doc_id: -float(rank) for rank, doc_id in enumerate(dict.fromkeys(ranked.get(query_id, ())))}
        for query_id in qrels
    }
    per_query: dict[str, dict[str, float]] = {query_id: dict.fromkeys(MEASURES, 0.0) for query_id in qrels}
    names = {measure: name for name, measure in MEASURES.items()}
    for found in ir_measures.iter_calc(list(MEASURES.values()), qrels, run):
        per_query[found.query_id][names[found.measure]] = float(found.value)
    metrics = {
        name: round(sum(scores[name] for scores in per_query.values()) / len(per_query), 4)
        for name in MEASURES
        if per_query
    }
    return RetrievalQuality(metrics, per_query, stale)
