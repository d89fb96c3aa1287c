"""The Batch API from the input file to the results, with the real client."""

import json
import time

import pytest
from asked import prompt
from openai import BadRequestError, ConflictError, NotFoundError, RateLimitError

from faults.picking import CHAT

LINES = f"batch:{CHAT}"


def request(custom_id, question="Within how many days is an annual plan refunded?", **changed):
    body = {"model": "gpt-4o-mini", "messages": prompt(f"{question} {custom_id}")}
    return {"custom_id": custom_id, "method": "POST", "url": CHAT, "body": body, **changed}


@pytest.fixture
def submit(client):
    """A batch of these requests, just made."""

    def submit(requests, **options):
        content = "\n".join(each if isinstance(each, str) else json.dumps(each) for each in requests).encode()
        file = client.files.create(file=("requests.jsonl", content), purpose="batch")
        asked = {"endpoint": CHAT, "completion_window": "24h", **options}
        return client.batches.create(input_file_id=file.id, **asked)

    return submit


def wait(client, batch, *states):
    """The batch when it is in one of these states, and the states seen on the way."""
    seen = [batch.status]
    until = time.monotonic() + 5
    while batch.status not in states and time.monotonic() < until:
        time.sleep(0.01)
        batch = client.batches.retrieve(batch.id)
        seen += [batch.status] * (batch.status != seen[-1])
    assert batch.status in states
    return batch, seen


def results(client, file):
    return [json.loads(line) for line in client.files.content(file).text.splitlines()]


def test_a_batch_goes_through_its_states_and_gives_every_reply(fault_server, client, submit, say):
    fault_server.set(batch_seconds=0.5)
    made = submit([request(f"case-{number}") for number in range(5)], metadata={"night": "2026-11-21"})
    batch, seen = wait(client, made, "completed")
    assert seen == ["validating", "in_progress", "finalizing", "completed"]
    assert (batch.request_counts.total, batch.request_counts.completed, batch.request_counts.failed) == (5, 5, 0)
    assert batch.metadata == {"night": "2026-11-21"}
    assert batch.error_file_id is None
    rows = results(client, batch.output_file_id)
    assert [row["custom_id"] for row in rows] == [f"case-{number}" for number in range(5)]
    content = rows[2]["response"]["body"]["choices"][0]["message"]["content"]
    assert content == say("Within how many days is an annual plan refunded? case-2")
    assert [each.id for each in client.batches.list()] == [batch.id]


def test_lines_of_a_batch_are_counted_apart_and_cost_half(fault_server, client, submit, ask):
    fault_server.set(batch_seconds=0)
    wait(client, submit([request("a"), request("b")]), "completed")
    lines = fault_server.calls(LINES)
    assert (lines.received, lines.answered, lines.distinct, lines.in_flight) == (2, 2, 2, 0)
    ask("Within how many days is an annual plan refunded? a")
    direct = fault_server.calls()
    assert (direct.received, direct.repeated) == (1, 1)  # bought in the batch before
    assert lines.cost_usd == pytest.approx(direct.cost_usd)


def test_a_cancelled_batch_keeps_what_is_answered(fault_server, client, submit):
    fault_server.set(batch_seconds=1)
    made = submit([request(f"case-{number}") for number in range(50)])
    wait(client, made, "in_progress")
    time.sleep(0.2)
    assert client.batches.cancel(made.id).status == "cancelling"
    batch, _ = wait(client, made, "cancelled")
    rows = results(client, batch.output_file_id)
    assert 0 < len(rows) < 50
    assert batch.request_counts.completed == len(rows) == fault_server.calls(LINES).answered
    with pytest.raises(ConflictError):
        client.batches.cancel(made.id)


def test_an_expired_batch_keeps_a_half_and_names_the_rest(fault_server, client, submit):
    fault_server.set(batch_seconds=0, batch_ends="expired")
    batch, _ = wait(client, submit([request(name) for name in "abcd"]), "expired")
    assert [row["custom_id"] for row in results(client, batch.output_file_id)] == ["a", "b"]
    left = {row["custom_id"]: row["error"]["code"] for row in results(client, batch.error_file_id)}
    assert left == {"c": "batch_expired", "d": "batch_expired"}
    assert (batch.request_counts.completed, batch.request_counts.failed) == (2, 2)


def test_a_batch_fails_where_the_settings_say_so(fault_server, client, submit):
    fault_server.set(batch_seconds=0, batch_ends="failed")
    batch, _ = wait(client, submit([request("a")]), "failed")
    assert batch.output_file_id is None
    assert fault_server.calls(LINES).received == 0


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([], "empty_file"),
        (["{"], "invalid_json_line"),
        (["[]"], "invalid_json_line"),
        (['{"custom_id": "a"}'], "invalid_method"),
        (["{}"], "missing_required_parameter"),
        ([request("a"), request("a")], "duplicate_custom_id"),
        ([request("a", method="GET")], "invalid_method"),
        ([request("a", url="/v1/embeddings")], "mismatched_endpoint"),
        ([request("a", body=None)], "missing_required_parameter"),
    ],
)
def test_a_file_with_a_wrong_line_fails_as_a_whole(fault_server, client, submit, lines, code):
    fault_server.set(batch_seconds=0)
    batch, _ = wait(client, submit([request("good"), *lines] if lines else []), "failed")
    assert [each.code for each in batch.errors.data] == [code]


def test_a_line_that_cannot_be_answered_stands_in_the_error_file(fault_server, client, submit):
    fault_server.set(batch_seconds=0, faults=[{"kind": "server_error", "first": 1, "path": "batch:"}])
    unanswerable = request("b", body={"model": "any", "messages": []})
    batch, _ = wait(client, submit([request("a"), unanswerable, request("c")]), "completed")
    errors = {row["custom_id"]: row["response"]["status_code"] for row in results(client, batch.error_file_id)}
    assert errors == {"a": 500, "b": 400}
    assert [row["custom_id"] for row in results(client, batch.output_file_id)] == ["c"]
    assert fault_server.calls(LINES).by_fault == {"server_error": 1}


def test_a_refused_submission_makes_no_batch(fault_server, client, submit):
    fault_server.set(faults=[{"kind": "rate_limit", "path": "/v1/batches"}])
    with pytest.raises(RateLimitError):
        submit([request("a")])
    fault_server.set()
    assert list(client.batches.list()) == []


def test_a_batch_of_embeddings(fault_server, client, submit):
    fault_server.set(batch_seconds=0)
    line = request("a", url="/v1/embeddings", body={"model": "any", "input": "hello", "dimensions": 8})
    batch, _ = wait(client, submit([line], endpoint="/v1/embeddings"), "completed")
    (row,) = results(client, batch.output_file_id)
    assert len(row["response"]["body"]["data"][0]["embedding"]) == 8


def test_many_batches_are_listed_page_by_page_newest_first(fault_server, client, submit):
    made = [submit([request("a")]).id for _ in range(5)]
    assert [each.id for each in client.batches.list(limit=2)] == made[::-1]


def test_files_are_kept_listed_and_deleted(fault_server, client):
    file = client.files.create(file=("a.jsonl", b"{}\n"), purpose="batch")
    assert client.files.retrieve(file.id).bytes == 3
    assert client.files.content(file.id).content == b"{}\n"
    assert [each.id for each in client.files.list(purpose="batch")] == [file.id]
    assert client.files.delete(file.id).deleted
    with pytest.raises(NotFoundError):
        client.files.retrieve(file.id)


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        ({"endpoint": "/v1/completions"}, BadRequestError, "endpoint"),
        ({"completion_window": "1h"}, BadRequestError, "completion_window"),
        ({"input_file_id": "file-none"}, NotFoundError, "file-none"),
    ],
)
def test_a_batch_that_cannot_be_made_is_refused(client, asked, error, words):
    file = client.files.create(file=("a.jsonl", b"{}\n"), purpose="batch")
    with pytest.raises(error, match=words):
        client.batches.create(**{"input_file_id": file.id, "endpoint": CHAT, "completion_window": "24h"} | asked)
    with pytest.raises(NotFoundError):
        client.batches.retrieve("batch_none")


def test_a_file_for_another_purpose_makes_no_batch(client):
    file = client.files.create(file=("a.jsonl", b"{}\n"), purpose="evals")
    with pytest.raises(BadRequestError, match="purpose 'evals'"):
        client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")
