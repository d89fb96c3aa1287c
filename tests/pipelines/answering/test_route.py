"""The route of an assistant: hosted models in their order, the embedded one last, and the reply that says which."""

from datetime import timedelta
from pathlib import Path

import pytest
from door import ACCOUNT, QUICK, ROUTE, STEADY, door, rows

from knowledge.manifest import LOCAL_MODEL, read_manifest
from knowledge.record import Hit
from pipelines.answering.request import ModelRequest
from pipelines.answering.route import Purse, Route
from pipelines.calling.request import BudgetError, CallError
from pipelines.embedder import WordLlamaEmbedder

EMBED = WordLlamaEmbedder().embed
PASSAGE = "A refund reaches your bank account within five days."
HIT = Hit("help/refunds.md#0", "help/refunds.md", "sha", "file/help/refunds.md", "Refunds", PASSAGE, 0.9)
QUESTION = "When does a refund reach my bank account?"
REQUEST = ModelRequest(
    system="Answer from the passages.",
    user=f"[1] Refunds\n{PASSAGE}\n\nQuestion: {QUESTION}",
    question=QUESTION,
    contexts=(HIT,),
)
BOTH = (*ROUTE, LOCAL_MODEL)


@pytest.fixture(scope="module")
def manifest():
    return read_manifest(Path(__file__).parents[3] / "knowledge" / "manifests", "support")


@pytest.fixture
def ask(fault_server, tmp_path, manifest):
    def ask_once(*models, settings=STEADY, budgets=None, manifest=manifest, **purse):
        with door(fault_server.base_url, tmp_path, settings=settings, budgets=budgets) as calls:
            route = Route(manifest, models, calls=calls, purse=Purse(ACCOUNT, 1, **purse), embed=EMBED)
            return calls.run(route.call(REQUEST))

    return ask_once


def test_a_hosted_model_answers_with_all_that_is_known_of_its_reply(fault_server, ask):
    fault_server.change(behaviours={"served_model": "m-1-2026", "system_fingerprint": "fp_3"})
    reply = ask(*BOTH)
    counted = fault_server.calls()
    assert PASSAGE in reply.text
    assert (reply.model, reply.served_model, reply.fingerprint) == ("one/m-1", "m-1-2026", "fp_3")
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (counted.prompt_tokens, counted.completion_tokens)
    assert reply.cost_usd == pytest.approx(counted.cost_usd)
    assert (reply.fallback, reply.reused, reply.first_token_ms) == ("", False, None)
    assert ask(*BOTH).reused


def test_a_streamed_reply_tells_its_first_token(ask):
    assert ask(*ROUTE, stream=True).first_token_ms > 0


@pytest.mark.parametrize(
    ("models", "down", "answers", "why"),
    [
        (BOTH, ["m-1"], "one/m-2", "one/m-1: server_error"),
        (BOTH, ["m-1", "m-2"], LOCAL_MODEL, "one/m-1: server_error; one/m-2: server_error"),
        ((LOCAL_MODEL,), [], LOCAL_MODEL, ""),
    ],
)
def test_where_a_model_fails_the_next_answers_and_the_reply_says_why(fault_server, ask, models, down, answers, why):
    fault_server.set(faults=[{"kind": "server_error", "model": each} for each in down])
    reply = ask(*models)
    assert (reply.model, reply.fallback) == (answers, why)
    assert PASSAGE in reply.text
    assert reply.cost_usd == pytest.approx(fault_server.calls().cost_usd)


def test_without_the_embedded_model_a_route_can_fail(fault_server, ask):
    fault_server.set(faults=[{"kind": "hang"}])
    with pytest.raises(CallError, match=r"one/m-1: timeout .*; one/m-2: timeout"):
        ask(*ROUTE, settings=QUICK)


def test_over_budget_the_embedded_model_answers_for_nothing(fault_server, ask):
    budgets = {"readers": {"ann": {"cost_usd": 0}}}
    reply = ask(*BOTH, budgets=budgets)
    assert (reply.model, reply.cost_usd) == (LOCAL_MODEL, 0.0)
    assert reply.fallback == "one/m-1: over_budget; one/m-2: over_budget"
    assert fault_server.calls().received == 0
    with pytest.raises(BudgetError, match="budget of reader ann"):
        ask(*ROUTE, budgets=budgets)


def test_what_is_asked_is_what_the_manifest_says(tmp_path, ask, manifest):
    generation = manifest.generation.model_copy(update={"max_output_tokens": 33, "options": {"temperature": 0}})
    ask(*ROUTE, manifest=manifest.model_copy(update={"generation": generation}))
    (row,) = rows(tmp_path)
    assert row["request"]["messages"] == [
        {"role": "system", "content": REQUEST.system},
        {"role": "user", "content": REQUEST.user},
    ]
    assert (row["request"]["max_output_tokens"], row["request"]["options"]) == (33, {"temperature": 0})


def test_an_equal_reply_of_another_night_will_do_only_where_the_purse_says_so(fault_server, ask):
    ask(*ROUTE)
    assert ask(*ROUTE, fresh_within=timedelta(minutes=5)).reused
    assert fault_server.calls().received == 1
