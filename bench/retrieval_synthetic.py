"""How fast is hybrid search of very many chunks, and how near is the vector index to exact search?"""

import resource
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from knowledge.source import PUBLIC
from knowledge.store import Collection, Question, Store
from pipelines.ingestion.stage import ROWS

SEED = 20261122
DIMENSIONS = 256
QUERIES, LIMIT = 200, 10
_WARM = 10  # more queries, not counted
_CLUSTER = 500  # chunks, on average
_NOISE = 0.8  # length of what sets a chunk apart from its centre, whose length is 1
_VOCABULARY = 30_000
_STOP_WORDS = 100  # the commonest words are in no index: ranks begin behind them
_SYLLABLES = [first + second for first in "bdfgklmnprstvz" for second in "aeiou"]
_TEXT_WORDS, _QUERY_WORDS = (20, 60), (3, 8)

Vectors = np.ndarray[Any, np.dtype[np.float32]]


class Made:
    """Chunks and questions, all from the seed. A word's frequency falls with its rank, as Zipf says."""

    def __init__(self, chunks: int):
        random = np.random.default_rng([SEED, chunks])
        self._centres = _unit(random.standard_normal((max(1, chunks // _CLUSTER), DIMENSIONS), np.float32))
        syllables = random.integers(0, len(_SYLLABLES), (_VOCABULARY, 4))
        self._words = np.array(["".join(_SYLLABLES[each] for each in row) for row in syllables])
        shares = 1 / (np.arange(_VOCABULARY) + _STOP_WORDS)
        self._below = np.cumsum(shares / shares.sum())

    def vectors(self, random: np.random.Generator, count: int) -> Vectors:
        """Near a centre each, of length 1."""
        noise = random.standard_normal((count, DIMENSIONS), np.float32) * np.float32(_NOISE / DIMENSIONS**0.5)
        return _unit(self._centres[random.integers(0, len(self._centres), count)] + noise)

    def texts(self, random: np.random.Generator, count: int, words: tuple[int, int]) -> list[str]:
        lengths = random.integers(*words, count, endpoint=True)
        drawn = self._words[np.minimum(np.searchsorted(self._below, random.random(lengths.sum())), _VOCABULARY - 1)]
        return [" ".join(each) for each in np.split(drawn, np.cumsum(lengths)[:-1])]

    def questions(self) -> list[Question]:
        random = np.random.default_rng([SEED, 1, 0])
        count = QUERIES + _WARM
        texts, vectors = self.texts(random, count, _QUERY_WORDS), self.vectors(random, count)
        return [Question(text, vector) for text, vector in zip(texts, vectors, strict=True)]

    def part(self, start: int, count: int, schema: pa.Schema) -> pa.Table:
        """The rows from this number on."""
        random = np.random.default_rng([SEED, 0, start])
        texts, vectors = self.texts(random, count, _TEXT_WORDS), self.vectors(random, count)
        names = [f"bench/{number:08}" for number in range(start, start + count)]
        columns = {
            "chunk_id": [f"{name}#0" for name in names],
            "doc_id": names,
            "uri": names,
            "text": texts,
            "indexed_text": texts,
            "terms": texts,
            "text_sha": names,
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), DIMENSIONS),
        }
        same = {
            **dict.fromkeys(("doc_sha", "parse_id", "split_id", "embed_id", "source", "title"), "bench"),
            **{name: [] for name in ("headings", "findings")},
            "groups": [PUBLIC],
            "languages": ["zxx"],  # of no language: words are found as they stand
            "ordinal": 0,
            "tokens": 100,
            "modified_at": 0,
        }
        arrays = [
            pa.array(columns[field.name], field.type)
            if field.name in columns
            else pa.array([same.get(field.name)] * count, field.type)
            for field in schema
        ]
        return pa.Table.from_arrays(arrays, schema=schema)


def _unit(vectors: Vectors) -> Vectors:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def measure(chunks: int) -> dict[str, Any]:
    """Write in parts as an ingest does, index, ask. The vectors are made, so embedding is not included."""
    made = Made(chunks)
    with tempfile.TemporaryDirectory() as place:
        store = Store(Path(place), DIMENSIONS)
        collection = store.create("bench")
        started = time.perf_counter()
        staged = [
            fragment
            for start in range(0, chunks, ROWS)
            for fragment in collection.stage(made.part(start, min(ROWS, chunks - start), store.schema))
        ]
        collection.commit(staged, store.schema, replaced=frozenset())
        written = time.perf_counter()
        collection.upkeep()
        built = time.perf_counter()
        build_peak_mb = _peak_mb()
        figures = ask(collection, made.questions())
    return {
        "chunks": chunks,
        "clusters": max(1, chunks // _CLUSTER),
        "write_seconds": round(written - started, 2),
        "build_seconds": round(built - written, 2),
        "build_peak_mb": build_peak_mb,
        **figures,
        "peak_mb": _peak_mb(),
    }


def ask(collection: Collection, questions: Sequence[Question]) -> dict[str, Any]:
    taken, counted = [], questions[_WARM:]
    for number, question in enumerate(questions):
        started = time.perf_counter()
        collection.search_many([question], limit=LIMIT)
        if number >= _WARM:
            taken.append(1e3 * (time.perf_counter() - started))
    half, slow = np.percentile(taken, [50, 95])
    found = collection.search_many(counted, limit=LIMIT, mode="vector")
    return {
        "queries": len(counted),
        "p50_ms": round(float(half), 2),
        "p95_ms": round(float(slow), 2),
        "recall@10": round(recall(exact(collection, counted), [[hit.chunk_id for hit in hits] for hits in found]), 4),
    }


def exact(collection: Collection, questions: Sequence[Question]) -> list[list[str]]:
    """The nearest chunks of each question, by comparison with every vector, block by block."""
    asked = np.stack([question.vector for question in questions])
    scores = np.empty((len(questions), 0), np.float32)
    names = np.empty((len(questions), 0), object)
    for ids, vectors in _blocks(collection):
        scores = np.hstack([scores, asked @ vectors.T])
        names = np.hstack([names, np.broadcast_to(ids, (len(questions), len(ids)))])
        best = np.argsort(-scores, axis=1, kind="stable")[:, :LIMIT]
        scores, names = np.take_along_axis(scores, best, 1), np.take_along_axis(names, best, 1)
    return [list(row) for row in names]


def _blocks(collection: Collection) -> Iterator[tuple[Any, Vectors]]:
    for rows in collection.batches(["chunk_id", "vector"]):
        vectors = np.asarray(rows["vector"].combine_chunks().flatten()).reshape(-1, DIMENSIONS)
        yield np.array(rows["chunk_id"].to_pylist(), object), vectors


def recall(truth: Sequence[Sequence[str]], found: Sequence[Sequence[str]]) -> float:
    """The share of the truly nearest that was found, on average."""
    return statistics.fmean(len(set(one) & set(other)) / len(one) for one, other in zip(truth, found, strict=True))


def _peak_mb() -> int:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
