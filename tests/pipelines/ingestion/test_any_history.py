"""Any history of a corpus and of its recipe ends in the index that building from scratch gives.

Of a document that is kept out, the index holds its last good passages, for today's readers and by today's embedder;
that is the only difference.
"""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.history import History
from knowledge.record import Document, Parsed, Recipe, Rejected
from knowledge.store import Collection, Store
from pipelines.embedder import WordLlamaEmbedder
from pipelines.ingestion.commit import commit_rows, reconcile
from pipelines.ingestion.parsing import ParseSettings
from pipelines.ingestion.plan import Plan, make_plan
from pipelines.ingestion.read import Work, read_document
from pipelines.ingestion.rows import new_rows
from pipelines.ingestion.split import SplitSettings
from pipelines.ingestion.stage import Staged, stage_rows
from pipelines.ingestion.stopwatch import Stopwatch

pytestmark = pytest.mark.usefixtures("prepared_parser")

_NAMES = ("a.md", "b.md", "c.txt", "d.html", "it's e.md")
_TEXTS = (
    b"# Refunds\n\nA refund takes five working days.",
    b"# Refunds\n\nA refund takes six working days.",
    b"# Refunds\n\nA refund takes five working days.\n\n" + b"## Money\n\nIt goes back to the card. " * 9,
    b"<h1>Hours</h1><p>The key is AKIAIOSFODNN7EXAMPLE and the shop opens at\xe2\x80\x8b seven.</p>",
    b"Title\n\n" + b"A line of a long text that is cut into passages. " * 12,
    b"",  # what follows is kept out
    b"\0\0 broken \0",
)
_WHEN = datetime(2026, 1, 2, tzinfo=UTC)
# what stays as it was in the rows of a document that is kept out
_KEPT = (
    "doc_sha",
    "parse_id",
    "split_id",
    "title",
    "headings",
    "page",
    "text",
    "indexed_text",
    "findings",
    "signature",
)
_SAID = ("groups", "tags", "superseded_by")
_COMPARED = (*_KEPT, "doc_id", "embed_id", "ordinal", "source", "uri", "text_sha", "tokens", *_SAID, "languages")


_Rows = dict[str, list[dict[str, Any]]]


class _OtherEmbedder(WordLlamaEmbedder):
    """The same model turned round: other vectors of the same width, or shorter ones."""

    def __init__(self, embed_id: str, dimensions: int):
        self._is = embed_id, dimensions

    @property
    def embed_id(self) -> str:
        return self._is[0]

    @property
    def dimensions(self) -> int:
        return self._is[1]

    def embed(self, texts):
        vectors = super().embed(texts)[:, ::-1][:, : self.dimensions]
        return np.ascontiguousarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


_EMBEDDERS = (WordLlamaEmbedder(), _OtherEmbedder("turned", 256), _OtherEmbedder("short", 64))


@dataclass(frozen=True)
class _Rules:
    """What shapes rows. pdf_layout stands for any setting that makes another parser; max_pages for any limit."""

    max_tokens: int = 200
    pdf_layout: bool = False
    max_pages: int = 2000
    embedder: int = 0

    @property
    def recipe(self) -> Recipe:
        return Recipe(self.parsing.parse_id, self.splitting.split_id, _EMBEDDERS[self.embedder].embed_id)

    @property
    def parsing(self) -> ParseSettings:
        return ParseSettings(pdf_layout=self.pdf_layout, max_pages=self.max_pages)

    @property
    def splitting(self) -> SplitSettings:
        return SplitSettings(max_tokens=self.max_tokens, min_tokens=10)


@dataclass
class _World:
    """The files of a source, its readers and languages, and the rules of the day."""

    folder: Path
    files: dict[str, bytes] = field(default_factory=dict)
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    languages: dict[str, tuple[str, ...]] = field(default_factory=dict)
    tags: dict[str, tuple[str, ...]] = field(default_factory=dict)
    superseded: dict[str, str | None] = field(default_factory=dict)
    rules: _Rules = _Rules()

    def listing(self) -> list[Document]:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        found = []
        for name, content in self.files.items():
            path = self.folder / name
            path.write_bytes(content)
            groups, languages = self.groups.get(name, ("public",)), self.languages.get(name, ("eng",))
            sha, uri = sha256(content).hexdigest(), f"docs/{name}"
            said = {"tags": self.tags.get(name, ()), "superseded_by": self.superseded.get(name)}
            found.append(Document(uri, sha, "docs", uri, str(path), len(content), _WHEN, groups, languages, **said))
        return found

    def apply(self, change: tuple[str, ...]) -> None:
        kind, *values = change
        match kind, values:
            case "write", (name, content):
                self.files[name] = content
            case "rename", (old, new) if old in self.files:
                self.files[new] = self.files.pop(old)
            case "copy", (old, new) if old in self.files:
                self.files[new] = self.files[old]
            case "swap", (one, other) if one in self.files and other in self.files:
                self.files[one], self.files[other] = self.files[other], self.files[one]
            case "delete", (name,):
                self.files.pop(name, None)
            case "groups", (name, groups):
                self.groups[name] = groups
            case "tags", (name, tags):
                self.tags[name] = tags
            case "superseded", (name, by):
                self.superseded[name] = by
            case "languages", (name, languages):
                self.languages[name] = languages
            case "rules", (rule, value):
                self.rules = replace(self.rules, **{rule: value})


@dataclass(frozen=True)
class _Index:
    """A collection in a folder, with its quarantine and the parsed elements that are kept."""

    folder: Path
    history: History
    name: str

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    def open(self, rules: _Rules) -> tuple[Store, Collection]:
        store = Store(self.folder / "lancedb", _EMBEDDERS[rules.embedder].dimensions)
        return store, store.create(self.name)

    def stage(self, listing: list[Document], rules: _Rules) -> tuple[Plan, Staged]:
        embedder = _EMBEDDERS[rules.embedder]
        store, collection = self.open(rules)
        plan = make_plan(
            self.name,
            listing,
            collection.each_document(),
            self.history.quarantined(self.name),
            rules.recipe,
            attempt_id=rules.parsing.attempt_id,
            other_columns=not collection.schema.equals(store.schema),
        )
        work = Work(rules.parsing, rules.splitting, self.cache)
        outcomes = [read_document(step.document, work, Stopwatch()) for step in plan.steps if step.needs_parser]
        return plan, stage_rows(plan, outcomes, collection, store.schema, embedder)

    def run(self, listing: list[Document], rules: _Rules) -> Staged:
        plan, staged = self.stage(listing, rules)
        store, collection = self.open(rules)
        commit_rows(collection, staged, store.schema)
        self.note(plan, staged)
        reconcile(collection, plan, [each.rejected for each in self.history.quarantined(self.name)])
        return staged

    def note(self, plan: Plan, staged: Staged) -> None:
        still = {step.document.doc_id for step in plan.steps if step.change == "quarantined"}
        listed = {step.document.doc_id for step in plan.steps}
        self.history.update_quarantine(self.name, rejected=staged.rejected, still=still, listed=listed)

    def rows(self, rules: _Rules) -> dict[str, dict[str, Any]]:
        _, collection = self.open(rules)
        found = collection.rows_of(collection.documents()).to_pylist()
        assert len(found) == collection.count_chunks() == len({row["chunk_id"] for row in found})
        return {row["chunk_id"]: row for row in found}

    def kept_out(self) -> set[str]:
        return {entry.rejected.doc_id for entry in self.history.quarantined(self.name)}


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    return History(f"sqlite:///{tmp_path_factory.mktemp('history') / 'state.db'}")


_numbers = count()


def _index(folder: Path, history: History) -> _Index:
    return _Index(folder, history, f"c{next(_numbers)}")


_name = st.sampled_from(_NAMES)
_change = st.one_of(
    st.tuples(st.just("write"), _name, st.sampled_from(_TEXTS)),
    st.tuples(st.sampled_from(("rename", "copy", "swap")), _name, _name),
    st.tuples(st.just("delete"), _name),
    st.tuples(st.just("groups"), _name, st.sampled_from((("public",), ("hr",), ("hr", "it")))),
    st.tuples(st.just("tags"), _name, st.sampled_from(((), ("old",), ("old", "terms")))),
    st.tuples(st.just("superseded"), _name, st.sampled_from((None, "docs/a.md", "trust/b.md"))),
    st.tuples(st.just("languages"), _name, st.sampled_from((("eng",), ("deu",)))),
    st.tuples(st.just("rules"), st.just("max_tokens"), st.sampled_from((200, 20))),
    st.tuples(st.just("rules"), st.just("pdf_layout"), st.booleans()),
    st.tuples(st.just("rules"), st.just("max_pages"), st.sampled_from((2000, 3))),
    st.tuples(st.just("rules"), st.just("embedder"), st.integers(0, len(_EMBEDDERS) - 1)),
)
_ending = st.sampled_from(("run", "run", "run twice", "without cache", "killed staged", "killed committed"))
_nights = st.lists(st.tuples(st.lists(_change, max_size=4), _ending), min_size=1, max_size=4)
_first = st.dictionaries(_name, st.sampled_from(_TEXTS), min_size=1)


@settings(max_examples=25)
@given(files=_first, nights=_nights)
def test_any_history_ends_in_the_index_of_a_fresh_build(history, files, nights):
    _live(history, files, nights)


@pytest.mark.nightly
@settings(max_examples=300)
@given(files=_first, nights=_nights)
def test_three_hundred_histories_end_in_the_index_of_a_fresh_build(history, files, nights):
    _live(history, files, nights)


def _live(history: History, files: dict[str, bytes], nights: list[tuple[list[tuple[Any, ...]], str]]) -> None:
    with TemporaryDirectory() as folder:
        world, index = _World(Path(folder) / "docs", dict(files)), _index(Path(folder), history)
        good: _Rows = {}
        for changes, ending in ([], "run"), *nights, ([], "run"):
            for change in changes:
                world.apply(change)
            listing = world.listing()
            _night(index, listing, world.rules, ending)
            if ending != "killed staged":
                good = _expected(listing, world.rules, good)
                _compare(index, world.rules, good)
        fresh = _index(Path(folder) / "fresh", history)
        fresh.run(listing, world.rules)
        assert index.kept_out() == fresh.kept_out()
        held = {name: rows for name, rows in good.items() if name in fresh.kept_out()}
        _compare(index, world.rules, held | _by_document(fresh.rows(world.rules).values()))


def _night(index: _Index, listing: list[Document], rules: _Rules, ending: str) -> None:
    if ending == "without cache":
        shutil.rmtree(index.cache, ignore_errors=True)
    if ending in ("killed staged", "killed committed"):
        _, staged = index.stage(listing, rules)
        store, collection = index.open(rules)
        if ending == "killed committed" and staged.replaced:
            collection.commit(staged.fragments, store.schema, replaced=staged.replaced)
        return
    index.run(listing, rules)
    if ending == "run twice":
        again = index.run(listing, rules)
        assert (again.rows, again.replaced, again.texts_embedded) == (0, frozenset(), 0)


def _expected(listing: list[Document], rules: _Rules, good: _Rows) -> _Rows:
    """The rows of every document by itself; of one that is kept out the last good ones, where it has any."""
    embedder, found = _EMBEDDERS[rules.embedder], {}
    for document in listing:
        parsed = _read(document, rules)
        if isinstance(parsed, Rejected):
            kept = [{name: row[name] for name in (*_KEPT, "chunk_id")} for row in good.get(document.doc_id, ())]
            said = {"tags": list(document.tags), "superseded_by": document.superseded_by}
            rows = [row | said | {"groups": list(document.groups), "embed_id": embedder.embed_id} for row in kept]
        else:
            rows = new_rows(document, parsed, rules.recipe)
        if rows:
            vectors = embedder.embed([row["indexed_text"] for row in rows])
            found[document.doc_id] = [row | {"vector": vector} for row, vector in zip(rows, vectors, strict=True)]
    return found


_parsed: dict[object, Parsed | Rejected] = {}


def _read(document: Document, rules: _Rules) -> Parsed | Rejected:
    key = (document.doc_id, document.doc_sha, document.languages, rules.parsing.attempt_id, rules.splitting)
    if key not in _parsed:
        _parsed[key] = read_document(document, Work(rules.parsing, rules.splitting), Stopwatch())
    return _parsed[key]


def _by_document(rows: Iterable[dict[str, Any]]) -> _Rows:
    found: _Rows = {}
    for row in rows:
        found.setdefault(row["doc_id"], []).append(row)
    return found


def _compare(index: _Index, rules: _Rules, expected: _Rows) -> None:
    wanted = {row["chunk_id"]: row for rows in expected.values() for row in rows}
    rows = index.rows(rules)
    assert rows.keys() == wanted.keys()
    for chunk_id, row in wanted.items():
        for name in row.keys() & set(_COMPARED):
            assert rows[chunk_id][name] == row[name], (chunk_id, name)
        assert np.allclose(rows[chunk_id]["vector"], row["vector"], atol=1e-5), chunk_id
