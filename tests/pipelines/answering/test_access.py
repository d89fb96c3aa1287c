"""Access: not one passage of others reaches a reader, whatever is written, asked, filtered or joined."""

import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from knowledge.filter import Filter
from knowledge.record import Hit
from knowledge.store import Collection, Store, chunk_schema
from knowledge.terms import terms_of
from knowledge.upkeep import UpkeepSettings
from pipelines.answering.retrieve import Asked, retrieve_many
from pipelines.answering.shape import Shape

_WIDTH = 4
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
_GROUPS, _TAGS, _LANGUAGES = ("public", "hr", "it", "legal"), ("old", "terms"), ("eng", "deu")
_WORDS = ("salary", "refund", "parcel", "voucher", "band")
_FILLER = 300  # passages that nobody below may read, so many that the vectors have an index


@dataclass(frozen=True)
class _Written:
    """A document: its name, who may read it, what is said of it, and what its passages say.

    shut: a passage of it that `legal` alone may read. No ingest writes such rows; what joins passages must not care.
    """

    name: str
    groups: tuple[str, ...]
    tags: tuple[str, ...]
    languages: tuple[str, ...]
    source: str
    days: int
    texts: tuple[str, ...]
    hidden: bool
    shut: int | None = None

    @property
    def doc_id(self) -> str:
        return f"{self.source}/{self.name}"

    def readers(self, ordinal: int) -> tuple[str, ...]:
        return ("legal",) if ordinal == self.shut else self.groups

    def shown_to(self, asked: Asked) -> set[str]:
        """The passages that the reader may see and the filter lets by. Said once more, in Python."""
        reader = {"public", *asked.groups}
        mine = {ordinal for ordinal in range(len(self.texts)) if reader & set(self.readers(ordinal))}
        return {f"{self.doc_id}#{ordinal}" for ordinal in mine} if self._meets(asked.filter) else set()

    def _meets(self, wanted: Filter) -> bool:
        since = wanted.modified_since
        return (
            not self.hidden
            and (not wanted.sources or self.source in wanted.sources)
            and (not wanted.languages or bool(set(wanted.languages) & set(self.languages)))
            and (not wanted.tags or bool(set(wanted.tags) & set(self.tags)))
            and (since is None or _EPOCH + timedelta(days=self.days) >= since)
        )


class _Embedder:
    """Vectors by the words of a text, so that words and vectors lead to the same passages."""

    embed_id, dimensions = "words", _WIDTH

    def embed(self, texts: Any) -> Any:
        counts = [[1 + text.lower().count(word) for word in _WORDS[:_WIDTH]] for text in texts]
        vectors = np.asarray(counts, np.float32).reshape(-1, _WIDTH)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    embed_questions = embed


def _some(names: tuple[str, ...], *, most: int = 2) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(names), unique=True, max_size=most).map(tuple)


# names and questions with all that SQL, Lance's filters and its full-text search know
_SIGNS = (
    "'",
    '"',
    "''",
    "`",
    ";",
    "--",
    "/*",
    "*/",
    "\\",
    "%",
    "_",
    "(",
    ")",
    "#",
    "\0",
    "\n",
    "~1",
    "^2",
    "+",
    ":",
    "🦉",
)
_TRICKS = (
    "') OR true --",
    "public') OR 1=1 OR array_has_any(groups, make_array('hr",
    "x' OR groups IS NOT NULL OR 'x'='",
    '"salary band"',
    "groups:hr",
    "salary AND (NOT public)",
    "text:* OR *:*",
    "doc_id IN ('d/0')",
)
_words = st.lists(st.sampled_from((*_WORDS, *_SIGNS, *_TRICKS, "9.5", "max_retries")), max_size=6).map(" ".join)
_question = st.one_of(_words, st.text(max_size=30))
_name = st.one_of(
    st.sampled_from(("a.md", "b.md", "a.md#1", "it's.md", "x') or true --", "a\\b.md", "#0")), _words
).map(lambda name: name.replace("\0", "") or "empty")
_written = st.lists(
    st.builds(
        _Written,
        _name,
        _some(_GROUPS),
        _some(_TAGS),
        _some(_LANGUAGES),
        st.sampled_from(("help", "jobs")),
        st.integers(0, 9),
        st.lists(_words, min_size=1, max_size=4).map(tuple),
        st.booleans(),
        st.none() | st.integers(0, 3),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda each: each.doc_id,
)
_since = st.none() | st.integers(-1, 10).map(lambda days: _EPOCH + timedelta(days=days))
_filter = st.builds(Filter, _some(("help", "jobs")), _some(_LANGUAGES), _some(_TAGS), _since)
_asked = st.builds(Asked, _question, _some(("hr", "it", "public"), most=3), st.just(Filter()) | _filter)
_shape = st.builds(
    Shape, st.sampled_from((None, 0.0, 0.9)), st.booleans(), st.integers(0, 3), st.none() | st.integers(1, 60)
)


def _collection(folder: str, written: list[_Written], *, index: bool) -> Collection:
    """These documents; where the vectors have an index, among others for `legal` alone, of whom nobody asks."""
    store = Store(Path(folder), _WIDTH)
    collection = store.create("support")
    filler = [
        _Written(f"{place}.md", ("legal",), _TAGS, _LANGUAGES, "help", 9, (f"{_WORDS[place % 5]} band",), hidden=False)
        for place in range(_FILLER if index else 0)
    ]
    rows = [_row(each, ordinal) for each in (*written, *filler) for ordinal in range(len(each.texts))]
    table = pa.Table.from_pylist(rows, schema=chunk_schema(_WIDTH))
    collection.commit(collection.stage(table), store.schema, replaced=[row["doc_id"] for row in rows])
    collection.upkeep(UpkeepSettings(exact_below=256))
    assert collection._view().approximate is index
    return collection


def _row(each: _Written, ordinal: int) -> dict[str, Any]:
    text = each.texts[ordinal]
    plain = dict.fromkeys(("doc_sha", "parse_id", "split_id", "embed_id", "uri", "title", "text_sha"), "x")
    said = {"groups": each.readers(ordinal), "tags": each.tags, "languages": each.languages, "source": each.source}
    return {
        **plain,
        **said,
        **{"chunk_id": f"{each.doc_id}#{ordinal}", "doc_id": each.doc_id, "ordinal": ordinal, "tokens": 9},
        **{"headings": [], "findings": [], "text": text, "indexed_text": text, "terms": terms_of(text, _LANGUAGES)},
        "modified_at": _EPOCH + timedelta(days=each.days),
        "duplicate_of": "another" if each.hidden else None,
        "vector": _Embedder().embed([text])[0].tolist(),
    }


def _shown(hits: list[Hit]) -> set[str]:
    """The passages that a reader gets to see, as hits or joined to one."""
    return {name for hit in hits for name in (hit.chunk_id, *hit.joined)}


@pytest.mark.parametrize("index", [False, True], ids=["compared", "indexed"])
@settings(max_examples=25)
@given(data=st.data(), written=_written, asked=st.lists(_asked, min_size=1, max_size=4), shape=_shape)
def test_no_reader_ever_sees_a_passage_of_others(index, data, written, asked, shape):
    mode = data.draw(st.sampled_from(("hybrid", "text", "vector")))
    texts = {f"{each.doc_id}#{ordinal}": text for each in written for ordinal, text in enumerate(each.texts)}
    with tempfile.TemporaryDirectory() as folder:
        collection = _collection(folder, written, index=index)
        found = retrieve_many(asked, collection, _Embedder(), limit=20, mode=mode, shape=shape)
        everything = retrieve_many(asked, collection, _Embedder(), limit=50, mode="vector")
    for each, hits, whole in zip(asked, found, everything, strict=True):
        theirs = set().union(*(document.shown_to(each) for document in written))
        event("something to see" if theirs else "nothing to see")
        assert _shown(hits) <= theirs
        for hit in hits:
            own = [texts[name] for name in (hit.chunk_id, *hit.joined)]
            assert sorted(hit.text.split("\n")) == sorted("\n".join(own).split("\n"))
        # and all that they may see is there: a condition that lets nothing by would pass the rest
        assert _shown(whole) == theirs
