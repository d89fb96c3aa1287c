"""Every fault, as the real client meets with it, and on a bare socket where the client hides it."""

import json
import socket
import time
from typing import get_args

import pytest
from asked import VERDICT_FORM, prompt
from openai import (
    APIConnectionError,
    APIResponseValidationError,
    APITimeoutError,
    BadRequestError,
    InternalServerError,
    RateLimitError,
)

from faults.picking import CHAT
from faults.settings import PRESETS, Kind


def raw(server, *, stream=False):
    """The bytes of a reply, until the connection ends; an end by reset is told."""
    body = json.dumps({"model": "any", "messages": prompt("Annual plan refunded?"), "stream": stream}).encode()
    head = (
        f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer any\r\nConnection: close\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    host, _, port = server.url.removeprefix("http://").partition(":")
    received = b""
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(head.encode() + body)
        try:
            while more := connection.recv(65536):
                received += more
        except ConnectionResetError:
            return received, "reset"
    return received, "closed"


def test_a_rate_limit_says_when_to_come_back(fault_server, ask):
    fault_server.set(faults=[{"kind": "rate_limit", "retry_after": 1.5}])
    with pytest.raises(RateLimitError) as limited:
        ask()
    assert limited.value.response.headers["retry-after"] == "1.5"
    assert limited.value.code == "rate_limit_exceeded"


@pytest.mark.parametrize(("kind", "status"), [("server_error", 500), ("overloaded", 503)])
def test_a_server_that_cannot_says_so(fault_server, ask, kind, status):
    fault_server.set(faults=[{"kind": kind, "retry_after": 3}])
    with pytest.raises(InternalServerError) as failed:
        ask()
    assert failed.value.status_code == status
    assert failed.value.type == "server_error"
    assert failed.value.response.headers["retry-after"] == "3"


def test_a_prompt_that_is_filtered_is_refused(fault_server, ask):
    fault_server.set(faults=[{"kind": "content_filter_prompt"}])
    with pytest.raises(BadRequestError) as filtered:
        ask()
    assert filtered.value.code == "content_filter"


@pytest.mark.parametrize("stream", [False, True])
def test_a_reply_that_is_filtered_is_empty_and_says_why(fault_server, ask, stream):
    fault_server.set(faults=[{"kind": "content_filter"}])
    reply = ask(stream=stream)
    choices = [choice for each in (reply if stream else [reply]) for choice in each.choices]
    assert choices[-1].finish_reason == "content_filter"
    assert not any((choice.delta if stream else choice.message).content for choice in choices)


def test_a_call_that_hangs_gets_no_answer_and_counts_when_its_client_leaves(fault_server, client, ask):
    fault_server.set(faults=[{"kind": "hang"}])
    with pytest.raises(APITimeoutError):
        ask(timeout=0.1)
    tally = wait_for_lost(fault_server)
    assert (tally.received, tally.answered, tally.by_fault) == (1, 0, {"hang": 1})
    assert tally.prompt_tokens > 0


def wait_for_lost(server):
    """The server sees a moment later than the client that the client has gone."""
    for _ in range(200):
        if (tally := server.calls()).lost and not tally.in_flight:
            return tally
        time.sleep(0.01)
    raise AssertionError(tally)


def test_a_hang_ends_at_its_cap(fault_server, ask):
    fault_server.set(faults=[{"kind": "hang", "seconds": 0.05}])
    with pytest.raises(APIConnectionError):
        ask()
    assert raw(fault_server) == (b"", "reset")
    assert fault_server.calls().lost == 2


def test_a_reset_ends_the_connection_without_a_byte(fault_server, ask):
    fault_server.set(faults=[{"kind": "reset"}])
    with pytest.raises(APIConnectionError):
        ask()
    assert raw(fault_server) == (b"", "reset")
    assert fault_server.calls().lost == 2


@pytest.mark.parametrize("stream", [False, True])
def test_a_reset_midway_ends_it_after_a_part_of_the_body(fault_server, ask, stream):
    whole, _ = raw(fault_server, stream=stream)
    fault_server.set(faults=[{"kind": "reset_midway"}])
    received, end = raw(fault_server, stream=stream)
    assert end == "reset"
    assert received.startswith(b"HTTP/1.1 200")
    assert len(whole) * 0.4 < len(received) < len(whole) * 0.9
    with pytest.raises(APIConnectionError):
        list(ask(stream=stream))


def content(received):
    return json.loads(received.partition(b"\r\n\r\n")[2])["choices"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_slow_drip_comes_in_small_parts_and_whole(fault_server, stream):
    whole, _ = raw(fault_server, stream=stream)
    fault_server.reset()
    fault_server.set(faults=[{"kind": "slow_drip", "seconds": 0.3}])
    started = time.monotonic()
    slow, _ = raw(fault_server, stream=stream)
    assert time.monotonic() - started >= 0.3
    assert stream or content(slow) == content(whole)
    assert (b"[DONE]" in slow) is stream
    assert (fault_server.calls().answered, fault_server.calls().by_fault) == (1, {"slow_drip": 1})


@pytest.mark.parametrize("stream", [False, True])
def test_a_malformed_reply_is_no_json(fault_server, ask, stream):
    fault_server.set(faults=[{"kind": "malformed"}])
    with pytest.raises((json.JSONDecodeError, APIResponseValidationError)):
        list(ask(stream=stream))
    assert fault_server.calls().by_status == {"200": 1}
    assert fault_server.calls().answered == 0


@pytest.mark.parametrize("stream", [False, True])
def test_empty_choices_hold_no_text(fault_server, ask, stream):
    fault_server.set(faults=[{"kind": "empty_choices"}])
    reply = ask(stream=stream)
    assert [choice for each in (reply if stream else [reply]) for choice in each.choices] == []


def test_a_wrong_schema_has_its_keys_with_values_of_another_type(fault_server, ask):
    fault_server.set(faults=[{"kind": "wrong_schema"}])
    made = json.loads(ask(response_format=VERDICT_FORM).choices[0].message.content)
    assert made == {"grade": {}, "correct": {}, "reason": {}, "points": "none"}
    assert ask().choices[0].message.content.endswith("[1]")  # nothing to break in plain text
    assert fault_server.calls().by_fault == {"wrong_schema": 1}


def outcomes(ask, number):
    """By status, what so many calls get."""
    found = []
    for _ in range(number):
        try:
            ask()
            found.append(200)
        except (RateLimitError, InternalServerError) as failed:
            found.append(failed.status_code)
    return found


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"first": 2}, [500, 500, 200, 200, 200, 200]),
        ({"every": 3}, [200, 200, 500, 200, 200, 500]),
        ({"share": 0}, [200] * 6),
        ({"share": 1}, [500] * 6),
        ({}, [500] * 6),
        ({"model": "another"}, [200] * 6),
        ({"model": "gpt-4o-mini"}, [500] * 6),
        ({"path": "/v1/embeddings"}, [200] * 6),
        ({"path": "/v1/chat"}, [500] * 6),
    ],
    ids=str,
)
def test_a_rule_is_about_the_calls_it_names(fault_server, ask, rule, expected):
    fault_server.set(faults=[{"kind": "server_error", **rule}])
    assert outcomes(ask, 6) == expected


def test_the_same_calls_meet_with_the_same_faults_after_a_reset(fault_server, ask):
    fault_server.set(faults=[{"kind": "rate_limit", "share": 0.3}, {"kind": "server_error", "share": 0.3}])
    fault_server.reset()
    first = outcomes(ask, 60)
    fault_server.reset()
    assert outcomes(ask, 60) == first
    assert 8 <= first.count(429) <= 28
    assert 8 <= first.count(500) <= 28


def test_a_preset_is_set_by_its_name(fault_server):
    for name, rules in PRESETS.items():
        fault_server.set(faults=name)
        assert fault_server.settings().faults == rules


def test_every_kind_of_fault_is_tested_here():
    from pathlib import Path

    text = Path(__file__).read_text(encoding="utf-8")
    assert [kind for kind in get_args(Kind) if f'"{kind}"' not in text] == []
