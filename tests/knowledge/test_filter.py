"""Filters: what a search looks at, of what its reader may see; never more than that."""

from datetime import UTC, datetime, timedelta, timezone

import lance
import pytest
from chunk_rows import axis_vector, chunk_row, commit_rows
from hypothesis import given
from hypothesis import strategies as st

from knowledge.errors import CollectionError
from knowledge.filter import Filter
from knowledge.store import Question, Store

_NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
_EAST = timezone(timedelta(hours=9))
# doc_id: source, languages, tags, when its file changed, groups
_ROWS = {
    "help/a": ("help", ["eng"], ["terms"], _NEW_YEAR, ["public"]),
    "help/b": ("help", ["deu", "eng"], ["terms", "old"], _NEW_YEAR - timedelta(days=1), ["public"]),
    "trust/c": ("trust", ["deu"], [], _NEW_YEAR + timedelta(microseconds=1), ["public"]),
    "trust/d": ("trust", ["eng"], None, _NEW_YEAR, ["public"]),
    "people/e": ("people", ["eng"], ["terms"], _NEW_YEAR, ["hr"]),
}
_COLUMNS = ("source", "languages", "tags", "modified_at", "groups")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Passages that differ in nothing but what filters are about."""
    folder = tmp_path_factory.mktemp("lancedb")
    store = Store(folder, 4)
    rows = [
        chunk_row(doc_id, "shared words", dimensions=4) | dict(zip(_COLUMNS, values, strict=True))
        for doc_id, values in _ROWS.items()
    ]
    collection = store.create("support")
    commit_rows(store, collection, *rows)
    collection.upkeep()
    return folder


@pytest.fixture(scope="module")
def collection(folder):
    return Store(folder, 4).open("support")


def _found(collection, wanted, *, groups=(), mode="hybrid"):
    question = Question("shared words", axis_vector(0, 4), groups, wanted)
    (hits,) = collection.search_many([question], limit=10, mode=mode)
    return [hit.doc_id for hit in hits]


@pytest.mark.parametrize("mode", ["hybrid", "text", "vector"])
@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Filter(), ["help/a", "help/b", "trust/c", "trust/d"]),
        (Filter(sources=("help",)), ["help/a", "help/b"]),
        (Filter(sources=("trust", "help")), ["help/a", "help/b", "trust/c", "trust/d"]),
        (Filter(sources=("people",)), []),  # of others' passages not even that they are there
        (Filter(sources=("nowhere",)), []),
        (Filter(languages=("deu",)), ["help/b", "trust/c"]),  # a passage in several is in each of them
        (Filter(languages=("deu", "fra")), ["help/b", "trust/c"]),
        (Filter(tags=("terms",)), ["help/a", "help/b"]),
        (Filter(tags=("old", "new")), ["help/b"]),
        (Filter(modified_since=_NEW_YEAR), ["help/a", "trust/c", "trust/d"]),
        (Filter(modified_since=_NEW_YEAR + timedelta(microseconds=1)), ["trust/c"]),
        (Filter(modified_since=_NEW_YEAR.astimezone(_EAST)), ["help/a", "trust/c", "trust/d"]),
        (Filter(modified_since=datetime(1, 1, 1, tzinfo=_EAST)), ["help/a", "help/b", "trust/c", "trust/d"]),
        (Filter(modified_since=datetime.max.replace(tzinfo=UTC)), []),
        (Filter(sources=("help",), languages=("eng",), tags=("terms",), modified_since=_NEW_YEAR), ["help/a"]),
    ],
)  # fmt: skip
def test_a_filter_lets_by_what_meets_all_of_it(collection, wanted, found, mode):
    assert _found(collection, wanted, mode=mode) == found


def test_a_filter_shows_a_reader_no_more_than_they_may_see(collection):
    assert _found(collection, Filter(tags=("terms",)), groups=("hr",)) == ["help/a", "help/b", "people/e"]
    assert _found(collection, Filter(tags=("terms",)), groups=("it",)) == ["help/a", "help/b"]


_ODD = ["", "A", "a b", "a'b", "x') or true --", 'a"b', "a;b", "%", "é", "a" * 64, "-a", "a\n"]


@pytest.mark.parametrize("name", _ODD)
@pytest.mark.parametrize(("key", "what"), [("sources", "source"), ("languages", "language"), ("tags", "tag")])
def test_a_name_that_is_no_plain_name_is_refused(key, what, name):
    with pytest.raises(ValueError, match=f"{what} .* must be lower-case letters"):
        Filter(**{key: ("good", name)})


@given(st.text())
def test_no_text_at_all_reaches_a_condition_but_plain_names(text):
    try:
        wanted = Filter(tags=(text,))
    except ValueError:
        return
    assert set(wanted.tags[0]) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_")


def test_a_time_without_its_zone_is_refused():
    with pytest.raises(ValueError, match="2026-01-01T00:00:00 has no time zone"):
        Filter(modified_since=datetime(2026, 1, 1))


def test_questions_with_several_filters_and_readers_find_what_each_finds_alone(collection):
    filters = [Filter(), Filter(tags=("terms",)), Filter(sources=("trust",)), Filter(languages=("eng",))]
    asked = [
        Question("shared words", axis_vector(0, 4), groups, wanted)
        for wanted in filters
        for groups in ((), ("hr",))
        for _ in range(2)
    ]
    alone = [collection.search_many([each], limit=10)[0] for each in asked]
    assert collection.search_many(asked, limit=10) == alone


def test_a_filter_on_a_column_that_a_version_lacks_is_told(folder, collection, tmp_path):
    rows = collection.rows_of(_ROWS).drop_columns(["tags", "superseded_by"])
    lance.write_dataset(rows, tmp_path / "support.lance")
    older = Store(tmp_path, 4).open("support")
    assert _found(older, Filter(sources=("help",)), mode="vector") == ["help/a", "help/b"]
    with pytest.raises(CollectionError, match=r"'support': version 1 .* the tags of its passages\. Run `plumbline ing"):
        _found(older, Filter(tags=("terms",)))


def test_what_replaces_a_document_is_named_to_those_alone_who_may_see_it(store):
    collection = store.create("support")
    old = chunk_row("d/old", "refund rules") | {"superseded_by": "hr/new"}
    commit_rows(store, collection, old, chunk_row("hr/new", "refund rules", groups=("hr",)))
    collection.upkeep()
    for groups, named in (((), None), (("hr",), "hr/new")):
        (hits,) = collection.search_many([Question("refund", axis_vector(0), groups)], limit=5)
        assert {hit.doc_id: hit.superseded_by for hit in hits}["d/old"] == named
