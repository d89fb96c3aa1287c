"""vectors: each text is embedded once: what the index holds, or this run has made, is taken from there."""

import tempfile
from collections.abc import Sequence
from functools import cached_property
from types import TracebackType
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from knowledge.store import Collection
from pipelines.embedder import Vectors


class Embedder(Protocol):
    """Texts to unit vectors, under a fingerprint."""

    @property
    def dimensions(self) -> int:
        """Width of a vector."""

    @property
    def embed_id(self) -> str:
        """Fingerprint of everything that decides a vector."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Shape (len(texts), dimensions), float32."""

    def embed_questions(self, questions: Sequence[str]) -> Vectors:
        """The same, for questions that come together by chance."""


class TextVectors:
    """The vectors of texts under one `embed_id`. `embedded` counts the texts that had to be embedded.

    Vectors of this run are kept in a file, and digests as columns: a hundred bytes a text in memory.
    """

    def __init__(self, collection: Collection, embedder: Embedder):
        self._collection = collection
        self._embedder = embedder
        self._made: list[pa.Array] = []
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with this object
        self.embedded = 0

    def __enter__(self) -> "TextVectors":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @cached_property
    def _indexed(self) -> pa.Table:
        """Read from the index where there is a text to embed: a run without changes has none."""
        return self._collection.texts(self._embedder.embed_id)

    def of(self, texts: Sequence[str], shas: Sequence[str]) -> Vectors:
        """The vectors of texts, given with their digests: shape (len(texts), dimensions), float32."""
        wanted = pa.array(sorted(set(shas)), pa.string())
        rows = self._indexed.filter(pc.is_in(self._indexed["text_sha"], value_set=wanted))
        indexed = dict(zip(rows["text_sha"].to_pylist(), rows["place"].to_pylist(), strict=True))
        made = self._find_made(wanted)
        fresh = {sha: text for sha, text in zip(shas, texts, strict=True) if sha not in indexed and sha not in made}
        if fresh:
            self._file.seek(0, 2)
            self._file.write(np.ascontiguousarray(self._embedder.embed(list(fresh.values())), np.float32).tobytes())
            self._made.append(pa.array(fresh, pa.string()))
            made |= {sha: self.embedded + place for place, sha in enumerate(fresh)}
            self.embedded += len(fresh)
        found = np.empty((len(shas), self._embedder.dimensions), np.float32)
        from_index = [place for place, sha in enumerate(shas) if sha in indexed]
        if from_index:
            found[from_index] = self._collection.vectors_at([indexed[shas[place]] for place in from_index])
        from_file = [place for place, sha in enumerate(shas) if sha not in indexed]
        if from_file:
            self._file.flush()
            written = np.memmap(self._file, np.float32, "r", shape=(self.embedded, self._embedder.dimensions))
            found[from_file] = written[[made[shas[place]] for place in from_file]]
        return found

    def _find_made(self, wanted: pa.Array) -> dict[str, int]:
        """Where in the file the vectors of these digests are, of those that this run has made."""
        held = pa.chunked_array(self._made, pa.string())
        places = np.flatnonzero(pc.is_in(held, value_set=wanted).to_numpy())
        return dict(zip(held.take(pa.array(places)).to_pylist(), places.tolist(), strict=True))
