"""What the files of a batch say, and how a batch is found again."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faults.running import RunningServer
from pipelines.batch_api import BatchDesk, read_told, write_line
from pipelines.calling.request import ChatRequest, ModelError, Reply, Schema, read_chat_request
from pipelines.calling.settings import Provider, Timeouts

ASKED = ChatRequest(({"role": "user", "content": "When? – 5 €"},), 20)
GOOD = {
    "model": "m-1",
    "choices": [{"message": {"content": "Now."}}],
    "usage": {"prompt_tokens": 7, "completion_tokens": 2},
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["custom_id", "response", "error", "body"]), inner),
)


def line(custom_id: str, *, status: int = 200, body: Any = GOOD, error: Any = None) -> bytes:
    response = {"status_code": status, "body": body}
    return json.dumps({"custom_id": custom_id, "response": response, "error": error}).encode()


@pytest.fixture
def desk(fault_server: RunningServer) -> BatchDesk:
    return BatchDesk(Provider("openai", fault_server.base_url, "any"), Timeouts())


def test_lines_are_told_apart_by_their_id_whatever_their_order() -> None:
    told = read_told(b"\n".join([line("3"), b"", line("1"), b'{"custom_id": "2", "resp', line("4")[:-1]]), model="m")
    assert (set(told.outcomes), told.unreadable) == ({"1", "3"}, 2)
    reply = told.outcomes["1"]
    assert isinstance(reply, Reply)
    assert (reply.payload["text"], reply.model_served, reply.input_tokens, reply.output_tokens) == ("Now.", "m-1", 7, 2)


@pytest.mark.parametrize(
    ("row", "kind", "words"),
    [
        (line("1", status=500, body={"error": {"code": None, "message": "Oh."}}), "rejected", "HTTP 500, Oh."),
        (line("1", status=429, body="slow down"), "rejected", "HTTP 429"),
        (line("1", error={"code": "batch_expired", "message": "Late."}, status=0), "rejected", "batch_expired, Late."),
        (line("1", body={"choices": []}), "empty", "no choices"),
        (line("1", body="?"), "malformed", "no JSON object"),
        (b'{"custom_id": "1", "response": null, "error": {"code": "batch_expired"}}', "rejected", "batch_expired"),
    ],
)
def test_a_line_without_a_sound_reply_says_why(row: bytes, kind: str, words: str) -> None:
    problem = read_told(row, model="m").outcomes["1"]
    assert isinstance(problem, ModelError)
    assert problem.kind == kind
    assert words in problem.detail


@settings(max_examples=40)
@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_whatever_stands_in_a_file_can_be_read(content: bytes) -> None:
    told = read_told(content, model="m")
    assert all(isinstance(each, Reply | ModelError) for each in told.outcomes.values())


@pytest.mark.parametrize("schema", [None, Schema("verdict", {"type": "object"})])
def test_a_request_comes_back_out_of_the_ledger_as_it_was(schema: Schema | None) -> None:
    request = ChatRequest(ASKED.messages, 20, schema, {"temperature": 0})
    assert read_chat_request(json.loads(json.dumps(request.content()))) == request


def test_a_batch_is_found_by_its_mark_behind_a_hundred_others(desk: BatchDesk) -> None:
    began = datetime.now(UTC)
    file_id = desk.upload("requests.jsonl", [write_line("1", "small", ASKED, desk.provider)])
    ours = desk.create(file_id, job="ours")
    for number in range(101):
        desk.create(file_id, job=f"other {number}")
    found = desk.find("ours", since=began)
    assert found is not None
    assert found.id == ours.id
    assert desk.find("nobody's", since=began) is None
    desk.close()


def test_what_is_not_there_is_none(desk: BatchDesk) -> None:
    assert (desk.look("batch_0"), desk.read("file-0")) == (None, None)
    desk.delete("file-0")
    with pytest.raises(ModelError, match="rejected: HTTP 404"):
        desk.create("file-0", job="ours")
    desk.close()


def test_a_file_that_is_no_batch_fails_with_its_reason(desk: BatchDesk) -> None:
    begun = desk.create(desk.upload("requests.jsonl", [b"no json"]), job="ours")
    while (batch := desk.look(begun.id)) and batch.status == "validating":
        pass
    assert batch is not None
    assert batch.status == "failed"
    assert "JSON" in batch.problems
    desk.close()
