"""Retrieval quality: labelled queries against what searches found, by `ir_measures`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import ir_measures
import numpy as np
from ir_measures import RR, P, R, nDCG

from evals.bootstrap import mean_intervals
from evals.labels import Indexed, ranking, standing_labels
from evals.query import Query
from knowledge.record import Hit

# the name we print: the measure that computes it; the one that weighs ranks most finely is last
MEASURES = {"precision@5": P @ 5, "recall@20": R @ 20, "recall@5": R @ 5, "MRR@10": RR @ 10, "nDCG@10": nDCG @ 10}
COVERED = 10  # documents from the top that count as shown to a reader
NO_LATENCY: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class SetQuality:
    """How some queries fared: the mean of each measure over those judged, with its 95 % interval.

    The rest is of all of them, the stale ones included: the share that found nothing; the share of the documents that
    any of them found among its first ten; the best score a query saw (p10, p50, p90); latency_ms (p50, p95) as given.
    """

    queries: int = 0
    judged: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    empty_rate: float = 0.0
    coverage: float = 0.0
    best_score: dict[str, float] = field(default_factory=dict)
    latency_ms: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RetrievalQuality:
    """Every measure of each judged query; how all of them fared, those with each tag and those in each language.

    stale: queries whose labels all point at what is gone. unreviewed: those with a label that nobody reviewed.
    """

    whole: SetQuality
    per_query: dict[str, dict[str, float]]
    stale: tuple[str, ...] = ()
    unreviewed: tuple[str, ...] = ()
    by_tag: dict[str, SetQuality] = field(default_factory=dict)
    by_language: dict[str, SetQuality] = field(default_factory=dict)

    @property
    def metrics(self) -> dict[str, float]:
        """Mean of each measure over the judged queries."""
        return self.whole.metrics

    @property
    def judged(self) -> int:
        """How many queries the means rest on."""
        return self.whole.judged


def measure_retrieval(
    queries: Sequence[Query],
    found: Mapping[str, Sequence[Hit]],
    indexed: Indexed,
    *,
    latency_ms: Mapping[str, float] = NO_LATENCY,
) -> RetrievalQuality:
    """Score what searches found, best first, by query id; recall@20 wants hits enough for 20 documents.

    Labels on what is gone do not count; a query without any other is stale, not failed. A query whose label nobody
    reviewed is named and counts nowhere.
    """
    reviewed = [query for query in queries if query.reviewed]
    labels = {query.id: standing_labels(query, indexed) for query in reviewed}
    ranked = {query.id: ranking(query, found.get(query.id, ()), indexed) for query in reviewed}
    per_query = _score({query_id: each for query_id, each in labels.items() if each}, ranked)
    tags = sorted({tag for query in reviewed for tag in query.tags})
    languages = sorted({query.language for query in reviewed if query.language})

    def of(some: Sequence[Query]) -> SetQuality:
        return _of_set(some, per_query, found, indexed, latency_ms)

    return RetrievalQuality(
        whole=of(reviewed),
        per_query=per_query,
        stale=tuple(sorted(query_id for query_id, each in labels.items() if not each)),
        unreviewed=tuple(sorted(query.id for query in queries if not query.reviewed)),
        by_tag={tag: of([query for query in reviewed if tag in query.tags]) for tag in tags},
        by_language={name: of([query for query in reviewed if query.language == name]) for name in languages},
    )


def _score(labels: Mapping[str, Mapping[str, int]], ranked: Mapping[str, Sequence[str]]) -> dict[str, dict[str, float]]:
    run = {query: {name: -float(place) for place, name in enumerate(ranked[query])} for query in labels}
    per_query: dict[str, dict[str, float]] = {query: dict.fromkeys(MEASURES, 0.0) for query in labels}
    names = {measure: name for name, measure in MEASURES.items()}
    for each in ir_measures.iter_calc(list(MEASURES.values()), labels, run):
        per_query[each.query_id][names[each.measure]] = float(each.value)
    return per_query


def _of_set(
    queries: Sequence[Query],
    per_query: Mapping[str, Mapping[str, float]],
    found: Mapping[str, Sequence[Hit]],
    indexed: Indexed,
    latency_ms: Mapping[str, float],
) -> SetQuality:
    ids = sorted(query.id for query in queries)  # so that their order in the files moves no interval
    judged = [query_id for query_id in ids if query_id in per_query]
    values = np.array([[per_query[query_id][name] for name in MEASURES] for query_id in judged])
    hits = [found.get(query_id, ()) for query_id in ids]
    shown = {doc_id for each in hits for doc_id in list(dict.fromkeys(hit.doc_id for hit in each))[:COVERED]}
    to_be_found = {indexed.shown(doc_id) for doc_id in indexed.documents}
    return SetQuality(
        queries=len(ids),
        judged=len(judged),
        metrics=dict(zip(MEASURES, values.mean(axis=0).round(4).tolist(), strict=True)) if judged else {},
        intervals=dict(zip(MEASURES, mean_intervals(values), strict=True)) if judged else {},
        empty_rate=sum(not each for each in hits) / len(ids) if ids else 0.0,
        coverage=len(shown & to_be_found) / len(to_be_found) if to_be_found else 0.0,
        best_score=_percentiles([max(hit.score for hit in each) for each in hits if each], (10, 50, 90)),
        latency_ms=_percentiles([latency_ms[query_id] for query_id in ids if query_id in latency_ms], (50, 95)),
    )


def _percentiles(values: Sequence[float], wanted: tuple[int, ...]) -> dict[str, float]:
    return {f"p{each}": round(float(np.percentile(values, each)), 4) for each in wanted} if values else {}
