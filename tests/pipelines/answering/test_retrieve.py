"""Retrieval: the same passages whether one asks or many ask at once, and to each only their own."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.record import Document, Parsed, Passage, Recipe
from knowledge.store import Store
from pipelines.answering.retrieve import BATCH, Asked, retrieve, retrieve_many
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
        (question, groups): retrieve(question, collection, EMBEDDER, groups=groups, limit=LIMIT)
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
