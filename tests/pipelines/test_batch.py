"""The door: each reply bought once, by the first model that answers, and nothing left behind."""

import asyncio
import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from door import ACCOUNT, QUICK, ROUTE, STEADY, TODAY, buy, chat, database_in, door, ledger_in, rows, statuses
from sqlalchemy import event

from knowledge.call import Account
from knowledge.errors import StateError
from knowledge.ledger import Ledger
from pipelines.calling.request import BudgetError, CallError


@pytest.fixture
def quiet(caplog):
    """Nothing of asyncio's may be left: no task destroyed, no exception that nobody heard of, no thread."""
    before = set(threading.enumerate())
    yield
    gc.collect()
    assert [each.getMessage() for each in caplog.records if each.name == "asyncio"] == []
    assert set(threading.enumerate()) <= before


pytestmark = pytest.mark.usefixtures("quiet")


@pytest.mark.parametrize(
    ("fault", "kind", "attempts"),
    [
        ({"kind": "server_error"}, "server_error", 2),
        ({"kind": "hang"}, "timeout", 2),
        ({"kind": "rate_limit", "retry_after": 0.01}, "rate_limit", 2),
        ({"kind": "rate_limit", "retry_after": 60}, "rate_limit", 1),  # longer than it is worth waiting
        ({"kind": "reset"}, "reset", 2),
        ({"kind": "malformed"}, "malformed", 2),
        ({"kind": "empty_choices"}, "empty", 2),
        ({"kind": "content_filter"}, "content_filter", 1),
        ({"kind": "content_filter_prompt"}, "content_filter", 1),
    ],
)
def test_where_one_model_fails_the_next_answers_and_the_result_says_why(fault_server, tmp_path, fault, kind, attempts):
    fault_server.set(faults=[{**fault, "model": "m-1"}])
    with door(fault_server.base_url, tmp_path, settings=QUICK if kind == "timeout" else STEADY) as calls:
        (result,) = buy(calls, chat(), route=ROUTE)
    assert (result.model, result.model_served, result.reused) == ("one/m-2", "m-2", False)
    assert [(each.model, each.kind) for each in result.passed_over] == [("one/m-1", kind)]
    assert fault_server.calls().by_model == {"m-1": attempts, "m-2": 1}
    assert [each["model_asked"] for each in rows(tmp_path)] == ["one/m-1"] * attempts + ["one/m-2"]
    assert statuses(tmp_path)[-1] == "settled"


def test_a_model_that_recovers_is_not_passed_over(fault_server, tmp_path):
    fault_server.set(faults=[{"kind": "server_error", "first": 1}])
    with door(fault_server.base_url, tmp_path) as calls:
        (result,) = buy(calls, chat(), route=ROUTE)
    assert (result.model, result.passed_over) == ("one/m-1", ())
    assert statuses(tmp_path) == ["failed", "settled"]


def test_where_no_model_answers_the_error_names_each(fault_server, tmp_path):
    fault_server.set(faults=[{"kind": "server_error", "model": "m-1"}, {"kind": "hang", "model": "m-2"}])
    with door(fault_server.base_url, tmp_path, settings=QUICK) as calls:
        (problem,) = buy(calls, chat(), route=ROUTE)
    assert type(problem) is CallError
    assert "one/m-1: server_error (HTTP 500" in str(problem)
    assert "one/m-2: timeout (no reply within 0.5 s)" in str(problem)


def test_a_model_whose_circuit_is_open_is_not_asked(fault_server, tmp_path):
    fault_server.set(faults=[{"kind": "server_error", "model": "m-1"}])
    settings = {**STEADY, "circuit": {"failures": 2, "cool_down_seconds": 60}}
    with door(fault_server.base_url, tmp_path, settings=settings) as calls:
        kinds = [buy(calls, chat(f"{number}"), route=ROUTE)[0].passed_over[0].kind for number in range(3)]
    assert kinds == ["server_error", "circuit_open", "circuit_open"]
    assert fault_server.calls().by_model == {"m-1": 2, "m-2": 3}


def test_after_the_cool_down_one_call_tries_while_the_others_wait(fault_server, tmp_path):
    fault_server.set(faults=[{"kind": "server_error"}])
    settings = {**STEADY, "circuit": {"failures": 2, "cool_down_seconds": 0.3, "probes": 1}}
    with door(fault_server.base_url, tmp_path, settings=settings) as calls:
        assert isinstance(buy(calls, chat())[0], CallError)
        problems = buy(calls, *(chat(f"{number}") for number in range(12)))
    assert all(isinstance(each, CallError) for each in problems)
    assert fault_server.calls().received == 3


def test_what_the_ledger_has_is_read_also_while_the_circuit_is_open(fault_server, tmp_path):
    settings = {**STEADY, "circuit": {"failures": 1, "probes": 0}}
    with door(fault_server.base_url, tmp_path) as calls:
        buy(calls, chat("known"))
    fault_server.set(faults=[{"kind": "server_error"}])
    with door(fault_server.base_url, tmp_path, settings=settings) as calls:
        assert isinstance(buy(calls, chat("new"))[0], CallError)
        assert buy(calls, chat("known"))[0].reused


def test_equal_requests_at_the_same_time_are_bought_once(fault_server, tmp_path):
    fault_server.set(latency_seconds=0.1)
    with door(fault_server.base_url, tmp_path) as calls:
        results = buy(calls, chat(), chat(), chat())
        assert (calls.tally.paid, calls.tally.reused) == (1, 2)
    assert len({each.payload["text"] for each in results}) == 1
    assert sorted(each.reused for each in results) == [False, True, True]
    assert fault_server.calls().received == 1


def test_one_who_waits_for_anothers_reply_buys_it_when_that_fails(fault_server, tmp_path):
    fault_server.set(latency_seconds=0.1, faults=[{"kind": "server_error", "first": 1}])
    settings = {**STEADY, "retries": {"attempts": 1}}
    with door(fault_server.base_url, tmp_path, settings=settings) as calls:
        results = buy(calls, chat(), chat())
    assert sorted(isinstance(each, CallError) for each in results) == [False, True]
    assert statuses(tmp_path) == ["failed", "settled"]


def test_a_second_door_on_the_same_ledger_reads(fault_server, tmp_path):
    requests = [chat(f"{number}") for number in range(5)]
    with door(fault_server.base_url, tmp_path) as calls:
        before = buy(calls, *requests)
    slow = {**STEADY, "providers": {"one": {"requests_per_minute": 1, "tokens_per_minute": 1}}}  # reading takes no turn
    with door(fault_server.base_url, tmp_path, settings=slow) as calls:
        after = buy(calls, *requests)
        assert (calls.tally.paid, calls.tally.reused, calls.tally.cost_usd) == (0, 5, 0.0)
    assert [each.payload for each in after] == [each.payload for each in before]
    assert [each.charge for each in after] == [each.charge for each in before]
    assert fault_server.calls().received == 5


@pytest.mark.parametrize(
    "other",
    [
        Account("judge", "support", TODAY),
        Account("answer", "support", "2026-11-22"),
        Account("answer", "support", TODAY, repeat=1),
    ],
)
def test_another_purpose_night_or_repeat_is_another_purchase(fault_server, tmp_path, other):
    with door(fault_server.base_url, tmp_path) as calls:
        buy(calls, chat())
        buy(calls, chat(), account=other)
    assert fault_server.calls().received == 2


def test_two_processes_buy_each_reply_once(fault_server, tmp_path):
    fault_server.set(latency_seconds=0.05)
    ledger_in(tmp_path)
    path = os.pathsep.join([str(Path(__file__).parents[1]), str(Path(__file__).parents[2])])
    command = [sys.executable, str(Path(__file__).with_name("buyer.py")), fault_server.base_url, str(tmp_path), "40"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with (
        door(fault_server.base_url, tmp_path) as calls,
        subprocess.Popen(command, **pipes, env={**os.environ, "PYTHONPATH": path}) as other,
    ):
        assert other.stdout.readline() == "ready\n"
        other.stdin.write("go\n")
        other.stdin.flush()
        results = buy(calls, *(chat(f"Question {number}") for number in reversed(range(40))))
        told = json.loads(other.stdout.readline())
        assert told["texts"] == [each.payload["text"] for each in reversed(results)]
        assert told["paid"] + calls.tally.paid == told["reused"] + calls.tally.reused == 40
    counted = fault_server.calls()
    assert (counted.received, counted.distinct, counted.repeated) == (40, 40, 0)


def test_results_come_in_the_order_of_completion(fault_server, tmp_path):
    async def wait(seconds):
        await asyncio.sleep(seconds)
        return seconds

    with door(fault_server.base_url, tmp_path) as calls:
        assert list(calls.each([0.2, 0.0, 0.1], wait)) == [0.0, 0.1, 0.2]
        assert list(calls.each([], wait)) == []


def test_no_more_items_are_under_way_than_four_times_the_calls_that_may_be(fault_server, tmp_path):
    now, most = [0], [0]

    async def count(item):
        now[0] += 1
        most[0] = max(most[0], now[0])
        await asyncio.sleep(0.01)
        now[0] -= 1

    settings = {**STEADY, "providers": {"one": {"concurrency": 3}}}
    with door(fault_server.base_url, tmp_path, settings=settings) as calls:
        assert len(list(calls.each(range(50), count))) == 50
    assert most == [12]


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_fixed_number_of_calls_is_what_the_server_sees(fault_server, tmp_path, concurrency):
    fault_server.set(latency_seconds=0.02)
    settings = {**STEADY, "providers": {"one": {"concurrency": concurrency}}}
    with door(fault_server.base_url, tmp_path, settings=settings) as calls:
        buy(calls, *(chat(f"{number}") for number in range(12)))
    assert fault_server.calls().in_flight_most == concurrency
    assert fault_server.calls().answered == 12


async def _asked(calls, number):
    return await calls.buy(chat(f"{number}"), route=ROUTE[:1], account=ACCOUNT)


def test_an_error_ends_a_run_and_what_is_under_way(fault_server, tmp_path):
    fault_server.set(faults=[{"kind": "hang"}])
    ended = []

    async def ask(calls, number):
        if number == 5:
            while fault_server.calls().received < 8:
                await asyncio.sleep(0.05)
            raise LookupError("five")
        try:
            await _asked(calls, number)
        finally:
            ended.append(number)

    with door(fault_server.base_url, tmp_path) as calls:
        with pytest.raises(LookupError, match="five"):
            list(calls.each(range(9), lambda number: ask(calls, number)))
        assert sorted(ended) == [0, 1, 2, 3, 4, 6, 7, 8]
        assert statuses(tmp_path) == ["unknown"] * 8  # sent, so perhaps paid


def test_a_run_that_is_left_early_leaves_nothing_under_way(fault_server, tmp_path):
    fault_server.set(latency_seconds=0.05, faults=[{"kind": "hang", "every": 2}])
    with door(fault_server.base_url, tmp_path) as calls:
        for result in calls.each(range(8), lambda number: _asked(calls, number)):
            assert result.payload
            break
        assert "reserved" not in statuses(tmp_path)
        fault_server.set()
        again = buy(calls, *(chat(f"{number}") for number in range(8)))  # nobody holds them any more
        assert all(each.payload for each in again)


@pytest.mark.parametrize("how", ["each", "run"])
def test_ctrl_c_ends_what_is_under_way(fault_server, tmp_path, how):
    fault_server.set(faults=[{"kind": "hang"}])

    def press():
        while not fault_server.calls().received:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    pressed = threading.Thread(target=press)
    with door(fault_server.base_url, tmp_path) as calls:
        pressed.start()
        with pytest.raises(KeyboardInterrupt):
            list(calls.each(range(3), lambda number: _asked(calls, number))) if how == "each" else buy(calls, chat())
        pressed.join()
        assert set(statuses(tmp_path)) == {"unknown"}


@pytest.mark.parametrize("after_turns", [0, 1, 2, 3, 4, 5, 8, 20])
def test_a_call_that_is_given_up_at_any_moment_holds_nothing(fault_server, tmp_path, after_turns):
    async def give_up(calls):
        asked = asyncio.create_task(calls.buy(chat(), route=ROUTE[:1], account=ACCOUNT))
        for _ in range(after_turns):
            await asyncio.sleep(0.001 if after_turns == 20 else 0)
        asked.cancel()
        await asyncio.wait([asked])

    with door(fault_server.base_url, tmp_path) as calls:
        calls.run(give_up(calls))
        (result,) = buy(calls, chat())
        assert result.payload
    assert "reserved" not in statuses(tmp_path)
    assert statuses(tmp_path)[-1] == "settled"


def test_closing_writes_what_is_being_written_and_ends_what_is_left(fault_server, tmp_path):
    async def leave_behind(calls):
        calls.left = asyncio.create_task(asyncio.sleep(600))
        asked = asyncio.create_task(calls.buy(chat(), route=ROUTE[:1], account=ACCOUNT))
        await asyncio.sleep(0)
        asked.cancel()

    with door(fault_server.base_url, tmp_path) as calls:
        calls.run(leave_behind(calls))
    assert set(statuses(tmp_path)) <= {"failed", "unknown"}


def test_a_door_that_nobody_went_through_closes(tmp_path):
    before = threading.active_count()
    with door("http://127.0.0.1:9/v1", tmp_path):
        pass
    assert threading.active_count() == before


def test_an_older_equal_reply_is_read_only_when_it_is_fresh_enough(fault_server, tmp_path):
    tomorrow = Account("answer", "support", "2026-11-22")
    with door(fault_server.base_url, tmp_path) as calls:
        buy(calls, chat())
        assert buy(calls, chat(), account=tomorrow, fresh_within=timedelta(minutes=1))[0].reused
        assert not buy(calls, chat("other"), account=tomorrow, fresh_within=timedelta(minutes=1))[0].reused
        assert not buy(calls, chat(), account=tomorrow, fresh_within=timedelta(microseconds=1))[0].reused
        assert not buy(calls, chat(), account=Account("judge", "support"), fresh_within=timedelta(minutes=1))[0].reused
        assert not buy(calls, chat(), account=Account("answer", "support", "x"), fresh_within=timedelta(0))[0].reused


def test_a_reply_whose_text_is_past_its_retention_is_bought_again_and_counted(fault_server, tmp_path):
    with door(fault_server.base_url, tmp_path) as calls:
        first = buy(calls, chat())[0]
        ledger_in(tmp_path).forget_texts(datetime.now(UTC) + timedelta(seconds=1))
        second = buy(calls, chat())[0]
        assert (calls.tally.paid, calls.tally.expired, calls.tally.reused) == (2, 1, 0)
    assert second.payload == first.payload
    assert statuses(tmp_path) == ["expired", "settled"]


def test_a_ledger_without_room_ends_the_run_and_with_room_it_goes_on(fault_server, tmp_path):
    database = database_in(tmp_path)
    with database.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    database.engine.dispose()
    event.listen(
        database.engine, "connect", lambda connection, _: connection.execute(f"PRAGMA max_page_count={pages + 20}")
    )
    fault_server.set(latency_seconds=0.01)
    answered = []

    async def ask(calls, number):
        answered.append(await _asked(calls, number))

    told = pytest.raises(StateError, match=r"ledger: what is bought cannot be written down .*full")
    with door(fault_server.base_url, Ledger(database)) as calls, told:
        list(calls.each(range(300), lambda number: ask(calls, number)))
    database.engine.dispose()
    assert 0 < len(answered) < 300
    assert fault_server.calls().received <= len(rows(tmp_path))  # none was sent that is not written down
    with door(fault_server.base_url, tmp_path) as calls:
        assert len(list(calls.each(range(10), lambda number: _asked(calls, number)))) == 10


def test_a_ledger_that_is_gone_is_told_before_anything_is_sent(fault_server, tmp_path):
    database = database_in(tmp_path)
    with database.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE ledger")
    with door(fault_server.base_url, Ledger(database)) as calls:
        problems = buy(calls, chat(), chat("other"))
    assert [type(each) for each in problems] == [StateError, StateError]
    assert "no such table" in str(problems[0])
    assert fault_server.calls().received == 0


def test_what_was_told_of_a_reply_stands_in_the_ledger(fault_server, tmp_path):
    fault_server.change(behaviours={"served_model": "m-1-2026", "system_fingerprint": "fp_9"})
    with door(fault_server.base_url, tmp_path) as calls:
        (result,) = buy(calls, chat("Stream this.", stream=True))
    (row,) = rows(tmp_path)
    counted = fault_server.calls()
    assert (row["model_asked"], row["model_served"], row["fingerprint"]) == ("one/m-1", "m-1-2026", "fp_9")
    assert (row["input_tokens"], row["output_tokens"]) == (counted.prompt_tokens, counted.completion_tokens)
    assert row["cost_usd"] == result.charge.cost_usd == pytest.approx(counted.cost_usd)
    assert 0 < row["first_token_ms"] <= row["latency_ms"]
    assert row["reply"] == result.payload
    assert row["request"]["messages"][0]["content"] == "Stream this."
    assert not issubclass(CallError, BudgetError)
