"""One version of a collection as searches see it: who sees which rows, and which vectors are near a question's."""

from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from knowledge.store.indexing import VECTOR_INDEX, indices

_ALL_PARTITIONS = 1_000_000  # of the index: to look into each, of a million passages, takes 10 ms and misses nothing
_CONDITIONS = 64  # of which it is remembered what meets them: a condition is a reader's groups and a filter

Vector = np.ndarray[Any, np.dtype[np.float32]]
Places = np.ndarray[Any, np.dtype[np.intp]]


class View:
    """Reads what several searches of a version need once. Rows are named by Lance's row id."""

    def __init__(self, dataset: Any, name: str):
        self.dataset = dataset
        self.version = int(dataset.version)  # of upkeep the dataset itself moves on
        self.name = name
        self._meeting = lru_cache(_CONDITIONS)(self._read_meeting)
        self._met_by_all = lru_cache(_CONDITIONS)(self._count_meeting)

    @cached_property
    def columns(self) -> frozenset[str]:
        """Of this version: those of earlier releases have fewer."""
        return frozenset(self.dataset.schema.names)

    @cached_property
    def languages(self) -> list[str]:
        """Of its passages, sorted."""
        parts = self.dataset.to_batches(columns=["languages"])
        spoken = (pc.unique(pc.list_flatten(part["languages"])).to_pylist() for part in parts)
        return sorted({language for languages in spoken for language in languages})

    @cached_property
    def approximate(self) -> bool:
        """Have its vectors an index? Without one they are compared one by one, in memory."""
        return VECTOR_INDEX in indices(self.dataset)

    def met_by_all(self, condition: str) -> bool:
        """Does every row meet a condition? To evaluate it is half of the work of a search."""
        return self._met_by_all(condition)

    def near(self, vectors: Sequence[Vector], condition: str | None, size: int) -> list[dict[int, float]]:
        """For each vector the cosine of the `size` nearest rows that meet the condition, whatever is asked with it."""
        if self.approximate:
            return self._near_by_index(vectors, condition, size)
        rows, held = self._vectors
        meeting = None if condition is None else self._meeting(condition)
        return [_nearest(rows, held @ vector, meeting, size) for vector in vectors]

    def scan(self, condition: str | None, columns: Sequence[str], **query: Any) -> pa.Table:
        """The rows that meet a condition before any query ranks them, with `_rowid`."""
        options = {"columns": list(columns), "filter": condition, "prefilter": True, "with_row_id": True}
        return self.dataset.scanner(**options, **query).to_table()

    def rows(
        self, row_ids: Iterable[int], columns: Sequence[str]
    ) -> tuple[dict[int, dict[str, Any]], dict[int, Vector]]:
        """Some columns of these rows, and their vectors."""
        wanted = sorted(row_ids)
        if not wanted:
            return {}, {}
        if self.approximate:
            found = self.scan(f"_rowid IN ({', '.join(map(str, wanted))})", [*columns, "vector"])
            vectors = _matrix(found["vector"])
            shown = {row["_rowid"]: row for row in found.drop_columns(["vector"]).to_pylist()}
            return shown, dict(zip(shown, vectors, strict=True))
        places = [self._places[row] for row in wanted]
        taken = self.dataset.take(places, columns=list(columns)).to_pylist()
        return dict(zip(wanted, taken, strict=True)), dict(zip(wanted, self._vectors[1][places], strict=True))

    @cached_property
    def _vectors(self) -> tuple[Any, Vector]:
        """Every row id and its vector, in the order of the version."""
        held = self.dataset.to_table(columns=["vector"], with_row_id=True)
        return held["_rowid"].to_numpy(), _matrix(held["vector"])

    @cached_property
    def _places(self) -> dict[int, int]:
        return {row: place for place, row in enumerate(self._vectors[0].tolist())}

    def _near_by_index(self, vectors: Sequence[Vector], condition: str | None, size: int) -> list[dict[int, float]]:
        thorough = {"metric": "l2", "nprobes": _ALL_PARTITIONS, "approx_mode": "accurate"}
        nearest = {"column": "vector", "q": np.stack(vectors), "k": size, **thorough}
        rows = self.scan(condition, ["query_index", "_distance"], nearest=nearest)
        legs: list[dict[int, float]] = [{} for _ in vectors]
        columns = (rows[name].to_pylist() for name in ("query_index", "_rowid", "_distance"))
        for place, row, distance in zip(*columns, strict=True):
            legs[place][row] = 1.0 - distance / 2  # the vectors' lengths are 1
        return legs

    def _read_meeting(self, condition: str) -> Places:
        return np.flatnonzero(np.isin(self._vectors[0], self.scan(condition, [])["_rowid"].to_numpy()))

    def _count_meeting(self, condition: str) -> bool:
        return bool(self.dataset.count_rows(filter=condition) == self.dataset.count_rows())


def _nearest(rows: Any, cosines: Vector, meeting: Places | None, size: int) -> dict[int, float]:
    """Of the rows at the places `meeting` (of all where that is None) the `size` with the greatest cosine."""
    if meeting is not None:
        rows, cosines = rows[meeting], cosines[meeting]
    if size < len(rows):
        best = np.argpartition(cosines, -size)[-size:]
        rows, cosines = rows[best], cosines[best]
    return dict(zip(rows.tolist(), cosines.tolist(), strict=True))


def _matrix(vectors: pa.ChunkedArray) -> Vector:
    """Shape (rows, dimensions)."""
    held = vectors.combine_chunks()
    return np.asarray(held.flatten()).reshape(len(held), vectors.type.list_size)
