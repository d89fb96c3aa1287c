"""One attempt at a time: what comes back, and what each way to fail is called."""

import asyncio
import base64
import json
import socket
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_endpoint import odd_endpoint

from pipelines.calling.replies import read_completion, read_embeddings
from pipelines.calling.request import ChatRequest, EmbeddingRequest, ModelError, Schema
from pipelines.calling.settings import Provider, Timeouts
from pipelines.models import Endpoint

SCHEMA = Schema("verdict", {"type": "object", "properties": {"good": {"type": "boolean"}}, "required": ["good"]})
MESSAGES = ({"role": "system", "content": "Be kind."}, {"role": "user", "content": "How are you, and why is that?"})
PLAIN = ChatRequest(MESSAGES, 50)
STREAMED = ChatRequest(MESSAGES, 50, stream=True)
QUICK = Timeouts(connect_seconds=0.5, first_token_seconds=0.3, total_seconds=0.6)
PATIENT = Timeouts(total_seconds=10)


def _send(base_url, request, *, timeouts=PATIENT, model="gpt-4o-mini", **provider):
    async def send():
        endpoint = Endpoint(Provider("openai", base_url, "any", **provider), timeouts)
        try:
            return await endpoint.send(model, request)
        finally:
            await endpoint.close()

    return asyncio.run(send())


def _error(base_url, request, **more):
    with pytest.raises(ModelError) as caught:
        _send(base_url, request, **more)
    return caught.value


@pytest.fixture(scope="module")
def odd():
    with odd_endpoint() as server:
        yield server


@pytest.mark.parametrize("request_", [PLAIN, STREAMED], ids=["whole", "streamed"])
def test_a_reply_tells_text_model_fingerprint_and_tokens(fault_server, request_):
    fault_server.change(behaviours={"served_model": "gpt-4o-mini-2024-07-18", "system_fingerprint": "fp_7"})
    reply = _send(fault_server.base_url, request_)
    counted = fault_server.calls()
    assert reply.payload["text"].startswith("You wrote: How are you")
    assert reply.payload["finish_reason"] == "stop"
    assert (reply.model_served, reply.fingerprint) == ("gpt-4o-mini-2024-07-18", "fp_7")
    assert (reply.input_tokens, reply.output_tokens) == (counted.prompt_tokens, counted.completion_tokens)
    assert reply.latency_ms > 0
    assert (reply.first_token_ms is not None) is request_.stream
    assert reply.first_token_ms is None or 0 < reply.first_token_ms <= reply.latency_ms


FAULTS = [
    # kind at the server, kind here: whole, streamed
    ("rate_limit", "rate_limit", "rate_limit"),
    ("overloaded", "server_error", "server_error"),
    ("server_error", "server_error", "server_error"),
    ("hang", "timeout", "timeout"),
    ("reset", "reset", "reset"),
    ("reset_midway", "reset", "reset"),
    ("malformed", "malformed", "malformed"),
    ("empty_choices", "empty", "empty"),
    ("content_filter", "content_filter", "content_filter"),
    ("content_filter_prompt", "content_filter", "content_filter"),
]


@pytest.mark.parametrize(("fault", "whole", "streamed"), FAULTS, ids=[each[0] for each in FAULTS])
def test_each_fault_has_its_name(fault_server, fault, whole, streamed):
    fault_server.set(faults=[{"kind": fault}])
    for request, kind in ((PLAIN, whole), (STREAMED, streamed)):
        problem = _error(fault_server.base_url, request, timeouts=QUICK if fault == "hang" else PATIENT)
        assert problem.kind == kind, problem
        assert problem.detail
    assert fault_server.calls().received == 2  # the client itself tries nothing again


@pytest.mark.parametrize("request_", [PLAIN, STREAMED], ids=["whole", "streamed"])
@pytest.mark.parametrize("fault", ["empty_choices", "content_filter"])
def test_a_useless_reply_tells_the_tokens_it_took(fault_server, fault, request_):
    fault_server.set(faults=[{"kind": fault}])
    problem = _error(fault_server.base_url, request_)
    assert problem.reply.input_tokens == fault_server.calls().prompt_tokens > 0


def test_a_reply_that_drips_too_long_is_a_time_out_and_a_stream_is_not_before_its_end(fault_server):
    fault_server.set(faults=[{"kind": "slow_drip", "seconds": 0.45}])
    limits = Timeouts(first_token_seconds=0.3, total_seconds=0.4)
    for request in (PLAIN, STREAMED):
        assert _error(fault_server.base_url, request, timeouts=limits).detail == "no reply within 0.4 s"
    assert _send(fault_server.base_url, STREAMED, timeouts=limits.model_copy(update={"total_seconds": 5.0})).payload


def test_a_stream_that_is_silent_too_long_is_a_time_out(fault_server):
    fault_server.set(latency_seconds=0.5)
    limits = Timeouts(first_token_seconds=0.2, total_seconds=5)
    assert _error(fault_server.base_url, STREAMED, timeouts=limits).detail == "no first token within 0.2 s"
    assert _send(fault_server.base_url, PLAIN, timeouts=limits).payload["text"]


def test_where_nobody_listens_nothing_was_sent():
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        problem = _error(f"http://127.0.0.1:{free.getsockname()[1]}/v1", PLAIN)
    assert problem.kind == "connection"
    assert "127.0.0.1" in problem.detail


def test_a_server_that_takes_no_connection_in_time_was_sent_nothing():
    with closing(socket.socket()) as full, closing(socket.socket()) as first, closing(socket.socket()) as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for other in (first, second):  # its queue is full now
            other.setblocking(False)
            other.connect_ex(full.getsockname())
        limits = Timeouts(connect_seconds=0.2, total_seconds=5)
        problem = _error(f"http://127.0.0.1:{full.getsockname()[1]}/v1", PLAIN, timeouts=limits)
    assert problem.kind == "connection"


def test_a_server_that_takes_a_call_and_hangs_up_may_have_worked():
    async def hang_up():
        async def take(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.close()

        async with await asyncio.start_server(take, "127.0.0.1", 0) as server:
            endpoint = Endpoint(
                Provider("openai", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", "any"), PATIENT
            )
            with pytest.raises(ModelError) as caught:
                await endpoint.send("m", PLAIN)
            await endpoint.close()
            return caught.value.kind

    assert asyncio.run(hang_up()) == "reset"


def _in(seconds):
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({"Retry-After": "7"}, 7, 7),
        ({"Retry-After": "0.5"}, 0.5, 0.5),
        ({"Retry-After": "-3"}, 0, 0),
        ({"Retry-After-Ms": "250", "Retry-After": "7"}, 0.25, 0.25),
        ({"Retry-After-Ms": "soon", "Retry-After": "7"}, 7, 7),
        *(({"Retry-After": odd}, None, None) for odd in ("nan", "inf", "soon", "", "Fri, 99 Nov 2026 99:99:99 GMT")),
        ({}, None, None),
    ],
)
def test_when_to_come_back_is_read_in_every_form(odd, headers, least, most):
    odd.say(b"{}", status=429, headers=headers)
    told = _error(odd.base_url, PLAIN).retry_after_seconds
    assert told is None if least is None else least <= told <= most


@pytest.mark.parametrize(("seconds", "least", "most"), [(3600, 3500, 3600), (-60, 0, 0)])
def test_when_to_come_back_may_be_a_date(odd, seconds, least, most):
    odd.say(b"{}", status=429, headers={"Retry-After": _in(seconds)})
    told = _error(odd.base_url, PLAIN).retry_after_seconds
    assert told is not None
    assert least <= told <= most


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, {"error": {"code": "insufficient_quota", "message": "Pay first."}}, "rejected"),
        (429, {"error": {"message": "Slow down."}}, "rate_limit"),
        (400, {"error": {"code": "content_filter", "message": "No."}}, "content_filter"),
        (400, {"error": "No such model."}, "rejected"),
        (401, ["what"], "rejected"),
        (404, "<html>", "rejected"),
        (408, {}, "server_error"),
        (500, None, "server_error"),
        (529, {}, "server_error"),
        (504, {}, "timeout"),  # a gateway's patience ended, not the model's work
        (524, {}, "timeout"),
    ],
)
def test_each_status_has_its_name(odd, status, body, kind):
    odd.say(json.dumps(body).encode(), status=status)
    problem = _error(odd.base_url, PLAIN)
    assert problem.kind == kind
    assert str(status) in problem.detail
    assert "\n" not in problem.detail


def _completion(**more):
    message = {"role": "assistant", "content": "Fine."}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"model": "m-1", "choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": 2}, **more}


def _said(**message):
    return {"choices": [{"message": message, "finish_reason": "stop"}]}


@pytest.mark.parametrize(
    ("more", "text", "tokens"),
    [
        ({}, "Fine.", (9, 0, 2)),
        ({"unknown": {"field": 1}, "provider": "x"}, "Fine.", (9, 0, 2)),
        ({"usage": None}, "Fine.", (None, 0, None)),
        ({"usage": [1]}, "Fine.", (None, 0, None)),
        ({"usage": {"prompt_tokens": 9, "completion_tokens": -2}}, "Fine.", (9, 0, None)),
        ({"usage": {"prompt_tokens": 10**30, "completion_tokens": True}}, "Fine.", (None, 0, None)),
        ({"usage": {"prompt_tokens": "9", "completion_tokens": 2.5}}, "Fine.", (None, 0, None)),
        (
            {"usage": {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}}},
            "Fine.",
            (9, 4, 2),
        ),
        (
            {"usage": {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 99}}},
            "Fine.",
            (9, 9, 2),
        ),
        (_said(content=None), "", (9, 0, 2)),
        (_said(content=None, refusal="I cannot."), "I cannot.", (9, 0, 2)),
        (_said(), "", (9, 0, 2)),
        ({"system_fingerprint": {"a": 1}, "model": None}, "Fine.", (9, 0, 2)),
    ],
)
def test_an_unusual_endpoint_is_understood(more, text, tokens):
    reply = read_completion(json.dumps(_completion(**more)), model="m", latency_ms=1.0)
    assert reply.payload["text"] == text
    assert (reply.input_tokens, reply.cached_tokens, reply.output_tokens) == tokens
    assert reply.model_served in ("m-1", "m")
    assert reply.fingerprint is None


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("", "malformed"),
        ("null", "malformed"),
        ("[" * 100_000, "malformed"),
        ('{"choices": 7}', "malformed"),
        ('{"choices": {"0": {}}}', "malformed"),
        ('{"choices": ["text"]}', "malformed"),
        ('{"choices": [{"message": "text"}]}', "malformed"),
        ('{"choices": [{"message": {"content": {"a": 1}}}]}', "malformed"),
        ("{}", "empty"),
        ('{"error": {"message": "No credits."}}', "empty"),
        ('{"choices": []}', "empty"),
    ],
)
def test_a_reply_that_is_none_is_called_so(body, kind):
    with pytest.raises(ModelError) as caught:
        read_completion(body, model="m", latency_ms=1.0)
    assert caught.value.kind == kind


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
CHOICES = st.fixed_dictionaries(
    {},
    optional={
        "model": JSON,
        "usage": JSON
        | st.fixed_dictionaries(
            {}, optional={"prompt_tokens": JSON, "completion_tokens": JSON, "prompt_tokens_details": JSON}
        ),
        "system_fingerprint": JSON,
        "choices": JSON
        | st.lists(
            st.fixed_dictionaries({}, optional={"message": JSON, "delta": JSON, "finish_reason": JSON}), max_size=2
        ),
    },
)
ROWS = st.fixed_dictionaries(
    {},
    optional={
        "usage": JSON,
        "model": JSON,
        "data": JSON | st.lists(st.fixed_dictionaries({"index": JSON, "embedding": JSON}), max_size=2),
    },
)


@settings(max_examples=60)
@given(st.text(max_size=30) | (JSON | CHOICES | ROWS).map(json.dumps))
def test_whatever_an_endpoint_says_is_a_reply_or_a_model_error(text):
    requests = EmbeddingRequest(("a",), 2), EmbeddingRequest((), 1)
    for read in (
        lambda: read_completion(text, model="m", latency_ms=1.0),
        *(lambda request=request: read_embeddings(text, request, model="m", latency_ms=1.0) for request in requests),
    ):
        try:
            reply = read()
        except ModelError as problem:
            reply = problem.reply
        if reply is not None:
            assert json.loads(json.dumps(reply.payload)) == reply.payload
            assert all(each is None or 0 <= each < 2**31 for each in (reply.input_tokens, reply.output_tokens))
            assert 0 <= reply.cached_tokens <= (reply.input_tokens or 0)


USAGE = {"prompt_tokens": 3, "completion_tokens": 2}


def _events(*events):
    return b"".join(
        b"data: " + (each if isinstance(each, bytes) else json.dumps(each).encode()) + b"\n\n" for each in events
    )


def _piece(text=None, finish=None, **more):
    return {"choices": [{"delta": {} if text is None else {"content": text}, "finish_reason": finish}], **more}


@pytest.mark.parametrize(
    ("events", "text", "tokens"),
    [
        ([_piece("A"), _piece("B"), _piece(finish="stop"), {"choices": [], "usage": USAGE}], "AB", (3, 2)),
        ([_piece("A"), _piece("B", "length")], "AB", (None, None)),
        ([{"choices": None}, _piece("A"), {"choices": [{"delta": None, "finish_reason": "stop"}]}], "A", (None, None)),
        ([{"choices": [{"delta": {"refusal": "No."}}]}, _piece(finish="stop", usage=USAGE)], "No.", (3, 2)),
        ([_piece(finish="stop")], "", (None, None)),
    ],
)
def test_a_stream_is_put_together(odd, events, text, tokens):
    odd.say(_events(*events, b"[DONE]"), headers={"Content-Type": "text/event-stream"})
    reply = _send(odd.base_url, STREAMED)
    assert reply.payload["text"] == text
    assert (reply.input_tokens, reply.output_tokens) == tokens
    asked = json.loads(odd.heard[-1])
    assert (asked["stream"], asked["stream_options"]) == (True, {"include_usage": True})


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (_events(_piece("A"), {"error": {"message": "It broke."}}), "reset"),  # it has worked, so it is not for free
        (b"event: error\n" + _events({"error": {"message": "It broke."}}), "reset"),
        (_events(_piece("A")), "reset"),
        (_events(_piece("A"), b"{broken"), "malformed"),
        (_events(_piece("A"), [1]), "malformed"),
        (_events({"choices": [7]}), "malformed"),
        (_events({"choices": [{"delta": "A"}]}), "malformed"),
        (_events({"choices": [{"delta": {"content": ["A"]}}]}), "malformed"),
        (b"data: \xff\xfe\n\n", "malformed"),
        (b"", "empty"),
        (json.dumps(_completion()).encode(), "empty"),  # `stream` is not heard
    ],
)
def test_a_stream_that_is_none_is_called_so(odd, body, kind):
    odd.say(body, headers={"Content-Type": "text/event-stream"})
    assert _error(odd.base_url, STREAMED).kind == kind


@pytest.mark.parametrize("request_", [PLAIN, STREAMED], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("body", "headers", "cut"),
    [
        (_events(_piece("A")), {}, True),
        (b"not gzip", {"Content-Encoding": "gzip"}, False),
    ],
)
def test_a_body_that_breaks_off_is_a_reset(odd, request_, body, headers, cut):
    odd.say(body, headers=headers, cut=cut)
    assert _error(odd.base_url, request_, timeouts=QUICK).kind == "reset"


def test_a_request_is_sent_as_it_is_meant(odd):
    odd.say(json.dumps(_completion()).encode())
    request = ChatRequest(MESSAGES, 50, SCHEMA, {"temperature": 0, "seed": 7})
    _send(odd.base_url, request, model="m", limit_field="max_tokens")
    assert json.loads(odd.heard[-1]) == {
        "model": "m",
        "messages": list(MESSAGES),
        "max_tokens": 50,
        "temperature": 0,
        "seed": 7,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "verdict", "strict": True, "schema": dict(SCHEMA.schema)},
        },
    }


def test_a_request_that_cannot_be_written_is_not_sent(fault_server):
    half = ChatRequest(({"role": "user", "content": "half a pair \ud83d"},), 50)
    assert _error(fault_server.base_url, half).kind == "rejected"
    assert fault_server.calls().received == 0


def _rows(*vectors, **more):
    return {"data": [{"index": index, "embedding": each} for index, each in enumerate(vectors)], "model": "e-1", **more}


def _packed(*numbers):
    return base64.b64encode(np.array(numbers, "<f4").tobytes()).decode()


def _vectors(content, texts=2, dimensions=2):
    request = EmbeddingRequest(("text",) * texts, dimensions)
    reply = read_embeddings(json.dumps(content), request, model="e", latency_ms=1.0)
    return [np.frombuffer(base64.b64decode(each), "<f4").tolist() for each in reply.payload["vectors"]]


def test_vectors_come_as_base64_and_as_numbers_and_in_the_order_of_the_texts():
    wanted = [[1.0, 2.0], [3.0, 4.0]]
    assert _vectors(_rows(_packed(1, 2), _packed(3, 4))) == wanted
    assert _vectors(_rows([1, 2], [3.0, 4.0])) == wanted
    backwards = _rows([1, 2], [3, 4])
    backwards["data"].reverse()
    assert _vectors(backwards) == wanted


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"data": None},
        {"data": [[1, 2], [3, 4]]},
        _rows([1, 2]),
        _rows([1, 2], [3, 4], [5, 6]),
        _rows([1, 2], [3, 4, 5]),
        _rows([1, 2, 3], [4, 5, 6]),
        _rows([[1, 2]], [[3, 4]]),
        _rows(_packed(1, 2), "no base64"),
        _rows(_packed(1, 2), base64.b64encode(b"\0" * 9).decode()),
        _rows([1, 2], [3, None]),
        _rows([1, 2], [3, float("nan")]),
        _rows([1, 2], [3, 1e300]),
        _rows([1, 2], [3, 10**400]),
        _rows([1, 2], ["a", "b"]),
        _rows(_packed(1, 2), _packed(3, float("inf"))),
        {"data": [{"index": 0, "embedding": [1, 2]}, {"index": 0, "embedding": [3, 4]}]},
        {"data": [{"index": "a", "embedding": [1, 2]}, {"index": 0, "embedding": [3, 4]}]},
    ],
)
def test_vectors_that_are_not_what_was_asked_for_are_refused(content):
    with pytest.raises(ModelError) as caught:
        _vectors(content)
    assert caught.value.kind == "malformed"


@pytest.mark.parametrize("shorten", [True, False])
def test_an_embedding_is_asked_to_be_short_only_when_settings_say_so(odd, shorten):
    odd.say(json.dumps(_rows([1, 2], usage={"prompt_tokens": 1})).encode())
    reply = _send(odd.base_url, EmbeddingRequest(("text",), 2, shorten=shorten))
    asked = json.loads(odd.heard[-1])
    assert asked.get("dimensions") == (2 if shorten else None)
    assert (asked["encoding_format"], reply.model_served) == ("base64", "e-1")
    assert (reply.input_tokens, reply.output_tokens) == (1, 0)


def test_embeddings_of_the_fault_server_have_the_width_that_was_asked_for(fault_server):
    reply = _send(fault_server.base_url, EmbeddingRequest(("One text.", "Another."), 64, shorten=True), model="e")
    assert [len(base64.b64decode(each)) for each in reply.payload["vectors"]] == [256, 256]
    problem = _error(fault_server.base_url, EmbeddingRequest(("One text.",), 64), model="e")
    assert problem.kind == "malformed"
    assert "(1536,)" in problem.detail
