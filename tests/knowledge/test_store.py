"""The store: atomic commits, versions that stay, and passages that only their readers find."""

import hashlib
import multiprocessing
import os
import tempfile
import time
from pathlib import Path

import lancedb
import numpy as np
import pyarrow as pa
import pytest
from chunk_rows import axis_vector, chunk_row, commit_rows
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.errors import CollectionError
from knowledge.filter import EVERYTHING, Filter
from knowledge.record import Recipe
from knowledge.store import Question, Store
from knowledge.store.search import search_many
from knowledge.store.view import View
from knowledge.store.visible import visible
from knowledge.terms import terms_of
from knowledge.upkeep import UpkeepSettings


def _texts(collection):
    found = collection.rows_of(collection.documents()).to_pylist()
    return {row["chunk_id"]: row["text"] for row in found}


def _hits(collection, question, *, limit=10):
    return collection.search_many([question], limit=limit)[0]


def _found(collection, text, *, groups=(), axis=0, limit=10):
    return [hit.doc_id for hit in _hits(collection, Question(text, axis_vector(axis), groups), limit=limit)]


# --- findings


def test_a_passage_that_is_found_carries_its_findings(store):
    collection = store.create("support")
    commit_rows(
        store, collection, chunk_row("d/a") | {"findings": ["hidden:tags", "secret:jwt"]}, chunk_row("d/b", "other")
    )
    collection.upkeep()
    found = {hit.doc_id: hit.findings for hit in _hits(collection, Question("words", axis_vector(0)))}
    assert found == {"d/a": ("hidden:tags", "secret:jwt"), "d/b": ()}


def test_findings_are_counted_by_kind_and_document(store):
    collection = store.create("support")
    assert collection.findings() == {}
    kinds = {("d/b", 0): ["secret:jwt"], ("d/a", 0): ["secret:jwt", "hidden:tags"], ("d/a", 1): ["secret:jwt"]}
    rows = [chunk_row(doc_id, ordinal=ordinal) | {"findings": found} for (doc_id, ordinal), found in kinds.items()]
    commit_rows(store, collection, *rows, chunk_row("d/c"))
    assert collection.findings() == {"hidden:tags": {"d/a": 1}, "secret:jwt": {"d/a": 2, "d/b": 1}}


# --- commits and versions


def test_one_commit_adds_replaces_and_deletes_in_one_version(store):
    collection = store.create("support")
    before = commit_rows(
        store,
        collection,
        chunk_row("d/a", "old"),
        chunk_row("d/a", "tail", ordinal=1),
        chunk_row("d/b", "gone"),
        chunk_row("d/k", "kept"),
    )
    after = commit_rows(
        store, collection, chunk_row("d/a", "new"), chunk_row("d/c", "added"), replaced=["d/a", "d/b", "d/c"]
    )
    assert after == before + 1
    assert _texts(collection) == {"d/a#0": "new", "d/c#0": "added", "d/k#0": "kept"}


def test_an_older_version_stays_readable_as_it_was(store):
    collection = store.create("support")
    version = commit_rows(store, collection, chunk_row("d/a", "old"))
    commit_rows(store, collection, chunk_row("d/a", "new"))
    commit_rows(store, collection, replaced=["d/a"])
    collection.upkeep()
    old = store.open("support", version=version)
    assert (old.version, _texts(old)) == (version, {"d/a#0": "old"})
    assert _texts(store.open("support")) == {}


def test_a_commit_that_only_deletes_needs_no_rows(store):
    collection = store.create("support")
    commit_rows(store, collection, chunk_row("d/a"), chunk_row("d/b"))
    commit_rows(store, collection, replaced=["d/a"])
    assert collection.chunk_ids() == ["d/b#0"]


def test_rows_of_documents_that_are_not_replaced_stay(store):
    collection = store.create("support")
    commit_rows(store, collection, chunk_row("d/a"))
    commit_rows(store, collection, chunk_row("d/b"), replaced=[])
    assert sorted(collection.chunk_ids()) == ["d/a#0", "d/b#0"]


@pytest.mark.parametrize(
    "name",
    ["it's.md", "''.md", 'a "b".md', "x') or ('1'='1", "grün/ß.md", "文書.md", "a\\b.md", "50%_#1.md", "🦉.md"],
)
def test_any_name_can_be_committed_and_deleted(store, name):
    collection = store.create("support")
    commit_rows(store, collection, chunk_row(name), chunk_row("d/other"))
    assert set(collection.documents()) == {name, "d/other"}
    commit_rows(store, collection, replaced=[name])
    assert set(collection.documents()) == {"d/other"}


def test_documents_tell_what_the_index_holds(store):
    collection = store.create("support")
    commit_rows(
        store, collection, chunk_row("d/a", groups=("hr", "it")), chunk_row("d/a", ordinal=1, groups=("hr", "it"))
    )
    (entry,) = collection.documents().values()
    assert (entry.doc_id, entry.groups) == ("d/a", ("hr", "it"))
    assert (entry.recipe, entry.uri, entry.source) == (Recipe("p", "s", "e"), "file/d/a", "docs")


def test_vectors_are_those_of_one_embedder(store):
    collection = store.create("support")
    commit_rows(store, collection, chunk_row("d/a", "one", axis=3), chunk_row("d/b", "two") | {"embed_id": "older"})
    found = collection.texts("e")
    assert found["text_sha"].to_pylist() == [hashlib.sha256(b"one").hexdigest()]
    assert collection.vectors_at(found["place"].to_pylist()).tolist() == [axis_vector(3).tolist()]


def test_an_empty_collection_answers_everything_with_nothing(store):
    collection = store.create("support")
    collection.upkeep()
    assert (collection.documents(), collection.texts("e").num_rows, collection.chunk_ids()) == ({}, 0, [])
    assert (collection.count_chunks(), _found(collection, "anything")) == (0, [])


def test_upkeep_without_new_rows_makes_no_version(store):
    collection = store.create("support")
    commit_rows(store, collection, chunk_row("d/a"))
    collection.upkeep()
    version = collection.version
    collection.upkeep()
    assert collection.version == version


def test_create_gives_the_collection_that_is_there(store):
    commit_rows(store, store.create("support"), chunk_row("d/a"))
    assert store.create("support").chunk_ids() == ["d/a#0"]
    assert store.names() == ["support"]


def test_lancedb_reads_and_searches_a_collection(store, tmp_path):
    collection = store.create("support")
    commit_rows(
        store, collection, chunk_row("d/a", "a parcel"), *(chunk_row(f"d/{number}", axis=1) for number in range(256))
    )
    collection.upkeep(UpkeepSettings(exact_below=256))
    table = lancedb.connect(tmp_path / "lancedb").open_table("support")
    assert sorted(index.name for index in table.list_indices()) == ["terms_idx", "vector_idx"]
    assert [row["doc_id"] for row in table.search("parcel", query_type="fts").to_list()] == ["d/a"]
    assert table.search(axis_vector(0), query_type="vector").limit(1).to_list()[0]["doc_id"] == "d/a"


def test_a_tag_names_the_version_it_was_moved_to_last(store, tmp_path):
    collection = store.create("support")
    first = commit_rows(store, collection, chunk_row("d/a"))
    collection.tag("candidate", first)
    collection.tag("kept", first)
    collection.tag("candidate", commit_rows(store, collection, chunk_row("d/b")))
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
    with pytest.raises(CollectionError, match=r"version 99 is not in .*`plumbline check --collection support` serves"):
        store.open("support", version=99)


# --- search


@pytest.fixture
def library(store):
    collection = store.create("support")
    commit_rows(
        store,
        collection,
        chunk_row("d/refund", "A refund takes five days.", axis=0),
        chunk_row("d/parcel", "Parcels travel by rail.", axis=1),
        chunk_row("d/salary", "Salary bands of the staff.", groups=("hr",), axis=2),
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
    hit = _hits(library, Question("refund", axis_vector(0)), limit=1)[0]
    assert (hit.score, hit.chunk_id, hit.text) == (1.0, "d/refund#0", "A refund takes five days.")


def test_a_passage_tells_its_raw_scores_and_those_of_a_leg_that_did_not_find_it_are_none(library):
    hits = {hit.doc_id: hit for hit in _hits(library, Question("refund", axis_vector(1)))}
    assert hits["d/refund"].text_score > 0
    assert (hits["d/refund"].vector_score, hits["d/parcel"].text_score) == (0.0, None)
    assert hits["d/parcel"].vector_score == 1.0


@pytest.mark.parametrize("mode", ["text", "vector"])
def test_the_cosine_is_told_whichever_leg_found_a_passage(library, mode):
    half = np.float32([0.6, 0.8, *[0] * 254])
    (hits,) = library.search_many([Question("refund", half)], limit=1, mode=mode)
    assert (hits[0].doc_id, hits[0].vector_score) == (("d/refund", 0.6) if mode == "text" else ("d/parcel", 0.8))


_PUBLIC = {"groups": (), "wanted": Filter()}


@pytest.mark.parametrize("name", ["it's.md", "x') or ('1'='1", "文書.md", "a\\b.md", "50%_#1.md"])
def test_passages_are_read_by_their_ids_whatever_their_names(store, name):
    collection = store.create("support")
    commit_rows(store, collection, chunk_row(name), chunk_row(name, "more", ordinal=1), chunk_row("d/other"))
    assert set(collection.passages([f"{name}#1", f"{name}#2"], **_PUBLIC)) == {f"{name}#1"}
    assert collection.passages([], **_PUBLIC) == {}


def test_passages_are_read_by_their_readers_alone(library):
    ids = ["d/salary#0", "d/parcel#0"]
    assert set(library.passages(ids, **_PUBLIC)) == {"d/parcel#0"}
    assert set(library.passages(ids, groups=("hr",), wanted=Filter())) == set(ids)
    assert library.passages(ids, groups=("hr",), wanted=Filter(sources=("other",))) == {}


def test_scores_fall_and_stay_between_zero_and_one(library):
    scores = [hit.score for hit in _hits(library, Question("five parcels", axis_vector(0)))]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)


def test_no_more_passages_come_than_are_asked_for(library):
    assert len(_found(library, "refund parcels", limit=1)) == 1


def test_a_new_passage_is_found_before_and_after_upkeep(store, library):
    commit_rows(store, library, chunk_row("d/vat", "Reverse charge applies.", axis=3))
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
    others = [chunk_row(f"d/{number}", "Salary salary.", groups=("hr",), axis=2) for number in range(120)]
    commit_rows(store, library, *others, chunk_row("d/own", "A public word on salary bands.", axis=2))
    library.upkeep()
    assert _found(library, text, axis=axis, limit=1) == ["d/own"]


@pytest.mark.parametrize("group", ["hr'", "x') or true --", 'hr"', "", "HR"])
def test_a_group_that_is_no_plain_name_is_refused(library, group):
    with pytest.raises(ValueError, match="must be lower-case"):
        _found(library, "salary", groups=(group,))


_GROUPS = st.lists(st.sampled_from(["public", "hr", "it", "legal"]), unique=True, max_size=3)


@settings(max_examples=12)
@given(written=st.lists(_GROUPS, min_size=1, max_size=8), readers=st.lists(_GROUPS, min_size=1, max_size=4))
def test_every_reader_finds_exactly_the_documents_of_their_groups(written, readers):
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder), 4)
        collection = store.create("support")
        rows = [
            chunk_row(f"d/{place}", f"shared words {place}", groups=groups, axis=place % 4, dimensions=4)
            for place, groups in enumerate(written)
        ]
        commit_rows(store, collection, *rows)
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
        chunk_row(
            f"d/{place:03}",
            f"{_WORDS[place % 5]} {_WORDS[place % 3]}",
            groups=[("public",), ("hr",), ("it", "legal")][place % 7 % 3],
            axis=place % 4,
            dimensions=4,
        )
        for place in range(160)
    ]
    commit_rows(store, collection, *rows)
    collection.upkeep()
    return collection


@settings(max_examples=40)
@given(asked=_QUESTIONS, limit=st.integers(1, 60))
def test_questions_asked_together_find_what_each_finds_alone(shelf, asked, limit):
    questions = [Question(" ".join(words), axis_vector(axis, 4), tuple(groups)) for words, axis, groups in asked]
    groups = {row["doc_id"]: row["groups"] for row in shelf.rows_of(shelf.documents()).to_pylist()}
    together = shelf.search_many(questions, limit=limit)
    assert together == [_hits(shelf, question, limit=limit) for question in questions]
    for question, hits in zip(questions, together, strict=True):
        assert [hit.doc_id for hit in hits if not {"public", *question.groups} & set(groups[hit.doc_id])] == []


class _Evaluated(View):
    """A view that takes no condition for one that every row meets."""

    def met_by_all(self, condition: str) -> bool:
        return False


@settings(max_examples=25)
@given(asked=_QUESTIONS, limit=st.integers(1, 60), mode=st.sampled_from(["hybrid", "text", "vector"]))
def test_where_all_is_open_to_all_the_condition_changes_nothing(open_shelf, asked, limit, mode):
    questions = [Question(" ".join(words), axis_vector(axis, 4), tuple(groups)) for words, axis, groups in asked]
    found = open_shelf.search_many(questions, limit=limit, mode=mode)
    view = open_shelf._view()
    assert view.met_by_all(visible(view, (), EVERYTHING))
    held = search_many(_Evaluated(view.dataset, "support"), questions, limit=limit, mode=mode)
    assert found == held


@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 9), size=st.integers(1, 400), groups=_GROUPS)
def test_vectors_in_memory_find_what_lance_finds_by_itself(shelf, seed, count, size, groups):
    asked = np.random.default_rng(seed).standard_normal((count, 4)).astype(np.float32)
    asked /= np.linalg.norm(asked, axis=1, keepdims=True)
    view = View(shelf._dataset, "support")
    condition = visible(view, groups, EVERYTHING)
    nearest = {"column": "vector", "k": size, "metric": "cosine"}
    for vector, found in zip(asked, view.near(asked, condition, size), strict=True):
        rows = view.scan(condition, ["_distance"], nearest=nearest | {"q": vector})
        expected = dict(zip(rows["_rowid"].to_pylist(), rows["_distance"].to_pylist(), strict=True))
        assert sorted(found.values()) == pytest.approx(sorted(1 - each for each in expected.values()), abs=1e-6)
        least = min(found.values(), default=0.0) + 1e-6  # which of the rows that score the same is open
        assert {row for row in found if found[row] > least} <= expected.keys()


@pytest.fixture(scope="module")
def open_shelf(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("lancedb"), 4)
    collection = store.create("support")
    rows = [chunk_row(f"d/{place:03}", _WORDS[place % 5], axis=place % 4, dimensions=4) for place in range(300)]
    commit_rows(store, collection, *rows)
    collection.upkeep()
    return collection


def test_what_was_open_to_all_is_held_back_in_the_version_with_the_first_row_that_is_not(store):
    collection = store.create("open")
    commit_rows(store, collection, chunk_row("d/a", "salary"))
    assert _found(collection, "salary") == ["d/a"]
    commit_rows(store, collection, chunk_row("d/b", "salary", groups=("hr",)))
    assert _found(collection, "salary") == ["d/a"]
    assert set(_found(collection, "salary", groups=("hr",))) == {"d/a", "d/b"}


def test_a_commit_is_found_by_a_collection_that_was_searched_before(store, library):
    assert "d/new" not in _found(library, "novelty", axis=7)
    commit_rows(store, library, chunk_row("d/new", "A novelty.", axis=7))
    assert _found(library, "novelty", axis=7)[0] == "d/new"


# --- two writers


def _write(folder, start):
    store = Store(folder, 256)
    collection = store.open("support")
    rows = pa.Table.from_pylist([chunk_row(f"d/{number}") for number in range(20)], schema=store.schema)
    staged = collection.stage(rows)
    start.wait(timeout=60)
    collection.commit(staged, store.schema, replaced=[row["doc_id"] for row in rows.to_pylist()])


@pytest.mark.parametrize("held", [[], ["d/3"], ["d/other"]], ids=["empty", "one of them", "another"])
def test_two_processes_that_add_the_same_rows_leave_each_once(store, tmp_path, held):
    collection = store.create("support")
    if held:
        commit_rows(store, collection, *map(chunk_row, held))
    spawn = multiprocessing.get_context("spawn")
    start = spawn.Barrier(2)
    writers = [spawn.Process(target=_write, args=(tmp_path / "lancedb", start)) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(timeout=60)
    wanted = {f"d/{number}#0" for number in range(20)} | {f"{name}#0" for name in held}
    assert sorted(store.open("support").chunk_ids()) == sorted(wanted)
    assert sorted(writer.exitcode for writer in writers) == [0, 1]


@pytest.mark.parametrize("held", [[], ["d/a"], ["d/b", "d/c"]])
@pytest.mark.parametrize("rows", [[], ["d/a"]])
@pytest.mark.parametrize("replaced", [["d/a"], ["d/b"], ["d/a", "d/b", "d/c"]])
def test_a_writer_that_was_overtaken_is_refused_and_changes_nothing(store, held, rows, replaced):
    collection = store.create("support")
    if held:
        commit_rows(store, collection, *map(chunk_row, held))
    slow = store.open("support")
    staged = slow.stage(pa.Table.from_pylist([chunk_row(name) for name in rows], schema=store.schema)) if rows else []
    commit_rows(store, collection, chunk_row("d/a", "of the fast one"))
    before = _texts(store.open("support"))
    with pytest.raises(CollectionError, match="another writer has committed since version"):
        slow.commit(staged, store.schema, replaced=replaced)
    assert _texts(store.open("support")) == before


@pytest.mark.parametrize("slow_replaces", [[], ["d/b"], ["d/c", "d/c2"], ["d/a", "d/a2"]])
@pytest.mark.parametrize("fast_replaces", [[], ["d/a"], ["d/b", "d/b2"], ["d/a", "d/a2", "d/b"]])
def test_of_two_that_add_a_document_and_replace_others_in_different_files_one_is_refused(
    store, fast_replaces, slow_replaces
):
    collection = store.create("support")
    for name in "abc":  # each commit is a file of its own
        commit_rows(store, collection, chunk_row(f"d/{name}"), chunk_row(f"d/{name}2"))
    slow = store.open("support")
    commit_rows(store, collection, chunk_row("d/new", "of the fast one"), replaced=["d/new", *fast_replaces])
    before = _texts(store.open("support"))
    with pytest.raises(CollectionError, match="another writer has committed since version"):
        commit_rows(store, slow, chunk_row("d/new", "of the slow one"), replaced=["d/new", *slow_replaces])
    assert _texts(store.open("support")) == before


def test_upkeep_that_another_writer_overtakes_says_so(store):
    collection = store.create("support")
    for number in range(40):  # so many files are joined
        commit_rows(store, collection, chunk_row(f"d/{number}"))
    slow = store.open("support")
    commit_rows(store, collection, chunk_row("d/0", "other words"))
    with pytest.raises(CollectionError, match="another writer has committed while the indices were brought up"):
        slow.upkeep()
    assert len(_texts(store.open("support"))) == 40


def test_what_is_staged_is_seen_by_nobody_before_the_commit(store):
    collection = store.create("support")
    commit_rows(store, collection, chunk_row("d/a"))
    collection.stage(pa.Table.from_pylist([chunk_row("d/b")], schema=store.schema))
    assert store.open("support").chunk_ids() == ["d/a#0"]


def test_staged_rows_that_nobody_committed_are_cleaned_up_after_a_week(store, tmp_path):
    collection = store.create("support")
    commit_rows(store, collection, chunk_row("d/a"))
    collection.stage(pa.Table.from_pylist([chunk_row("d/b")], schema=store.schema))
    files = sorted((tmp_path / "lancedb").rglob("*.lance"), key=lambda path: path.stat().st_mtime)
    collection.clean_up()
    assert files[-1].exists(), "they may be another machine's, which is about to commit"
    os.utime(files[-1], (time.time() - 8 * 86400,) * 2)
    collection.clean_up()
    assert not files[-1].exists()
    assert _texts(collection) == {"d/a#0": "some words"}


# --- vectors of another width, vector index, old versions


def test_vectors_of_another_width_replace_all_rows_at_once_and_the_version_before_stays(store, tmp_path):
    collection = store.create("support")
    before = commit_rows(store, collection, chunk_row("d/a"), chunk_row("d/b"))
    wide = Store(tmp_path / "lancedb", 300)
    opened = wide.open("support")
    rows = pa.Table.from_pylist(
        [chunk_row("d/a", dimensions=300), chunk_row("d/b", dimensions=300)], schema=wide.schema
    )
    with pytest.raises(CollectionError, match="some documents have no new rows"):
        opened.commit(opened.stage(rows.slice(0, 1)), wide.schema, replaced=["d/a"])
    opened.commit(opened.stage(rows), wide.schema, replaced=["d/a", "d/b"])
    assert _hits(opened, Question("words", axis_vector(0, 300)))[0].score == 1
    assert _found(store.open("support", version=before), "words") == ["d/a", "d/b"]


def test_above_a_size_vectors_have_an_index_that_finds_what_the_exact_search_finds(store):
    collection = store.create("support")
    rows = [chunk_row(f"d/{number}", f"word{number}", axis=number % 256) for number in range(400)]
    commit_rows(store, collection, *rows)
    exact = _found(collection, "", axis=7, limit=2)
    collection.upkeep(UpkeepSettings(exact_below=300))
    assert _found(collection, "", axis=7, limit=2) == exact == ["d/263", "d/7"]
    commit_rows(store, collection, chunk_row("d/new", axis=7), replaced=["d/7"])
    assert set(_found(collection, "", axis=7, limit=2)) == {"d/263", "d/new"}
    collection.upkeep(UpkeepSettings(exact_below=300))
    assert set(_found(collection, "", axis=7, limit=2)) == {"d/263", "d/new"}


def test_clean_up_keeps_tagged_versions_and_the_newest(store):
    collection = store.create("support")
    versions = [commit_rows(store, collection, chunk_row(f"d/{number}")) for number in range(6)]
    collection.tag("production", versions[1])
    collection.clean_up(UpkeepSettings(keep_versions=2))
    assert sorted(_texts(store.open("support", version=versions[1]))) == ["d/0#0", "d/1#0"]
    assert len(_texts(store.open("support", version=versions[4]))) == 5
    for gone in (versions[0], versions[2], versions[3]):
        with pytest.raises(CollectionError, match=f"version {gone} is not in"):
            store.open("support", version=gone)


def test_many_small_commits_are_joined_without_changing_a_row(store):
    collection = store.create("support")
    for number in range(40):
        commit_rows(store, collection, chunk_row(f"d/{number}", f"word{number}"))
    collection.upkeep()
    assert sorted(_texts(collection).values()) == sorted(f"word{number}" for number in range(40))
    assert _found(collection, "word17")[0] == "d/17"
    assert len(collection._dataset.get_fragments()) == 1


def test_a_passage_without_a_title_is_shown_under_its_files_name(store):
    collection = store.create("support")
    commit_rows(store, collection, chunk_row("docs/prices/vat-rates.csv", "some words") | {"title": ""})
    collection.upkeep()
    (hit,) = _hits(collection, Question("words", axis_vector(0)), limit=1)
    assert hit.title == "vat-rates.csv"


# --- what people type


@pytest.fixture
def pages(store):
    """Passages that share their words, in English and German."""
    collection = store.create("support")
    texts = {
        "d/plan": "The Team plan includes priority support.",
        "d/not": "The Team plan does not include priority support.",
        "d/declined": "A card is declined when the payment is over its limit.",
        "d/message": "The page then shows: Payment declined.",
        "d/user": "Call get_user_name() to read the name of a user.",
        "d/name": "A user has a name, and may get another name.",
    }
    rows = [chunk_row(doc_id, text) for doc_id, text in texts.items()]
    german = chunk_row("d/frist", "Die Kündigungsfristen der Verträge betragen drei Monate.")
    german |= {"terms": terms_of(german["text"], ["deu"]), "languages": ["deu"]}
    commit_rows(store, collection, *rows, german)
    collection.upkeep()
    return collection


@pytest.mark.parametrize(
    ("question", "first"),
    [
        ("support NOT included", "d/not"),
        ('what does "payment declined" mean', "d/message"),
        ('"PAYMENT  Declined"', "d/message"),
        ("getUserName", "d/user"),
        ("what does get_user_name do with the name of a user", "d/user"),
        ("kundigungsfrist", "d/frist"),
        ("VERTRAG", "d/frist"),
    ],
)
@pytest.mark.parametrize("mode", ["text", "hybrid"])
def test_a_question_finds_what_people_expect_of_it(pages, question, first, mode):
    (hits,) = pages.search_many([Question(question, axis_vector(0))], limit=3, mode=mode)
    assert hits[0].doc_id == first
    assert 0 < hits[0].score <= 1


def test_a_phrase_that_no_passage_holds_leaves_the_order_as_it_is(pages):
    (quoted,) = pages.search_many([Question('the "priority plan" of a user', axis_vector(0))], limit=9)
    (free,) = pages.search_many([Question("the priority plan of a user", axis_vector(0))], limit=9)
    assert [hit.doc_id for hit in quoted] == [hit.doc_id for hit in free]


def test_vectors_alone_rank_where_they_are_asked_alone(store):
    collection = store.create("support")
    commit_rows(store, collection, chunk_row("d/words", "refund", axis=1), chunk_row("d/near", "other", axis=2))
    collection.upkeep()
    question = Question("refund", axis_vector(2))
    found = {mode: collection.search_many([question], limit=1, mode=mode)[0][0].doc_id for mode in ("text", "vector")}
    assert found == {"text": "d/words", "vector": "d/near"}
