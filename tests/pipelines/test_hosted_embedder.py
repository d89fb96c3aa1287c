"""Vectors of an endpoint: of length one, in the order of the texts, bought once."""

import asyncio

import numpy as np
import pytest
from door import ACCOUNT, QUICK, STEADY, buy, chat, door, rows

from faults.embedding import vector
from faults.picking import EMBEDDINGS
from pipelines.calling.request import CallError
from pipelines.hosted_embedder import HostedEmbedder

SETTINGS = {**STEADY, "prices": {**STEADY["prices"], "one/e": {"input_usd_per_million": 0.15}}}
TEXTS = [f"The invoice number {number} is due." for number in range(10)]


def _embedder(calls, **more):
    return HostedEmbedder(calls, "one/e", **{"dimensions": 64, "shorten": True, "batch_texts": 4, **more})


def test_vectors_have_length_one_and_the_order_of_the_texts(fault_server, tmp_path):
    fault_server.set(latency_seconds={"low": 0.0, "high": 0.05})
    with door(fault_server.base_url, tmp_path, settings=SETTINGS) as calls:
        vectors = _embedder(calls).embed(TEXTS)
        assert _embedder(calls).embed([]).shape == (0, 64)
    assert (vectors.shape, vectors.dtype) == ((10, 64), np.float32)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(10))
    assert np.allclose(vectors, [vector(text, 64) for text in TEXTS], atol=1e-6)
    assert fault_server.calls(EMBEDDINGS).received == 3
    assert [len(each["request"]["texts"]) for each in sorted(rows(tmp_path), key=lambda row: row["id"])] == [4, 4, 2]


def test_the_same_texts_are_bought_once_for_good(fault_server, tmp_path):
    with door(fault_server.base_url, tmp_path, settings=SETTINGS) as calls:
        first = _embedder(calls).embed(TEXTS)
    with door(fault_server.base_url, tmp_path, settings=SETTINGS) as calls:
        assert np.array_equal(_embedder(calls).embed(TEXTS), first)
        assert calls.tally.paid == 0
    assert fault_server.calls(EMBEDDINGS).received == 3


def test_questions_are_bought_one_by_one_so_that_their_company_does_not_matter(fault_server, tmp_path):
    with door(fault_server.base_url, tmp_path, settings=SETTINGS) as calls:
        embedder = _embedder(calls)
        together = embedder.embed_questions(TEXTS[:3])
        again = embedder.embed_questions([TEXTS[2], TEXTS[0]])
        assert np.array_equal(again, together[[2, 0]])
        assert np.array_equal(embedder.embed(TEXTS[:1])[0], together[0])
        assert calls.tally.paid == 3
    assert fault_server.calls(EMBEDDINGS).received == 3


def test_what_fails_is_an_error_and_ends_the_other_batches(fault_server, tmp_path):
    fault_server.set(faults=[{"kind": "hang", "every": 2}])
    once = {**SETTINGS, "timeouts": QUICK["timeouts"], "retries": {"attempts": 1}}
    with door(fault_server.base_url, tmp_path, settings=once) as calls, pytest.raises(CallError, match="timeout"):
        _embedder(calls).embed(TEXTS)
    assert "reserved" not in {each["status"] for each in rows(tmp_path)}


def test_a_width_that_is_not_the_settings_is_an_error(fault_server, tmp_path):
    with (
        door(fault_server.base_url, tmp_path, settings=SETTINGS) as calls,
        pytest.raises(CallError, match=r"malformed .*\(1536,\)"),
    ):
        _embedder(calls, shorten=False).embed(TEXTS[:1])


def test_it_may_embed_in_a_thread_while_the_loop_answers(fault_server, tmp_path):
    async def answer(calls, number):
        await asyncio.to_thread(_embedder(calls).embed, TEXTS[:number])
        return await calls.buy(chat(f"{number}"), route=("one/m-1",), account=ACCOUNT)

    settings = {**SETTINGS, "providers": {"one": {"concurrency": 1}}}
    with door(fault_server.base_url, tmp_path, settings=settings) as calls:
        assert len(list(calls.each(range(1, 6), lambda number: answer(calls, number)))) == 5
        assert buy(calls, chat("1"))[0].reused


@pytest.mark.parametrize(
    ("change", "same"),
    [({"dimensions": 32}, False), ({"shorten": False}, False), ({"batch_texts": 8}, True)],
)
def test_the_fingerprint_changes_with_what_decides_a_vector(tmp_path, change, same):
    with door("http://127.0.0.1:9/v1", tmp_path) as calls:
        assert (_embedder(calls).embed_id == _embedder(calls, **change).embed_id) is same
        assert _embedder(calls).dimensions == 64
