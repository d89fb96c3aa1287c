"""Budgets at the door: never more is spent than they allow, and as little is refused as can be."""

import json

import pytest
from door import ACCOUNT, PRICE, QUICK, ROUTE, STEADY, TODAY, buy, chat, door, rows, spent, statuses
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from faults.chat import read_chat
from faults.embedding import embed
from faults.settings import Behaviours
from knowledge.call import Account, Amount
from knowledge.errors import SettingsError
from pipelines.calling.budget import Budgets
from pipelines.calling.prices import Price, Prices
from pipelines.calling.request import BudgetError, CallError, ChatRequest, EmbeddingRequest, Schema

WORST_TOKENS = sum(chat().worst_tokens)
WORST_USD = (chat().worst_tokens[0] * 0.15 + 20 * 0.60) / 1e6
ONCE = {"tokens": WORST_TOKENS, "cost_usd": WORST_USD, "milliseconds": 30_000}  # nothing may have been taken before


@pytest.mark.parametrize("what", ["tokens", "cost_usd", "milliseconds"])
@pytest.mark.parametrize(
    ("budgets", "named"),
    [
        (lambda limit: {"run": limit}, f"budget of run support {TODAY}"),
        (lambda limit: {"day": limit}, f"budget of day {TODAY}"),
        (lambda limit: {"assistants": {"support": limit}}, f"budget of assistant support {TODAY}"),
        (lambda limit: {"readers": {"each": limit}}, f"budget of reader ann {TODAY}"),
        (lambda limit: {"segments": {"gold": limit, "each": {}}}, f"budget of segment gold {TODAY}"),
    ],
)
def test_what_does_not_fit_a_budget_is_not_asked(fault_server, tmp_path, what, budgets, named):
    with door(fault_server.base_url, tmp_path, budgets=budgets({what: ONCE[what]})) as calls:
        first, second = buy(calls, chat())[0], buy(calls, chat("How is he?"))[0]
    assert first.payload
    assert isinstance(second, BudgetError)
    assert named in str(second)
    assert fault_server.calls().received == 1


@pytest.mark.parametrize(
    "budgets",
    [
        {"readers": {"bob": ONCE}},
        {"segments": {"silver": ONCE}},
        {"assistants": {"hr": ONCE}},
        {"readers": {"ann": {}, "each": ONCE}},
    ],
)
def test_anothers_budget_binds_nobody_else(fault_server, tmp_path, budgets):
    with door(fault_server.base_url, tmp_path, budgets=budgets) as calls:
        assert all(each.payload for each in buy(calls, chat("1"), chat("2"), chat("3")))


def test_a_call_for_nobody_in_particular_is_charged_to_the_day_alone(fault_server, tmp_path):
    with door(fault_server.base_url, tmp_path) as calls:
        buy(calls, chat(), account=Account("embed", ""))
    assert set(spent(tmp_path)) == {"day"}


@pytest.mark.parametrize("what", ["tokens", "cost_usd", "milliseconds"])
def test_a_call_that_is_too_large_is_passed_over_and_ends_no_run(fault_server, tmp_path, what):
    limit = {"tokens": WORST_TOKENS - 1, "cost_usd": WORST_USD * 0.99, "milliseconds": 29_999}[what]
    with door(fault_server.base_url, tmp_path, budgets={"call": {what: limit}}) as calls:
        (problem,) = buy(calls, chat())
    assert type(problem) is CallError
    assert [each.kind for each in problem.passed_over] == ["too_large"]
    assert "budget of call" in str(problem)
    assert rows(tmp_path) == []


def test_one_that_does_not_fit_waits_for_what_others_do_not_use(fault_server, tmp_path):
    fault_server.set(latency_seconds=0.02)
    with door(fault_server.base_url, tmp_path, budgets={"run": {"cost_usd": WORST_USD * 3}}) as calls:
        results = buy(calls, *(chat(f"{number}") for number in range(4)))
    assert all(each.payload for each in results)
    assert fault_server.calls().in_flight_most < 4
    assert spent(tmp_path)["run"].cost_usd == pytest.approx(fault_server.calls().cost_usd)


def test_those_that_wait_in_vain_are_refused_and_what_was_done_is_kept(fault_server, tmp_path):
    fault_server.set(latency_seconds=0.02)
    budget = WORST_USD * 2.2
    with door(fault_server.base_url, tmp_path, budgets={"run": {"cost_usd": budget}}) as calls:
        results = buy(calls, *(chat(f"{number:012}") for number in range(40)))
        refused = [each for each in results if isinstance(each, BudgetError)]
        assert 0 < len(refused) < 40
        assert fault_server.calls().cost_usd <= budget
        paid = buy(calls, *(chat(f"{number:012}") for number in range(40)))
    assert sum(not isinstance(each, BudgetError) for each in paid) >= 40 - len(refused)
    assert "reserved" not in statuses(tmp_path)


def test_an_outcome_nobody_knows_stays_at_its_reservation(fault_server, tmp_path):
    fault_server.set(faults=[{"kind": "hang", "first": 1}])
    once = {**QUICK, "retries": {"attempts": 1}}
    with door(fault_server.base_url, tmp_path, settings=once, budgets={"run": {"cost_usd": WORST_USD * 1.5}}) as calls:
        assert [type(buy(calls, each)[0]) for each in (chat(), chat())] == [CallError, BudgetError]
        assert calls.tally.cost_usd == pytest.approx(WORST_USD)
    assert statuses(tmp_path) == ["unknown"]
    assert spent(tmp_path)["run"] == Amount(WORST_TOKENS, pytest.approx(WORST_USD), 500)


@pytest.mark.parametrize(
    ("fault", "status", "cost"),
    [
        ("rate_limit", "failed", "nothing"),
        ("server_error", "failed", "nothing"),
        ("content_filter", "failed", "its tokens"),
        ("empty_choices", "failed", "its tokens"),
        ("reset", "unknown", "the worst"),
        ("reset_midway", "unknown", "the worst"),
        ("malformed", "unknown", "the worst"),
        ("content_filter_prompt", "unknown", "the worst"),
        ("hang", "unknown", "the worst"),
    ],
)
def test_each_failure_costs_what_it_may_have_cost(fault_server, tmp_path, fault, status, cost):
    fault_server.set(faults=[{"kind": fault}])
    with door(
        fault_server.base_url, tmp_path, settings={**(QUICK if fault == "hang" else STEADY), "retries": {"attempts": 1}}
    ) as calls:
        buy(calls, chat())
        charged = {"nothing": 0.0, "its tokens": fault_server.calls().cost_usd, "the worst": WORST_USD}[cost]
        assert calls.tally.cost_usd == pytest.approx(charged)
    (row,) = rows(tmp_path)
    assert (row["status"], row["cost_usd"]) == (status, pytest.approx(charged))
    assert row["reason"]
    assert fault_server.calls().cost_usd <= charged + 1e-12


def test_every_fallback_is_measured_anew(fault_server, tmp_path):
    dear = {"input_usd_per_million": 1000, "output_usd_per_million": 1000}
    once = {**STEADY, "prices": {"one/dear": dear, "one/m-1": PRICE}}
    route = ("one/dear", "one/m-1")
    with door(fault_server.base_url, tmp_path, settings=once, budgets={"run": {"cost_usd": 0.01}}) as calls:
        (result,) = buy(calls, chat(), route=route)
        assert result.model == "one/m-1"
        assert [(each.model, each.kind) for each in result.passed_over] == [("one/dear", "over_budget")]
        assert "budget of run" in result.passed_over[0].detail
    fault_server.set(faults=[{"kind": "server_error"}])
    with door(fault_server.base_url, tmp_path, settings=once, budgets={"run": {"cost_usd": 0.01}}) as calls:
        (problem,) = buy(calls, chat("another"), route=route)
        assert type(problem) is CallError  # the cheap one may answer the next question
    assert fault_server.calls().by_model == {"m-1": 3}


def test_a_model_without_a_price_is_refused_by_name(fault_server, tmp_path):
    with door(fault_server.base_url, tmp_path) as calls:
        (problem,) = buy(calls, chat(), route=("one/unpriced",))
    assert isinstance(problem, SettingsError)
    assert "model 'one/unpriced': its price is not known" in str(problem)
    assert fault_server.calls().received == 0


@pytest.mark.parametrize(
    ("model", "tokens", "cached", "usd"),
    [
        ("one/m", (1_000_000, 0), 0, 2.0),
        ("one/m", (0, 1_000_000), 0, 8.0),
        ("one/m", (1_000_000, 0), 500_000, 1.25),
        ("one/plain", (1_000_000, 1_000_000), 500_000, 3.0),
        ("openai/gpt-4o-mini", (1_000_000, 1_000_000), 0, 0.75),
        ("openai/text-embedding-3-small", (1_000_000, 0), 0, 0.02),
    ],
)
def test_a_price_is_the_settings_own_or_the_listed_one(model, tokens, cached, usd):
    prices = Prices(
        {
            "one/m": Price(input_usd_per_million=2, output_usd_per_million=8, cached_usd_per_million=0.5),
            "one/plain": Price(input_usd_per_million=3),
        }
    )
    assert prices.cost(model, *tokens, cached_tokens=cached) == pytest.approx(usd)


KINDS = ["server_error", "hang", "reset", "reset_midway", "malformed", "empty_choices", "content_filter", "rate_limit"]
FAULTS = st.lists(
    st.fixed_dictionaries(
        {"kind": st.sampled_from(KINDS), "share": st.sampled_from([0.1, 0.3]), "retry_after": st.just(0.01)}
    ),
    max_size=3,
)


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(faults=[{"kind": "hang", "share": 0.3}, {"kind": "reset_midway", "share": 0.3}], share=4.0, streamed=True)
@given(faults=FAULTS, share=st.floats(0.5, 20), streamed=st.booleans())
def test_whatever_happens_the_server_never_charges_more_than_the_budget(
    fault_server, tmp_path_factory, faults, share, streamed
):
    fault_server.set(faults=faults, latency_seconds={"low": 0.0, "high": 0.02})
    fault_server.reset()
    folder, budget = tmp_path_factory.mktemp("budget"), WORST_USD * share
    limits = {**QUICK, "timeouts": {"first_token_seconds": 0.15, "total_seconds": 0.15}}
    with door(fault_server.base_url, folder, settings=limits, budgets={"day": {"cost_usd": budget}}) as calls:
        results = buy(calls, *(chat(f"Why is it {number}?", stream=streamed) for number in range(12)), route=ROUTE)
        tally = calls.tally.cost_usd
    unexpected = [each for each in results if isinstance(each, BaseException) and not isinstance(each, CallError)]
    assert unexpected == []
    charged = fault_server.calls().cost_usd
    assert charged <= budget * (1 + 1e-9)
    assert charged <= tally * (1 + 1e-9)  # nothing is hidden
    assert spent(folder)["day"].cost_usd == pytest.approx(tally) if rows(folder) else tally == 0
    assert "reserved" not in statuses(folder)


TEXTS = st.text(max_size=60) | st.sampled_from(["", "\0" * 9, "😀" * 20, "ﷺ" * 5, '"\\' * 20, "\u2028"])
WRITABLE = TEXTS.filter(lambda text: not any("\ud800" <= each <= "\udfff" for each in text))


@given(
    messages=st.lists(
        st.fixed_dictionaries({"role": st.sampled_from(["system", "user"]), "content": WRITABLE}),
        min_size=1,
        max_size=4,
    ),
    schema=st.none() | st.dictionaries(WRITABLE, WRITABLE, max_size=3),
)
def test_the_worst_case_of_a_chat_is_never_below_what_a_server_counts(messages, schema):
    request = ChatRequest(tuple(messages), 7, Schema("form", schema) if schema is not None else None)
    counted = read_chat({"model": "m", "messages": messages}, "digest").prompt_tokens
    given_, taken = request.worst_tokens
    every_byte = (
        sum(len(each["content"].encode()) for each in messages)
        + len(json.dumps(schema or {}, ensure_ascii=False).encode())
        - 2
    )
    assert given_ >= max(counted, every_byte)
    assert taken == 7


@given(st.lists(WRITABLE.filter(bool), min_size=1, max_size=4))
def test_the_worst_case_of_an_embedding_is_never_below_what_a_server_counts(texts):
    counted = embed({"model": "m", "input": texts, "dimensions": 4}, Behaviours()).usage.prompt_tokens
    assert EmbeddingRequest(tuple(texts), 4).worst_tokens >= (counted, 0)


@given(st.text(st.characters(), max_size=20))
def test_any_text_has_a_worst_case(text):
    assert chat(text).worst_tokens[0] >= len(text)
    assert EmbeddingRequest((text,), 1).worst_tokens[0] >= len(text)


def test_budgets_are_of_the_account_they_name():
    scopes = Budgets.model_validate({"readers": {"ann": {"tokens": 5}, "each": {"tokens": 9}}}).scopes(ACCOUNT, TODAY)
    assert [(each.name, each.period, each.limit.tokens) for each in scopes] == [
        ("day", TODAY, None),
        ("run", f"support {TODAY}", None),
        ("assistant support", TODAY, None),
        ("reader ann", TODAY, 5),
        ("segment gold", TODAY, None),
    ]
