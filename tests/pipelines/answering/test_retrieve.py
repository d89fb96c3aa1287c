"""Retrieval: the same passages whether one asks or many ask at once, and to each only their own."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.filter import EVERYTHING, Filter
from knowledge.record import Document, Parsed, Passage, Recipe
from knowledge.store import Store
from pipelines.answering.retrieve import BATCH, Asked, retrieve, retrieve_many
from pipelines.answering.shape import Shape
from pipelines.embedder import WordLlamaEmbedder
from pipelines.ingestion.commit import commit_rows
from pipelines.ingestion.plan import make_plan
from pipelines.ingestion.stage import stage_rows

EMBEDDER = WordLlamaEmbedder()
LIMIT = 4
# doc_id: groups, text
TEXTS = {
    "help/refunds.md": (("public",), "A refund reaches your bank account within five days."),
    "help/invoices.md": (("public",), "Every invoice is sent as a PDF file on the first day."),
    "help/paper.md": (("public",), "A printed invoice costs 3 EUR and takes a week."),
    "ops/runbook.md": (("support",), "During a payment outage the stand-by provider takes over after 10 minutes."),
    "people/bands.md": (("hr",), "Salary band P4 pays from 67,500 to 83,000 EUR a year."),
    "people/bonus.md": (("hr",), "The bonus is paid with the salary of March."),
}
ASKED = [
    "How long does a refund take?",
    "What does a printed invoice cost?",
    "Who takes over in a payment outage?",
    "What does salary band P4 pay?",
    "",
]
READERS = [(), ("support",), ("hr",), ("hr", "support")]


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("lancedb"), EMBEDDER.dimensions)
    opened = store.create("support")
    now = datetime(2026, 12, 1, tzinfo=UTC)
    documents = [
        Document(name, f"sha of {name}", name.split("/")[0], f"file/{name}", Path(name), 1, now, groups, ("eng",))
        for name, (groups, _) in TEXTS.items()
    ]
    outcomes = [Parsed(name, "Title", (Passage(text, ()),)) for name, (_, text) in TEXTS.items()]
    plan = make_plan("support", documents, [], [], Recipe("p", "s", EMBEDDER.embed_id), attempt_id="p")
    staged = stage_rows(plan, outcomes, opened, store.schema, EMBEDDER)
    return store.open("support", version=commit_rows(opened, staged, store.schema))


@pytest.fixture(scope="module")
def alone(collection):
    """What each reader finds with each question when nobody else asks."""
    return {
        (question, groups): retrieve(Asked(question, groups), collection, EMBEDDER, limit=LIMIT)
        for question in ASKED
        for groups in READERS
    }


@settings(max_examples=15)
@given(asked=st.lists(st.builds(Asked, st.sampled_from(ASKED), st.sampled_from(READERS)), max_size=3 * BATCH))
def test_questions_that_go_together_find_what_each_would_find_alone(collection, alone, asked):
    found = retrieve_many(asked, collection, EMBEDDER, limit=LIMIT)
    assert found == [alone[each.question, each.groups] for each in asked]
    for each, hits in zip(asked, found, strict=True):
        assert [hit.doc_id for hit in hits if not {"public", *each.groups} & set(TEXTS[hit.doc_id][0])] == []


def _show(collection, question="invoice", *, groups=(), wanted=EVERYTHING, limit=LIMIT, **shape):
    return retrieve(Asked(question, groups, wanted), collection, EMBEDDER, limit=limit, shape=Shape(**shape))


def test_a_floor_leaves_what_is_near_enough_to_the_question(collection):
    everything = _show(collection)
    floor = sorted(hit.vector_score for hit in everything)[-2]
    assert _show(collection, min_score=floor) == [hit for hit in everything if hit.vector_score >= floor]
    assert _show(collection, "bicycle repair in the mountains", min_score=0.5) == []


@pytest.fixture(scope="module")
def handbook(tmp_path_factory):
    """A document of six passages with a copy, one that replaces it, and one for hr alone."""
    store = Store(tmp_path_factory.mktemp("lancedb"), EMBEDDER.dimensions)
    opened = store.create("support")
    now = datetime(2026, 12, 1, tzinfo=UTC)
    parts = ["The voucher is valid for a year.", "Lost ones are not renewed."] + [f"Clause {n}." for n in range(4)]
    said = {
        "help/old.md": {"superseded_by": "help/terms.md", "tags": ("archive",)},
        "help/copy.md": {},
        "help/terms.md": {},
        "people/pay.md": {"groups": ("hr",)},
    }
    usual = {"groups": ("public",), "languages": ("eng",)}
    documents = [
        Document(name, name, name.split("/")[0], name, name, 1, now, **{**usual, **more}) for name, more in said.items()
    ]
    texts = dict.fromkeys(said, parts) | {
        "help/terms.md": ["From March on it is two years for a voucher.", "See above."]
    }
    outcomes = [Parsed(name, name, tuple(Passage(text, ()) for text in each)) for name, each in texts.items()]
    plan = make_plan("support", documents, [], [], Recipe("p", "s", EMBEDDER.embed_id), attempt_id="p")
    commit_rows(opened, stage_rows(plan, outcomes, opened, store.schema, EMBEDDER), store.schema)
    return opened


_QUESTION = "how long is a voucher valid"


def _ids(hits):
    return [hit.chunk_id for hit in hits]


def test_near_duplicates_are_one_passage_that_counts_them_and_the_limit_is_still_reached(handbook):
    shown = _show(handbook, _QUESTION, collapse=True, limit=3)
    assert [(hit.chunk_id, hit.collapsed) for hit in shown][:1] == [("help/copy.md#0", 1)]
    assert len(shown) == 3
    assert {hit.collapsed for hit in _show(handbook, _QUESTION, limit=3)} == {0}


def test_a_superseded_passage_is_marked_and_comes_after_what_replaces_it(handbook):
    shown = _show(handbook, _QUESTION, wanted=Filter(sources=("help",)), limit=3)
    assert _ids(shown) == ["help/copy.md#0", "help/terms.md#0", "help/old.md#0"]
    assert [hit.superseded_by for hit in shown] == [None, None, "help/terms.md"]


def test_neighbours_are_those_of_the_reader_and_the_filter(handbook):
    shown = _show(handbook, _QUESTION, wanted=Filter(tags=("archive",)), limit=1, neighbours=2)
    assert (shown[0].chunk_id, shown[0].joined) == ("help/old.md#0", ("help/old.md#1", "help/old.md#2"))
    assert shown[0].text == "The voucher is valid for a year.\nLost ones are not renewed.\nClause 0."
    parts = _show(handbook, "", wanted=Filter(tags=("archive",)), limit=20)
    assert shown[0].tokens == sum(hit.tokens for hit in parts if hit.ordinal < 3)


def test_passages_stay_within_the_budget_of_tokens(handbook):
    everything = _show(handbook, _QUESTION, limit=5)
    budget = everything[0].tokens + 1
    assert sum(hit.tokens for hit in _show(handbook, _QUESTION, limit=5, max_tokens=budget)) <= budget
    assert _show(handbook, _QUESTION, limit=5, max_tokens=10_000) == everything


def test_questions_of_several_readers_get_their_own_neighbours(handbook):
    filters = (EVERYTHING, Filter(tags=("archive",)))
    asked = [Asked(_QUESTION, groups, wanted) for groups in ((), ("hr",)) for wanted in filters]
    shape = Shape(neighbours=1, collapse=True)
    alone = [retrieve_many([each], handbook, EMBEDDER, limit=3, shape=shape)[0] for each in asked]
    assert retrieve_many(asked, handbook, EMBEDDER, limit=3, shape=shape) == alone
