"""Near-duplicates in a collection: found once for a version, and marked in it exactly where they are collapsed."""

import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_rows import WIDTH, row_of, table_of

from knowledge.record import Recipe
from knowledge.store import Question, Store
from pipelines.ingestion.commit import reconcile
from pipelines.ingestion.duplicates import NearDuplicates, find_duplicates, mark_duplicates, settle_duplicates
from pipelines.ingestion.hygiene.examine import HygieneSettings
from pipelines.ingestion.hygiene.near_duplicates import NearDuplicate, signature
from pipelines.ingestion.plan import Plan

REPORT, COLLAPSE = (HygieneSettings(near_duplicates=choice) for choice in ("report", "collapse"))
WORDS = [f"{first}{second}" for first in "bdfgklmnprst" for second in ("ar", "en", "il", "os", "um")]
NOTHING_LISTED = Plan("support", Recipe("parse", "split", "embed"), steps=(), deleted=())


def prose(seed: int, words: int = 120) -> list[str]:
    return random.Random(seed).choices(WORDS, k=words)


def edited(words: list[str]) -> list[str]:
    return ["edited", *words[1:]]


def document(doc_id: str, words: list[str], *, groups: tuple[str, ...] = ("public",)) -> list[dict]:
    """Two passages, signed together as the parser does it."""
    texts = [" ".join(words[:60]), " ".join(words[60:])]
    signed = [signature("\n".join(texts)), None]
    columns = {"groups": list(groups), "findings": []}
    return [
        row_of(doc_id, ordinal, text=text, indexed_text=text, signature=signed[ordinal], **columns)
        for ordinal, text in enumerate(texts)
    ]


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "lancedb", WIDTH)


@pytest.fixture
def noted(tmp_path):
    return tmp_path / "cache" / "support.json"


def put(collection, store, *documents, replaced=None):
    rows = [row for each in documents for row in each]
    names = sorted({row["doc_id"] for row in rows}) if replaced is None else replaced
    collection.commit([*collection.stage(table_of(rows))] if rows else [], store.schema, replaced=names)


@pytest.fixture
def twins(store):
    """`b` is `a` but for a word; `c` is something else."""
    collection = store.create("support")
    put(collection, store, document("d/a", prose(1)), document("d/b", edited(prose(1))), document("d/c", prose(2)))
    return collection


def found_in(collection, *, groups=()):
    hits = collection.search_many([Question(prose(1)[30], [1.0, 0, 0, 0], groups)], limit=10)[0]
    return sorted({hit.doc_id for hit in hits})


def test_reported_ones_are_named_and_stay_in_searches(twins, noted):
    version = twins.version
    told = settle_duplicates(twins, REPORT, noted)
    assert (told.count, told.collapsed, [(each.doc_id, each.duplicate_of) for each in told.pairs]) == (
        1,
        False,
        [("d/b", "d/a")],
    )
    assert (twins.version, twins.duplicates()) == (version, {})
    twins.upkeep()
    assert {"d/a", "d/b"} <= set(found_in(twins))


def test_collapsed_ones_are_left_out_of_searches_and_keep_their_rows(twins, noted):
    ids = sorted(twins.chunk_ids())
    told = settle_duplicates(twins, COLLAPSE, noted)
    # 118 triples of words each, 117 in common
    assert told == NearDuplicates(1, (NearDuplicate("d/b", "d/a", round(117 / 119, 3)),), collapsed=True)
    assert twins.duplicates() == {"d/b": "d/a"}
    assert (found_in(twins), sorted(twins.chunk_ids())) == (["d/a", "d/c"], ids)
    marked = [row["duplicate_of"] for row in twins.rows_of(["d/b"]).to_pylist()]
    assert marked == ["d/a", "d/a"]


def test_the_candidate_is_the_version_with_its_marks(store, twins, noted):
    before = twins.version
    reconcile(twins, NOTHING_LISTED, ())
    settle_duplicates(twins, COLLAPSE, noted)
    assert store.candidate("support").version == before < twins.version
    reconcile(twins, NOTHING_LISTED, ())
    assert store.candidate("support").version == twins.version


@pytest.mark.parametrize("noted_too", [True, False])
def test_a_run_that_changes_nothing_keeps_the_version(twins, noted, noted_too):
    told = settle_duplicates(twins, COLLAPSE, noted)
    version = twins.version
    if not noted_too:
        noted.unlink()
    assert (settle_duplicates(twins, COLLAPSE, noted), twins.version) == (told, version)


def test_what_was_noted_is_believed_of_its_own_version_and_settings_alone(twins, noted):
    settle_duplicates(twins, REPORT, noted)
    known = noted.read_text()
    noted.write_text(known.replace('"count": 1', '"count": 7'))
    assert settle_duplicates(twins, REPORT, noted).count == 7
    assert settle_duplicates(twins, HygieneSettings(similarity=1.0), noted).count == 0
    noted.write_text(known.replace('"count": 1', '"count": 7'))
    mark_duplicates(twins, {"d/c": "d/a"})
    assert settle_duplicates(twins, REPORT, noted).count == 1


@pytest.mark.parametrize("left", ["", "{", "[]", '{"key": 1}', '{"key": 1, "count": 1, "pairs": [{}]}'])
def test_a_broken_note_costs_time_alone(twins, noted, left):
    told = settle_duplicates(twins, COLLAPSE, noted)
    noted.write_text(left)
    assert settle_duplicates(twins, COLLAPSE, noted) == told


def test_turning_collapse_off_brings_every_document_back(twins, noted):
    settle_duplicates(twins, COLLAPSE, noted)
    settle_duplicates(twins, REPORT, noted)
    assert (twins.duplicates(), found_in(twins)) == ({}, ["d/a", "d/b", "d/c"])


def test_marks_that_a_crash_left_undone_are_made_by_the_next_run(twins, store, noted):
    settle_duplicates(twins, COLLAPSE, noted)
    put(twins, store, document("d/a", prose(3)), document("d/d", prose(2)))  # and here the run is killed
    assert twins.duplicates() == {"d/b": "d/a"}
    assert settle_duplicates(twins, COLLAPSE, noted).count == 1
    assert twins.duplicates() == {"d/d": "d/c"}


def test_a_document_does_not_hide_behind_one_that_its_readers_may_not_see(store, noted):
    collection = store.create("support")
    put(
        collection,
        store,
        document("d/a", prose(1), groups=("staff",)),
        document("d/b", edited(prose(1))),
        document("d/c", prose(1)),
    )
    settle_duplicates(collection, COLLAPSE, noted)
    assert collection.duplicates() == {"d/c": "d/b"}
    assert (found_in(collection), found_in(collection, groups=("staff",))) == (["d/b"], ["d/a", "d/b"])


def test_what_only_looks_alike_by_its_signature_is_reported_and_not_collapsed(store):
    page, other = (prose(1, 278) + prose(seed, 22) for seed in (100, 133))  # similar by .864, estimated at .906
    collection = store.create("support")
    put(collection, store, document("d/a", page), document("d/b", other))
    assert find_duplicates(collection, REPORT) == [NearDuplicate("d/b", "d/a", 0.906)]
    assert find_duplicates(collection, COLLAPSE) == []


def test_rows_of_another_release_without_a_signature_are_left_alone(store, noted):
    collection = store.create("support")
    put(collection, store, [row_of("d/a", findings=[])], [row_of("d/b", findings=[])])
    assert settle_duplicates(collection, COLLAPSE, noted) == NearDuplicates(collapsed=True)


# a document: which text it has, edited or not, and who reads it
KINDS = st.tuples(st.integers(1, 2), st.booleans(), st.sampled_from(["public", "staff"]))
STATES = st.dictionaries(st.sampled_from("abcde"), KINDS, max_size=5)


def made(state):
    return {
        name: document(f"d/{name}", edited(prose(text)) if other else prose(text), groups=(group,))
        for name, (text, other, group) in state.items()
    }


@settings(max_examples=12)
@given(st.lists(st.tuples(STATES, st.sampled_from([REPORT, COLLAPSE])), min_size=1, max_size=4))
def test_marks_are_those_of_a_fresh_build_whatever_came_before(nights):
    with tempfile.TemporaryDirectory() as folder:
        store, noted = Store(Path(folder, "lancedb"), WIDTH), Path(folder, "noted.json")
        collection, before = store.create("support"), {}
        for state, hygiene in nights:
            changed = [name for name in {*before, *state} if before.get(name) != state.get(name)]
            rows = [made(state)[name] for name in changed if name in state]
            if changed:
                put(collection, store, *rows, replaced=[f"d/{name}" for name in changed])
            told, before = settle_duplicates(collection, hygiene, noted), state
        fresh = store.create("fresh")
        put(fresh, store, *made(state).values())
        assert settle_duplicates(fresh, hygiene, Path(folder, "fresh.json")) == told
        assert (collection.duplicates(), collection.content_digest()) == (fresh.duplicates(), fresh.content_digest())


def test_the_content_of_a_collection_tells_what_searches_leave_out(twins):
    before = twins.content_digest()
    mark_duplicates(twins, {"d/b": "d/a"})
    marked = twins.content_digest()
    mark_duplicates(twins, {})
    assert before == twins.content_digest() != marked
