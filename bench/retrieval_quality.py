"""How good and how fast is the search of one labelled collection?"""

import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ir_measures
import numpy as np
from ir_measures import RR, R, nDCG

from bench.beir import Beir
from bench.made_collection import make_collection, named
from bench.paired_bootstrap import interval
from knowledge.fusion import SearchMode
from knowledge.store import Collection
from pipelines.answering.retrieve import Asked, retrieve_many
from pipelines.ingestion.vectors import Embedder

MEASURES = {"nDCG@10": nDCG @ 10, "recall@10": R @ 10, "MRR@10": RR @ 10}
MODES: tuple[SearchMode, ...] = ("text", "vector", "hybrid")
SEARCHES = ("text", "vector", "rrf", "hybrid")
RRF_K = 60
DEPTH = 50  # of each leg that RRF joins; as many as the store's own combination takes
TOGETHER = 512  # queries whose passages are in memory at once
IN_BATCH, SINGLY, RUNS = 1_000, 200, 3

Rankings = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Quality:
    """scores: by search and measure, of each query in the same order."""

    scores: dict[str, dict[str, list[float]]]

    def mean(self, search: str, measure: str) -> float:
        return statistics.fmean(self.scores[search][measure])

    @property
    def better_leg(self) -> str:
        return max(("text", "vector"), key=lambda leg: self.mean(leg, "nDCG@10"))

    def hybrid_minus(self, search: str) -> list[float]:
        """Of each query the difference in nDCG@10."""
        both = (self.scores[each]["nDCG@10"] for each in ("hybrid", search))
        return [one - other for one, other in zip(*both, strict=True)]


def measure(beir: Beir, embedder: Embedder) -> tuple[Quality, dict[str, Any]]:
    """The scores, and all figures of the collection."""
    with tempfile.TemporaryDirectory() as place:
        embedder.embed(["warm"])
        started = time.perf_counter()
        collection = make_collection(beir.passages, embedder, Path(place))
        built = time.perf_counter() - started
        quality = measure_quality(beir, collection, embedder)
        speed = measure_speed(list(beir.queries.values()), collection, embedder)
    return quality, {
        "documents": len(beir.passages),
        "queries": len(beir.queries),
        "left_out": beir.left_out,
        **{name: {search: round(quality.mean(search, name), 4) for search in SEARCHES} for name in MEASURES},
        "hybrid_minus_text": interval([quality.hybrid_minus("text")]),
        "hybrid_minus_better_leg": {
            "leg": quality.better_leg,
            **interval([quality.hybrid_minus(quality.better_leg)]),
        },
        **speed,
        "build_seconds": round(built, 2),
    }


def measure_quality(beir: Beir, collection: Collection, embedder: Embedder) -> Quality:
    ranked: dict[str, Rankings] = {mode: rank(beir.queries, collection, embedder, mode) for mode in MODES}
    ranked["rrf"] = {name: reciprocal_ranks(ranked["text"][name], ranked["vector"][name]) for name in beir.queries}
    return Quality({search: score(beir.qrels, ranked[search]) for search in SEARCHES})


def rank(queries: Mapping[str, str], collection: Collection, embedder: Embedder, mode: SearchMode) -> Rankings:
    """The names of the passages found for each query, best first."""
    ranked = {}
    asked = [(name, Asked(text)) for name, text in queries.items()]
    for start in range(0, len(asked), TOGETHER):
        part = dict(asked[start : start + TOGETHER])
        found = retrieve_many(list(part.values()), collection, embedder, limit=DEPTH, mode=mode)
        ranked |= {name: [named(hit.doc_id) for hit in hits] for name, hits in zip(part, found, strict=True)}
    return ranked


def score(qrels: Mapping[str, Mapping[str, int]], ranked: Rankings) -> dict[str, list[float]]:
    """By measure the value of each labelled query, in their order."""
    # by rank, not by the search's score: trec_eval puts equal scores into an order of its own
    run = {query: {name: -float(rank) for rank, name in enumerate(names)} for query, names in ranked.items()}
    values: dict[Any, dict[str, float]] = defaultdict(lambda: dict.fromkeys(qrels, 0.0))
    for found in ir_measures.iter_calc(list(MEASURES.values()), qrels, run):
        values[found.measure][found.query_id] = float(found.value)
    return {name: list(values[measure].values()) for name, measure in MEASURES.items()}


def reciprocal_ranks(*legs: Sequence[str]) -> list[str]:
    """Reciprocal rank fusion with equal weights (Cormack, Clarke, Büttcher, 2009); ties by name."""
    scores: dict[str, float] = defaultdict(float)
    for leg in legs:
        for rank, name in enumerate(leg, start=1):
            scores[name] += 1 / (RRF_K + rank)
    return sorted(scores, key=lambda name: (-scores[name], name))


def measure_speed(questions: Sequence[str], collection: Collection, embedder: Embedder) -> dict[str, float]:
    """Hybrid search of ten passages, embedding included: medians of the runs, after a warm-up."""
    asked = [Asked(text) for text in questions]
    many = repeated(asked, IN_BATCH)
    single = repeated(asked, SINGLY)
    retrieve_many(single, collection, embedder, limit=10)
    rates, halves, slows = [], [], []
    for _ in range(RUNS):
        started = time.perf_counter()
        retrieve_many(many, collection, embedder, limit=10)
        rates.append(len(many) / (time.perf_counter() - started))
        taken = []
        for each in single:
            started = time.perf_counter()
            retrieve_many([each], collection, embedder, limit=10)
            taken.append(1e3 * (time.perf_counter() - started))
        half, slow = np.percentile(taken, [50, 95])
        halves.append(float(half))
        slows.append(float(slow))
    return {
        "queries_per_second": round(statistics.median(rates), 1),
        "p50_ms": round(statistics.median(halves), 2),
        "p95_ms": round(statistics.median(slows), 2),
    }


def repeated(asked: Sequence[Asked], least: int) -> list[Asked]:
    """The questions over and over, `least` in all."""
    return [asked[place % len(asked)] for place in range(least)]


def average(every: Sequence[Quality]) -> dict[str, Any]:
    """Means over the collections, each of equal weight."""
    means = {
        name: {search: round(statistics.fmean(each.mean(search, name) for each in every), 4) for search in SEARCHES}
        for name in MEASURES
    }
    return {
        **means,
        "hybrid_minus_text": interval([each.hybrid_minus("text") for each in every]),
        "hybrid_minus_better_leg": interval([each.hybrid_minus(each.better_leg) for each in every]),
    }
