"""Replies that must keep to a schema: checked, repaired once, and else an error."""

import json
from dataclasses import replace

import pytest
from door import ACCOUNT, ROUTE, chat, door, rows
from odd_endpoint import odd_endpoint

from pipelines.calling.request import CallError, Schema
from pipelines.calling.structured import buy_structured

SCHEMA = Schema(
    "judgement",
    {
        "type": "object",
        "properties": {"good": {"type": "boolean"}, "reason": {"type": "string"}},
        "required": ["good", "reason"],
        "additionalProperties": False,
    },
)


def _judge(calls, text="Is it good?"):
    async def buy(request):
        return await calls.buy(request, route=ROUTE[:1], account=replace(ACCOUNT, purpose="judge"))

    return calls.run(buy_structured(chat(text, most=100, schema=SCHEMA), buy))


def test_a_reply_that_fits_is_parsed_and_paid_once(fault_server, tmp_path):
    with door(fault_server.base_url, tmp_path) as calls:
        said = _judge(calls)
        assert set(said.content) == {"good", "reason"}
        assert said.cost_usd == pytest.approx(fault_server.calls().cost_usd) == calls.tally.cost_usd
    assert len(said.results) == fault_server.calls().received == 1


def test_a_broken_reply_is_shown_to_the_model_once_and_both_are_paid(fault_server, tmp_path):
    fault_server.set(faults=[{"kind": "wrong_schema", "first": 1}])
    with door(fault_server.base_url, tmp_path) as calls:
        said = _judge(calls)
        assert isinstance(said.content["good"], bool)
        assert said.cost_usd == pytest.approx(fault_server.calls().cost_usd) == calls.tally.cost_usd
    first, second = rows(tmp_path)
    assert [first["status"], second["status"]] == ["settled", "settled"]
    asked, answered, told = second["request"]["messages"]
    assert [asked] == first["request"]["messages"]
    assert answered == {"role": "assistant", "content": first["reply"]["text"]}
    assert "does not fit the schema: $." in told["content"]


def test_a_reply_that_is_broken_twice_is_an_error_and_stands_in_the_ledger(fault_server, tmp_path):
    fault_server.set(faults=[{"kind": "wrong_schema"}])
    with door(fault_server.base_url, tmp_path) as calls:
        with pytest.raises(CallError, match="one/m-1: wrong_schema") as caught:
            _judge(calls)
        assert [each.kind for each in caught.value.passed_over] == ["wrong_schema"]
    assert [each["status"] for each in rows(tmp_path)] == ["settled", "settled"]
    fault_server.reset()
    with door(fault_server.base_url, tmp_path) as calls, pytest.raises(CallError):
        _judge(calls)  # said twice already in this night: not asked again
    assert fault_server.calls().received == 0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("It is good.", "it is not JSON"),
        ("", "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
        ("null", "$: None is not of type 'object'"),
        ('{"good": "yes", "reason": "r"}', "$.good: 'yes' is not of type 'boolean'"),
        ('{"good": true}', "$: 'reason' is a required property"),
        ('{"good": true, "reason": "r", "more": 1}', "'more' was unexpected"),
    ],
)
def test_what_is_wrong_with_a_reply_is_told(tmp_path, text, told):
    with odd_endpoint() as odd, door(odd.base_url, tmp_path) as calls:
        message = {"message": {"content": text}, "finish_reason": "stop"}
        odd.say(json.dumps({"choices": [message], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}).encode())
        with pytest.raises(CallError, match="wrong_schema") as caught:
            _judge(calls)
    assert told in str(caught.value)


def test_a_request_without_a_schema_is_a_mistake_of_ours(fault_server, tmp_path):
    async def buy(request):
        return await calls.buy(request, route=ROUTE[:1], account=ACCOUNT)

    with door(fault_server.base_url, tmp_path) as calls, pytest.raises(ValueError, match="no schema"):
        calls.run(buy_structured(chat(), buy))
