"""One collection: what it holds, as it stands or as it stood, and the one way to change it."""

from collections import Counter, defaultdict
from collections.abc import Collection as Names
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from knowledge.digest import digest
from knowledge.errors import CollectionError
from knowledge.filter import EVERYTHING, Filter
from knowledge.fusion import SearchMode
from knowledge.record import Hit, IndexedContent, IndexedDocument, Recipe
from knowledge.store import indexing, search, writing
from knowledge.store.search import Question
from knowledge.store.view import Vector, View
from knowledge.store.visible import visible
from knowledge.upkeep import DEFAULT_UPKEEP, UpkeepSettings

_PART = 1024  # rows


class Collection:
    """One table of chunks, as it stands or (`version`) as it stood; a version is read only."""

    def __init__(self, dataset: Any, name: str, *, read_only: bool = False):
        self._dataset = dataset
        self._read_only = read_only
        self._seen: View | None = None
        self.name = name

    @property
    def version(self) -> int:
        """The Lance version that is open."""
        return int(self._dataset.version)

    def count_chunks(self) -> int:
        """Rows in the open version."""
        return int(self._dataset.count_rows())

    def documents(self) -> dict[str, IndexedDocument]:
        """What is indexed of each document, by doc_id."""
        return {each.doc_id: each for each in self.each_document()}

    def each_document(self) -> Iterator[IndexedDocument]:
        """What is indexed, document by document: they need not all be in memory."""
        columns = ["parse_id", "split_id", "embed_id", "source", "groups", "languages", "tags"]
        columns += ["doc_id", "doc_sha", "uri", "superseded_by", "modified_at"]
        once: dict[Any, Any] = {}  # documents share their recipes, sources, groups, languages and tags
        for *recipe, source, groups, languages, tags, doc_id, doc_sha, uri, by, when in self._first_passages(columns):
            key = (tuple(recipe), source, tuple(groups), tuple(languages), tuple(tags or ()))
            recipe_, source_, groups_, languages_, tags_ = once.setdefault(key, (Recipe(*recipe), *key[1:]))
            yield IndexedDocument(doc_id, doc_sha, recipe_, source_, uri, groups_, languages_, tags_, by, when)

    def each_content(self) -> Iterator[IndexedContent]:
        """The content and the readers of each indexed document; a tenth of the work of `each_document`."""
        columns = ["doc_id", "doc_sha", "groups"]
        once: dict[tuple[str, ...], tuple[str, ...]] = {}
        for doc_id, doc_sha, groups in self._first_passages(columns):
            yield IndexedContent(doc_id, doc_sha, once.setdefault(tuple(groups), tuple(groups)))

    def tagged(self, name: str) -> int | None:
        """The version that a tag names; None where there is no such tag."""
        tag = self._dataset.tags.list().get(name)
        return int(tag["version"]) if tag else None

    def kept(self) -> list[int]:
        """The versions that a tag names."""
        return sorted({int(each["version"]) for each in self._dataset.tags.list().values()})

    def rows_of(self, doc_ids: Iterable[str], *, columns: list[str] | None = None) -> pa.Table:
        """The rows of some documents, whole or in some columns."""
        held = self._columns(["doc_id"])["doc_id"]
        places = _places(pc.is_in(held, value_set=pa.array(sorted(doc_ids), pa.string())))
        return self._dataset.take(places, columns=columns)

    def signatures(self) -> pa.Table:
        """doc_id, groups and signature of every document that has one."""
        columns = ["doc_id", "groups", "signature"]
        return self._dataset.to_table(columns=columns, filter="ordinal = 0 AND signature IS NOT NULL")

    def duplicates(self) -> dict[str, str]:
        """The documents that searches leave out, and for each the one that stands for it."""
        if "duplicate_of" not in self.schema.names:
            return {}
        rows = self._dataset.to_table(columns=["doc_id", "duplicate_of"], filter="duplicate_of IS NOT NULL")
        return dict(zip(rows["doc_id"].to_pylist(), rows["duplicate_of"].to_pylist(), strict=True))

    def findings(self) -> dict[str, dict[str, int]]:
        """By kind of finding the documents with such passages, and how many each has."""
        if "findings" not in self.schema.names:
            return {}
        rows = self._columns(["doc_id", "findings"])
        rows = rows.filter(pc.greater(pc.list_value_length(rows["findings"]), 0)).sort_by("doc_id")
        found: dict[str, Counter[str]] = defaultdict(Counter)
        for doc_id, kinds in zip(rows["doc_id"].to_pylist(), rows["findings"].to_pylist(), strict=True):
            for kind in kinds:
                found[kind][doc_id] += 1
        return {kind: dict(found[kind]) for kind in sorted(found)}

    def texts(self, embed_id: str) -> pa.Table:
        """Of each row whose vector was made under this `embed_id`: `text_sha`, and its `place` for `vectors_at`."""
        parts, start = [pa.schema([self.schema.field("text_sha"), pa.field("place", pa.int64())]).empty_table()], 0
        for rows in self.batches(["text_sha", "embed_id"]):
            places = pa.array(range(start, start + rows.num_rows), pa.int64())
            made = pc.equal(rows["embed_id"], embed_id)
            parts.append(rows.select(["text_sha"]).append_column("place", places).filter(made))
            start += rows.num_rows
        return pa.concat_tables(parts)

    def vectors_at(self, places: Sequence[int]) -> Vector:
        """The vectors at these places: shape (len(places), dimensions)."""
        if not places:
            return np.zeros((0, 0), np.float32)
        vectors = self._dataset.take(list(places), columns=["vector"])["vector"].combine_chunks()
        return np.asarray(vectors.flatten()).reshape(len(places), -1)

    def embed_ids(self) -> set[str]:
        """The embedders whose vectors are in the open version."""
        return set(pc.unique(self._columns(["embed_id"])["embed_id"]).to_pylist())

    def batches(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Some columns of every row, part by part."""
        yield from map(pa.Table.from_batches, ([each] for each in self._dataset.to_batches(columns=list(columns))))

    def count_doubled(self) -> int:
        """Rows beyond the first of each chunk_id: 0, or another writer was at work."""
        # of each id 64 bits: two of ten million are taken for one in 1 of 400,000 collections, until the next run
        parts = [np.fromiter(map(hash, rows["chunk_id"].to_pylist()), np.int64) for rows in self.batches(["chunk_id"])]
        return self.count_chunks() - len(np.unique(np.concatenate([np.empty(0, np.int64), *parts])))

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
        columns += {"duplicate_of", "tags", "superseded_by"} & set(self.schema.names)
        return digest(self._columns(columns).sort_by("chunk_id").to_pylist())

    def search_many(self, questions: Sequence[Question], *, limit: int, mode: SearchMode = "hybrid") -> list[list[Hit]]:
        """For each question the best passages its reader may see and its filter lets by. Raises CollectionError."""
        return search.search_many(self._view(), questions, limit=limit, mode=mode)

    def passages(self, chunk_ids: Iterable[str], *, groups: Sequence[str], wanted: Filter) -> dict[str, Hit]:
        """By chunk_id those of these passages that a reader of these groups may see and the filter lets by."""
        view = self._view()
        return search.passages_of(view, chunk_ids, visible(view, groups, wanted))

    def names(self, column: str, groups: Sequence[str]) -> list[str]:
        """The sources (`source`), `languages` or `tags` of what a reader of these groups may see, sorted."""
        view = self._view()
        seen = view.scan(visible(view, groups, EVERYTHING), [column])[column]
        several = pa.types.is_list(seen.type)
        return sorted(pc.unique(pc.list_flatten(seen) if several else seen).to_pylist())

    def stage(self, rows: pa.Table) -> list[str]:
        """Write rows aside, where no reader sees them; what comes back goes to `commit`. Other machines may do so."""
        return writing.stage(self._dataset, rows)

    def staged(self, fragment: str) -> pa.Table:
        """The rows of a fragment that was staged and not yet committed."""
        return writing.staged(self._dataset, fragment)

    def commit(self, staged: Sequence[str], schema: pa.Schema, *, replaced: Names[str]) -> None:
        """Put staged rows in and take all former rows of the documents `replaced` out, in one atomic commit.

        Raises CollectionError, having changed nothing, when another writer has been faster.
        """
        if self._read_only:
            raise CollectionError(f"collection '{self.name}': version {self.version} is read only. Open the newest.")
        self._dataset = writing.commit(self._dataset, staged, schema, replaced, self.name)

    def upkeep(self, settings: UpkeepSettings = DEFAULT_UPKEEP) -> None:
        """Bring the indices up to the rows; the store does not do it by itself. Nothing to do costs nothing.

        Raises CollectionError when another writer commits meanwhile.
        """
        indexing.upkeep(self._dataset, settings, self.name)

    def clean_up(self, settings: UpkeepSettings = DEFAULT_UPKEEP) -> None:
        """Delete old versions but those that a tag names and the newest `keep_versions`."""
        writing.clean_up(self._dataset, settings)

    def tag(self, name: str, version: int) -> None:
        """Let a tag name a version; a tagged version is never cleaned up."""
        held = self.tagged(name)
        if held is None:
            self._dataset.tags.create(name, version)
        elif held != version:
            self._dataset.tags.update(name, version)

    def keep(self, name: str, versions: Iterable[int]) -> None:
        """Let the tags NAME-VERSION name exactly these versions, of which those that are gone already are left out."""
        tags = self._dataset.tags
        there = {each["version"] for each in self._dataset.versions()}
        wanted = {f"{name}-{version}": version for version in versions if version in there}
        held = {tag for tag in tags.list() if tag.startswith(f"{name}-") and tag.removeprefix(f"{name}-").isdigit()}
        for tag in sorted(held - wanted.keys()):
            tags.delete(tag)
        for tag in sorted(wanted.keys() - held):
            tags.create(tag, wanted[tag])

    def _first_passages(self, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """Some columns of each document's first passage; None in those that a version of an earlier release lacks."""
        held = [name for name in columns if name in self.schema.names]
        # in small parts and without Lance's filter: 18 MB less, and half of the time; without reading ahead half again
        ahead = {"batch_readahead": 1, "fragment_readahead": 1}
        for part in self._dataset.to_batches(columns=[*held, "ordinal"], batch_size=_PART, **ahead):
            first = part.filter(pc.equal(part["ordinal"], 0))
            found = {name: first[name].to_pylist() for name in held}
            yield from zip(*(found.get(name) or repeat(None, len(first)) for name in columns), strict=True)

    def _columns(self, columns: list[str] | None) -> pa.Table:
        return self._dataset.to_table(columns=columns)

    @property
    def schema(self) -> pa.Schema:
        """The columns of the open version."""
        return self._dataset.schema

    def _view(self) -> View:
        """The open version as searches see it."""
        if self._seen is None or self._seen.version != self.version:
            self._seen = View(self._dataset, self.name)
        return self._seen


def _places(chosen: pa.ChunkedArray) -> list[int]:
    # not pyarrow's `indices_nonzero`: it takes the process down where there are no rows
    return [int(place) for place in np.flatnonzero(chosen.to_numpy())]
