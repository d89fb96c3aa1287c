"""Retrieval: the same passages whether one asks or many ask at once, and to each only their own."""

import asyncio
import gc
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.record import Document, Parsed, Passage, Recipe
from knowledge.store import Store
from pipelines.answering.retrieve import BATCH, Retriever, retrieve
from pipelines.calling.loop import CallLoop
from pipelines.embedder import WordLlamaEmbedder
from pipelines.ingestion.commit import commit_rows
from pipelines.ingestion.embed import stage_rows
from pipelines.ingestion.plan import make_plan

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
    plan = make_plan("support", documents, {}, [], Recipe("p", "s", EMBEDDER.embed_id), attempt_id="p")
    staged = stage_rows(plan, outcomes, opened, store.schema, EMBEDDER)
    return store.open("support", version=commit_rows(opened, plan, staged))


@pytest.fixture(scope="module")
def alone(collection):
    """What each reader finds with each question when nobody else asks."""
    return {
        (question, groups): retrieve(question, collection, EMBEDDER, groups=groups, limit=LIMIT)
        for question in ASKED
        for groups in READERS
    }


async def _ask(retriever, asked, pauses=(0,)):
    """The passages of each question, asked after so many turns of the loop."""

    async def one(place, question, groups):
        for _ in range(pauses[place % len(pauses)]):
            await asyncio.sleep(0)
        return await retriever.retrieve(question, groups)

    return await asyncio.gather(*(one(place, *each) for place, each in enumerate(asked)), return_exceptions=True)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    asked=st.lists(st.tuples(st.sampled_from(ASKED), st.sampled_from(READERS)), min_size=1, max_size=3 * BATCH),
    pauses=st.lists(st.integers(0, 40), min_size=1, max_size=5),
)
def test_each_of_many_callers_gets_what_it_would_get_alone(collection, alone, asked, pauses):
    with Retriever(collection, EMBEDDER, limit=LIMIT) as retriever:
        found = asyncio.run(_ask(retriever, asked, pauses))
    assert found == [alone[each] for each in asked]
    for (_, groups), hits in zip(asked, found, strict=True):
        assert [hit.doc_id for hit in hits if not {"public", *groups} & set(TEXTS[hit.doc_id][0])] == []


class _Counting(WordLlamaEmbedder):
    """The embedder, telling how many texts came together; it fails at the text `broken`."""

    def __init__(self):
        self.sizes = []

    def embed(self, texts):
        self.sizes.append(len(texts))
        if "broken" in texts:
            raise OSError("the endpoint is gone")
        return super().embed(texts)


@pytest.mark.parametrize(
    ("callers", "sizes"),
    [(1, [1]), (BATCH - 1, [BATCH - 1]), (BATCH, [BATCH]), (BATCH + 1, [BATCH, 1]), (3 * BATCH, [BATCH] * 3)],
)
def test_questions_that_come_together_go_together(collection, callers, sizes):
    embedder = _Counting()
    with Retriever(collection, embedder, limit=LIMIT) as retriever:
        asyncio.run(_ask(retriever, [(ASKED[0], ())] * callers))
    assert embedder.sizes == sizes


def test_what_fails_a_batch_reaches_each_who_waits_for_it_and_nobody_else(collection, alone):
    asked = [(ASKED[0], ())] * (BATCH - 1) + [("broken", ())] + [(ASKED[1], ())] * 3
    with Retriever(collection, _Counting(), limit=LIMIT) as retriever:
        found = asyncio.run(_ask(retriever, asked))
    assert [str(each) for each in found[:BATCH]] == ["the endpoint is gone"] * BATCH
    assert found[BATCH:] == [alone[ASKED[1], ()]] * 3


def test_one_who_gives_up_takes_nothing_from_the_others(collection, alone):
    async def give_up():
        with Retriever(collection, EMBEDDER, limit=LIMIT) as retriever:
            tasks = [asyncio.create_task(retriever.retrieve(question, ())) for question in ASKED]
            await asyncio.sleep(0)
            tasks[0].cancel()
            return await asyncio.gather(*tasks, return_exceptions=True)

    gone, *others = asyncio.run(give_up())
    assert isinstance(gone, asyncio.CancelledError)
    assert others == [alone[question, ()] for question in ASKED[1:]]


def test_a_closed_retriever_refuses_questions(collection):
    with Retriever(collection, EMBEDDER, limit=LIMIT) as retriever:
        pass
    (refusal,) = asyncio.run(_ask(retriever, [(ASKED[0], ())]))
    assert "cannot schedule new futures after shutdown" in str(refusal)


def test_a_run_that_ends_while_questions_wait_says_nothing_on_its_way(collection, caplog):
    """Those who asked are gone, so nobody hears that their passages could not be fetched any more."""

    async def give_up(retriever):
        asked = [asyncio.create_task(retriever.retrieve(f"refund {number}", ())) for number in range(3 * BATCH)]
        await asyncio.sleep(0)
        for each in asked:
            each.cancel()
        await asyncio.wait(asked)

    with closing(CallLoop()) as loop, Retriever(collection, EMBEDDER, limit=1) as retriever:
        loop.run(give_up(retriever))
    gc.collect()
    assert [each.getMessage() for each in caplog.records if each.name == "asyncio"] == []
