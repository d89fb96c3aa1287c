"""Collections: LanceDB tables of chunks, the record of what is indexed. The only module that knows Lance."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import lancedb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from lance.query import MatchQuery
from lancedb.index import FTS

from knowledge.digest import digest
from knowledge.errors import CollectionError
from knowledge.fusion import combine, leaders, ranked
from knowledge.record import Hit, IndexedDocument, Recipe
from knowledge.source import PUBLIC, check_group

# An unenforced primary key is what makes two merges of the same new rows conflict instead of doubling them.
_KEY = {"lance-schema:unenforced-primary-key": "true"}
_LEG = 50  # passages each leg contributes to the combination
_NEVER = timedelta(days=36_500)  # optimize() prunes after 7 days unless told otherwise

Vector = np.ndarray[Any, np.dtype[np.float32]]


def chunk_schema(dimensions: int) -> pa.Schema:
    """One row a chunk; `vector` is a unit vector of `dimensions` float32."""
    text, words = pa.string(), pa.list_(pa.string())
    return pa.schema(
        [
            pa.field("chunk_id", text, nullable=False, metadata=_KEY),
            pa.field("doc_id", text, nullable=False),
            pa.field("doc_sha", text, nullable=False),
            pa.field("parse_id", text, nullable=False),
            pa.field("split_id", text, nullable=False),
            pa.field("embed_id", text, nullable=False),
            pa.field("source", text, nullable=False),
            pa.field("uri", text, nullable=False),
            pa.field("title", text, nullable=False),
            pa.field("headings", words, nullable=False),
            pa.field("ordinal", pa.int32(), nullable=False),
            pa.field("page", pa.int32()),
            pa.field("text", text, nullable=False),
            pa.field("indexed_text", text, nullable=False),
            pa.field("text_sha", text, nullable=False),
            pa.field("tokens", pa.int32(), nullable=False),
            pa.field("groups", words, nullable=False),
            pa.field("languages", words, nullable=False),
            pa.field("modified_at", pa.timestamp("us", tz="UTC"), nullable=False),
            pa.field("vector", pa.list_(pa.float32(), dimensions), nullable=False),
        ]
    )


@dataclass(frozen=True, slots=True)
class Question:
    """A search: the text, its unit vector, and the groups of the reader (`public` is always among them)."""

    text: str
    vector: Vector
    groups: tuple[str, ...] = ()


class Collection:
    """One table of chunks, as it stands or (`version`) as it stood; a version is read only."""

    def __init__(self, table: Any, name: str, *, read_only: bool = False):
        self._table = table
        self._opened: Any = None
        self._read_only = read_only
        self.name = name

    @property
    def version(self) -> int:
        """The Lance version that is open."""
        return int(self._table.version)

    def count_chunks(self) -> int:
        """Rows in the open version."""
        return int(self._table.count_rows())

    def documents(self) -> dict[str, IndexedDocument]:
        """What is indexed of each document, by doc_id."""
        columns = ["doc_id", "doc_sha", "parse_id", "split_id", "embed_id", "source", "uri", "groups"]
        rows = self._columns(columns)
        found: dict[str, IndexedDocument] = {}
        counts = {c["values"]: c["counts"] for c in pc.value_counts(rows["doc_id"]).to_pylist()}
        first = {doc_id: place for place, doc_id in reversed(list(enumerate(rows["doc_id"].to_pylist())))}
        for row in rows.take(pa.array(list(first.values()), pa.int64())).to_pylist():
            found[row["doc_id"]] = IndexedDocument(
                doc_id=row["doc_id"],
                doc_sha=row["doc_sha"],
                recipe=Recipe(row["parse_id"], row["split_id"], row["embed_id"]),
                source=row["source"],
                uri=row["uri"],
                groups=tuple(row["groups"]),
                chunks=counts[row["doc_id"]],
            )
        return found

    def rows_of(self, doc_ids: Iterable[str]) -> pa.Table:
        """The whole rows of some documents."""
        wanted = pa.array(sorted(doc_ids), pa.string())
        rows = self._columns(None)
        return rows.filter(pc.is_in(rows["doc_id"], value_set=wanted))

    def vectors(self, embed_id: str) -> dict[str, list[float]]:
        """Vectors made under this `embed_id`, by the digest of their text."""
        rows = self._columns(["text_sha", "embed_id", "vector"])
        rows = rows.filter(pc.equal(rows["embed_id"], embed_id))
        return dict(zip(rows["text_sha"].to_pylist(), rows["vector"].to_pylist(), strict=True))

    def embed_ids(self) -> set[str]:
        """The embedders whose vectors are in the open version."""
        return set(pc.unique(self._columns(["embed_id"])["embed_id"]).to_pylist())

    def chunk_ids(self) -> list[str]:
        """All ids, as stored: a doubled one stands twice."""
        ids: list[str] = self._columns(["chunk_id"])["chunk_id"].to_pylist()
        return ids

    def lengths(self) -> list[int]:
        """Tokens of every passage."""
        tokens: list[int] = self._columns(["tokens"])["tokens"].to_pylist()
        return tokens

    def content_digest(self) -> str:
        """Names exactly these passages: the same whenever, at whatever version and in whatever order they were put."""
        columns = ["chunk_id", "doc_sha", "parse_id", "split_id", "embed_id", "title", "text_sha", "groups"]
        return digest(self._columns(columns).sort_by("chunk_id").to_pylist())

    def search_many(self, questions: Sequence[Question], *, limit: int) -> list[list[Hit]]:
        """For each question the best passages its reader may see, best first.

        Text (BM25) and vector (exact cosine) scores, each divided by the query's best, are combined convexly.
        Access is a filter inside the store, applied before either leg ranks.
        """
        dataset = self._dataset
        size = max(limit, _LEG)
        readers: dict[str, list[int]] = {}
        for place, question in enumerate(questions):
            readers.setdefault(_access(question), []).append(place)
        scores: list[dict[int, float]] = [{} for _ in questions]
        for access, places in readers.items():
            near = _near(dataset, [questions[place].vector for place in places], access, size)
            for place, leg in zip(places, near, strict=True):
                scores[place] = combine(_matching(dataset, questions[place].text, access, size), leg)
        best = [leaders(each, limit) for each in scores]
        passages = _passages(dataset, {row for each in best for row in each})
        return [ranked(each, passages)[:limit] for each in best]

    def commit(self, rows: pa.Table, replaced: Sequence[str]) -> None:
        """Put `rows` in and take out every other row of the documents `replaced`, in one atomic commit."""
        if self._read_only:
            raise CollectionError(f"collection '{self.name}': version {self.version} is read only. Open the newest.")
        if rows.schema.field("vector").type != self._table.schema.field("vector").type:
            # vectors of another width are other columns: the whole table is written anew, as its next version
            left = self.documents().keys() - set(replaced)
            if left:
                raise CollectionError(
                    f"collection '{self.name}': {min(left)} has vectors of another width and no new ones. Nothing was "
                    "changed; run `plumbline ingest` again."
                )
            self._table.add(rows, mode="overwrite")
            return
        merge = self._table.merge_insert("chunk_id").when_matched_update_all().when_not_matched_insert_all()
        if replaced:
            names = ", ".join(_quoted(doc_id) for doc_id in replaced)
            merge = merge.when_not_matched_by_source_delete(f"doc_id IN ({names})")
        merge.execute(rows)

    def upkeep(self) -> None:
        """Bring the text index up to the rows; the store does not do it by itself. Nothing to do costs nothing."""
        indices = {index.name for index in self._table.list_indices()}
        if "indexed_text_idx" not in indices:
            # 'english' stems and drops stop words; other languages fall back to whole words
            self._table.create_index(
                "indexed_text", config=FTS(stem=True, remove_stop_words=True), name="indexed_text_idx"
            )
        elif self._table.index_stats("indexed_text_idx").num_unindexed_rows:
            self._table.optimize(cleanup_older_than=_NEVER)

    def tag(self, name: str, version: int) -> None:
        """Let a tag name a version; a tagged version is never cleaned up."""
        if name in self._table.tags.list():
            self._table.tags.update(name, version)
        else:
            self._table.tags.create(name, version)

    def _columns(self, columns: list[str] | None) -> pa.Table:
        return self._dataset.to_table(columns=columns)

    @property
    def _dataset(self) -> Any:
        """The open version as Lance sees it, opened once: its indices are read at the first search."""
        if self._opened is None or self._opened.version != self.version:
            self._opened = self._table.to_lance()
        return self._opened


class Store:
    """The folder of all collections."""

    def __init__(self, folder: Path, dimensions: int):
        self._folder = folder
        self._dimensions = dimensions

    @cached_property
    def _database(self) -> Any:
        self._folder.mkdir(parents=True, exist_ok=True)
        return lancedb.connect(self._folder)

    def names(self) -> list[str]:
        """The collections there are."""
        return sorted(self._database.list_tables().tables)

    def open(self, name: str, *, version: int | None = None) -> Collection:
        """A collection as it stands, or one version of it. Raises CollectionError."""
        if name not in self.names():
            known = ", ".join(self.names()) or "none yet"
            raise CollectionError(
                f"collection '{name}': not in {self._folder}. There are: {known}. "
                f"Make it with `plumbline ingest --collection {name} --source FOLDER`."
            )
        table = self._database.open_table(name)
        if version is not None:
            try:
                table.checkout(version)
            except (ValueError, RuntimeError, TypeError) as problem:
                raise CollectionError(
                    f"collection '{name}': version {version} is not in {self._folder} ({_first_line(problem)}). "
                    f"Run `plumbline check --collection {name}` to serve one that is."
                ) from None
        return Collection(table, name, read_only=version is not None)

    def create(self, name: str) -> Collection:
        """The collection, made empty when it is not there yet."""
        if name in self.names():
            return self.open(name)
        return Collection(self._database.create_table(name, schema=self.schema), name)

    @property
    def schema(self) -> pa.Schema:
        """The schema of every collection here."""
        return chunk_schema(self._dimensions)


def _access(question: Question) -> str:
    allowed = ", ".join(f"'{check_group(group)}'" for group in sorted({PUBLIC, *question.groups}))
    return f"array_has_any(groups, make_array({allowed}))"


def _matching(dataset: Any, text: str, access: str, size: int) -> dict[int, float]:
    """The text leg of one question: BM25 by row id."""
    query = MatchQuery(text, "indexed_text")
    rows = _scan(dataset, access, ["_score"], limit=size, full_text_query=query)
    return dict(zip(rows["_rowid"].to_pylist(), rows["_score"].to_pylist(), strict=True))


def _near(dataset: Any, vectors: Sequence[Vector], access: str, size: int) -> list[dict[int, float]]:
    """The vector leg of many questions in one pass over the vectors: cosine by row id."""
    nearest = {"column": "vector", "q": np.stack(vectors), "k": size, "metric": "cosine"}
    rows = _scan(dataset, access, ["query_index", "_distance"], nearest=nearest)
    legs: list[dict[int, float]] = [{} for _ in vectors]
    columns = (rows[name].to_pylist() for name in ("query_index", "_rowid", "_distance"))
    for place, row, distance in zip(*columns, strict=True):
        legs[place][row] = 1.0 - distance
    return legs


def _passages(dataset: Any, rows: Iterable[int]) -> dict[int, dict[str, Any]]:
    if not rows:
        return {}
    columns = ["chunk_id", "doc_id", "doc_sha", "uri", "title", "text"]
    found = _scan(dataset, f"_rowid IN ({', '.join(map(str, rows))})", columns)
    return {row["_rowid"]: row for row in found.to_pylist()}


def _scan(dataset: Any, where: str, columns: list[str], **query: Any) -> pa.Table:
    # straight to Lance: the query builders of lancedb take twice the CPU time of the search itself
    scanner = dataset.scanner(columns=columns, filter=where, prefilter=True, with_row_id=True, **query)
    return scanner.to_table()


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _first_line(problem: Exception) -> str:
    return str(problem).splitlines()[0][:120] if str(problem) else type(problem).__name__
