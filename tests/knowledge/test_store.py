"""The store: atomic commits, versions that stay, and passages that only their readers find."""

import multiprocessing
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.errors import CollectionError
from knowledge.record import Recipe
from knowledge.store import Question, Store


def _axis(number, dimensions=256):
    return np.eye(dimensions, dtype=np.float32)[number]


def _row(doc_id, text="some words", *, ordinal=0, groups=("public",), axis=0, dimensions=256, sha="0" * 64):
    return {
        "chunk_id": f"{doc_id}#{ordinal}",
        "doc_id": doc_id,
        "doc_sha": sha,
        "parse_id": "p",
        "split_id": "s",
        "embed_id": "e",
        "source": "docs",
        "uri": f"file/{doc_id}",
        "title": "Title",
        "headings": ["Title"],
        "ordinal": ordinal,
        "page": None,
        "text": text,
        "indexed_text": text,
        "text_sha": f"sha of {text}",
        "tokens": 2,
        "groups": list(groups),
        "languages": ["eng"],
        "modified_at": datetime(2026, 1, 2, tzinfo=UTC),
        "vector": _axis(axis, dimensions).tolist(),
    }


def _commit(store, collection, *rows, replaced=None):
    names = sorted({row["doc_id"] for row in rows}) if replaced is None else replaced
    collection.commit(pa.Table.from_pylist(list(rows), schema=store.schema), names)
    return collection.version


def _texts(collection):
    found = collection.rows_of(collection.documents()).to_pylist()
    return {row["chunk_id"]: row["text"] for row in found}


def _hits(collection, question, *, limit=10):
    return collection.search_many([question], limit=limit)[0]


def _found(collection, text, *, groups=(), axis=0, limit=10):
    return [hit.doc_id for hit in _hits(collection, Question(text, _axis(axis), groups), limit=limit)]


# --- commits and versions


def test_one_commit_adds_replaces_and_deletes_in_one_version(store):
    collection = store.create("support")
    before = _commit(
        store, collection, _row("d/a", "old"), _row("d/a", "tail", ordinal=1), _row("d/b", "gone"), _row("d/k", "kept")
    )
    after = _commit(store, collection, _row("d/a", "new"), _row("d/c", "added"), replaced=["d/a", "d/b", "d/c"])
    assert after == before + 1
    assert _texts(collection) == {"d/a#0": "new", "d/c#0": "added", "d/k#0": "kept"}


def test_an_older_version_stays_readable_as_it_was(store):
    collection = store.create("support")
    version = _commit(store, collection, _row("d/a", "old"))
    _commit(store, collection, _row("d/a", "new"))
    _commit(store, collection, replaced=["d/a"])
    collection.upkeep()
    old = store.open("support", version=version)
    assert (old.version, _texts(old)) == (version, {"d/a#0": "old"})
    assert _texts(store.open("support")) == {}


def test_a_commit_that_only_deletes_needs_no_rows(store):
    collection = store.create("support")
    _commit(store, collection, _row("d/a"), _row("d/b"))
    _commit(store, collection, replaced=["d/a"])
    assert collection.chunk_ids() == ["d/b#0"]


def test_rows_of_documents_that_are_not_replaced_stay(store):
    collection = store.create("support")
    _commit(store, collection, _row("d/a"))
    _commit(store, collection, _row("d/b"), replaced=[])
    assert sorted(collection.chunk_ids()) == ["d/a#0", "d/b#0"]


@pytest.mark.parametrize(
    "name",
    ["it's.md", "''.md", 'a "b".md', "x') or ('1'='1", "grün/ß.md", "文書.md", "a\\b.md", "50%_#1.md", "🦉.md"],
)
def test_any_name_can_be_committed_and_deleted(store, name):
    collection = store.create("support")
    _commit(store, collection, _row(name), _row("d/other"))
    assert set(collection.documents()) == {name, "d/other"}
    _commit(store, collection, replaced=[name])
    assert set(collection.documents()) == {"d/other"}


def test_documents_tell_what_the_index_holds(store):
    collection = store.create("support")
    _commit(store, collection, _row("d/a", groups=("hr", "it")), _row("d/a", ordinal=1, groups=("hr", "it")))
    (entry,) = collection.documents().values()
    assert (entry.doc_id, entry.chunks, entry.groups) == ("d/a", 2, ("hr", "it"))
    assert (entry.recipe, entry.uri, entry.source) == (Recipe("p", "s", "e"), "file/d/a", "docs")


def test_vectors_are_those_of_one_embedder(store):
    collection = store.create("support")
    _commit(store, collection, _row("d/a", "one", axis=3), _row("d/b", "two") | {"embed_id": "older"})
    assert collection.vectors("e") == {"sha of one": _axis(3).tolist()}


def test_an_empty_collection_answers_everything_with_nothing(store):
    collection = store.create("support")
    collection.upkeep()
    assert (collection.documents(), collection.vectors("e"), collection.chunk_ids()) == ({}, {}, [])
    assert (collection.count_chunks(), _found(collection, "anything")) == (0, [])


def test_upkeep_without_new_rows_makes_no_version(store):
    collection = store.create("support")
    _commit(store, collection, _row("d/a"))
    collection.upkeep()
    version = collection.version
    collection.upkeep()
    assert collection.version == version


def test_create_gives_the_collection_that_is_there(store):
    _commit(store, store.create("support"), _row("d/a"))
    assert store.create("support").chunk_ids() == ["d/a#0"]
    assert store.names() == ["support"]


def test_a_tag_names_the_version_it_was_moved_to_last(store, tmp_path):
    import lancedb

    collection = store.create("support")
    first = _commit(store, collection, _row("d/a"))
    collection.tag("candidate", first)
    collection.tag("kept", first)
    collection.tag("candidate", _commit(store, collection, _row("d/b")))
    tags = lancedb.connect(tmp_path / "lancedb").open_table("support").tags.list()
    assert {name: tag["version"] for name, tag in tags.items()} == {"candidate": first + 1, "kept": first}


def test_an_unknown_collection_is_told_with_those_there_are(store):
    with pytest.raises(CollectionError, match=r"'support': not in .* There are: none yet. Make it with `plumbline"):
        store.open("support")
    store.create("people")
    with pytest.raises(CollectionError, match="There are: people"):
        store.open("support")


def test_an_unknown_version_is_told_with_a_remedy(store):
    store.create("support")
    with pytest.raises(CollectionError, match=r"version 99 is not in .* Run `plumbline check --collection support`"):
        store.open("support", version=99)


# --- search


@pytest.fixture
def library(store):
    collection = store.create("support")
    _commit(
        store,
        collection,
        _row("d/refund", "A refund takes five days.", axis=0),
        _row("d/parcel", "Parcels travel by rail.", axis=1),
        _row("d/salary", "Salary bands of the staff.", groups=("hr",), axis=2),
    )
    collection.upkeep()
    return collection


@pytest.mark.parametrize(
    ("text", "axis", "first"),
    [
        ("refund", 5, "d/refund"),  # by its words alone
        ("REFUNDS", 5, "d/refund"),  # whatever its case and form
        ("shipping", 1, "d/parcel"),  # by its vector alone
        ("parcel", 0, "d/parcel"),  # words weigh more than the vector
        ("", 1, "d/parcel"),
        ("the of ' \" AND (", 1, "d/parcel"),
    ],
)
def test_a_passage_is_found_by_words_and_by_vector(library, text, axis, first):
    assert _found(library, text, axis=axis)[0] == first


def test_a_passage_that_is_best_in_both_legs_scores_one(library):
    hit = _hits(library, Question("refund", _axis(0)), limit=1)[0]
    assert (hit.score, hit.chunk_id, hit.text) == (1.0, "d/refund#0", "A refund takes five days.")


def test_scores_fall_and_stay_between_zero_and_one(library):
    scores = [hit.score for hit in _hits(library, Question("five parcels", _axis(0)))]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)


def test_no_more_passages_come_than_are_asked_for(library):
    assert len(_found(library, "refund parcels", limit=1)) == 1


def test_a_new_passage_is_found_before_and_after_upkeep(store, library):
    _commit(store, library, _row("d/vat", "Reverse charge applies.", axis=3))
    assert _found(library, "charge", axis=9)[0] == "d/vat"
    library.upkeep()
    assert _found(library, "charge", axis=9)[0] == "d/vat"


@pytest.mark.parametrize(
    ("groups", "seen"),
    [((), False), (("public",), False), (("it",), False), (("hr",), True), (("it", "hr"), True)],
)
def test_a_passage_is_seen_by_its_groups_alone(library, groups, seen):
    assert ("d/salary" in _found(library, "salary", groups=groups, axis=2)) is seen


@pytest.mark.parametrize(("text", "axis"), [("salary", 9), ("unheard", 2)])
def test_many_better_passages_of_others_do_not_hide_the_readers_own(store, library, text, axis):
    others = [_row(f"d/{number}", "Salary salary.", groups=("hr",), axis=2) for number in range(120)]
    _commit(store, library, *others, _row("d/own", "A public word on salary bands.", axis=2))
    library.upkeep()
    assert _found(library, text, axis=axis, limit=1) == ["d/own"]


@pytest.mark.parametrize("group", ["hr'", "x') or true --", 'hr"', "", "HR"])
def test_a_group_that_is_no_plain_name_is_refused(library, group):
    with pytest.raises(ValueError, match="must be lower-case"):
        _found(library, "salary", groups=(group,))


_GROUPS = st.lists(st.sampled_from(["public", "hr", "it", "legal"]), unique=True, max_size=3)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(written=st.lists(_GROUPS, min_size=1, max_size=8), readers=st.lists(_GROUPS, min_size=1, max_size=4))
def test_every_reader_finds_exactly_the_documents_of_their_groups(written, readers):
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder), 4)
        collection = store.create("support")
        rows = [
            _row(f"d/{place}", f"shared words {place}", groups=groups, axis=place % 4, dimensions=4)
            for place, groups in enumerate(written)
        ]
        _commit(store, collection, *rows)
        collection.upkeep()
        for reader in readers:
            hits = _hits(collection, Question("shared words", np.full(4, 0.5, np.float32), tuple(reader)), limit=50)
            allowed = {f"d/{place}" for place, groups in enumerate(written) if {"public", *reader} & set(groups)}
            assert {hit.doc_id for hit in hits} == allowed


_WORDS = ["refund", "parcel", "salary", "invoice", "the"]
_QUESTIONS = st.lists(
    st.tuples(st.lists(st.sampled_from([*_WORDS, "unheard"]), max_size=3), st.integers(0, 3), _GROUPS), max_size=6
)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """More passages than a leg contributes, many of them with the same words and the same vector."""
    store = Store(tmp_path_factory.mktemp("lancedb"), 4)
    collection = store.create("support")
    rows = [
        _row(
            f"d/{place:03}",
            f"{_WORDS[place % 5]} {_WORDS[place % 3]}",
            groups=[("public",), ("hr",), ("it", "legal")][place % 7 % 3],
            axis=place % 4,
            dimensions=4,
        )
        for place in range(160)
    ]
    _commit(store, collection, *rows)
    collection.upkeep()
    return collection


@settings(max_examples=40, deadline=None, derandomize=True)
@given(asked=_QUESTIONS, limit=st.integers(1, 60))
def test_questions_asked_together_find_what_each_finds_alone(shelf, asked, limit):
    questions = [Question(" ".join(words), _axis(axis, 4), tuple(groups)) for words, axis, groups in asked]
    groups = {row["doc_id"]: row["groups"] for row in shelf.rows_of(shelf.documents()).to_pylist()}
    together = shelf.search_many(questions, limit=limit)
    assert together == [_hits(shelf, question, limit=limit) for question in questions]
    for question, hits in zip(questions, together, strict=True):
        assert [hit.doc_id for hit in hits if not {"public", *question.groups} & set(groups[hit.doc_id])] == []


def test_a_commit_is_found_by_a_collection_that_was_searched_before(store, library):
    assert "d/new" not in _found(library, "novelty", axis=7)
    _commit(store, library, _row("d/new", "A novelty.", axis=7))
    assert _found(library, "novelty", axis=7)[0] == "d/new"


# --- two writers


def _merge(folder, start):
    store = Store(folder, 256)
    collection = store.open("support")
    rows = pa.Table.from_pylist([_row(f"d/{number}") for number in range(20)], schema=store.schema)
    start.wait(timeout=60)
    collection.commit(rows, [])


def test_two_processes_that_add_the_same_rows_leave_each_once(store, tmp_path):
    store.create("support")
    spawn = multiprocessing.get_context("spawn")
    start = spawn.Barrier(2)
    writers = [spawn.Process(target=_merge, args=(tmp_path / "lancedb", start)) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(timeout=60)
    assert sorted(store.open("support").chunk_ids()) == sorted(f"d/{number}#0" for number in range(20))
    assert 0 in [writer.exitcode for writer in writers]


def test_a_passage_without_a_title_is_shown_under_its_files_name(store):
    collection = store.create("support")
    _commit(store, collection, _row("docs/prices/vat-rates.csv", "some words") | {"title": ""})
    collection.upkeep()
    (hit,) = _hits(collection, Question("words", _axis(0)), limit=1)
    assert hit.title == "vat-rates.csv"
