"""What the server answers when nothing is wrong with it."""

import json
import math
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from asked import VERDICT_FORM
from hypothesis import given, settings
from hypothesis import strategies as st
from openai import BadRequestError, NotFoundError

from faults.chat import complete, read_chat, write_chat
from faults.embedding import vector
from faults.settings import Behaviours
from faults.words import count_tokens, cut_to_tokens

REFUNDED = "An annual plan can be refunded within 30 days. [1]"


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Within how many days is an annual plan refunded?", REFUNDED),
        ("How often is a deferred invoice tried again?", "A deferred invoice is tried again every 15 minutes. [2]"),
        ("Who founded the company?", "The documents do not tell."),
        ("Pricing?", "Do you mean Pricing or Pricing of seats?"),
    ],
)
def test_a_question_is_answered_from_its_passages_or_refused_or_asked_back_in_the_given_words(say, question, answer):
    assert say(question) == answer


def test_a_question_without_passages_is_refused(client):
    messages = [{"role": "system", "content": "reply exactly: No idea."}, {"role": "user", "content": "Question: Why?"}]
    reply = client.chat.completions.create(model="any", messages=messages)
    assert reply.choices[0].message.content == "No idea."


def test_another_prompt_is_echoed(client):
    parts = [{"type": "text", "text": "Say"}, {"type": "text", "text": "hello"}]
    reply = client.chat.completions.create(model="any", messages=[{"role": "user", "content": parts}])
    assert reply.choices[0].message.content == "You wrote: Say hello"


def test_a_reply_names_the_model_asked_and_its_usage(ask):
    reply = ask(model="some/model")
    assert (reply.model, reply.system_fingerprint) == ("some/model", "fp_plumbline")
    assert reply.usage.completion_tokens == count_tokens(REFUNDED)
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
def test_a_reply_keeps_to_its_limit_of_tokens(ask, limit):
    reply = ask(**{limit: 3})
    assert reply.choices[0].message.content == REFUNDED[:12]
    assert reply.choices[0].finish_reason == "length"
    assert reply.usage.completion_tokens == 3


@pytest.mark.parametrize("include_usage", [True, False])
def test_a_stream_holds_the_same_reply_in_pieces(ask, include_usage):
    chunks = list(ask(stream=True, stream_options={"include_usage": include_usage}))
    pieces = [choice.delta.content for chunk in chunks for choice in chunk.choices if choice.delta.content]
    assert len(pieces) > 1
    assert "".join(pieces) == REFUNDED
    usages = [chunk.usage for chunk in chunks if chunk.usage]
    assert [usage.completion_tokens for usage in usages] == [13] * include_usage
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"


@pytest.mark.parametrize(
    ("reference", "answer", "correct"),
    [
        ("It is refunded within 30 days.", "The plan is refunded within 30 days of buying it. [1]", True),
        ("It is refunded within 30 days.", "The plan is refunded within 61 days of buying it. [1]", False),
        ("The fee is 1,200 EUR.", "There is a fee:\n1200 EUR. [2]", True),
        ("The documents do not tell. They name 3 plans only.", "The documents do not tell.", True),
        ("Send the invoice from its page.", "The documents do not tell.", False),
    ],
)
def test_a_judge_is_told_whether_the_answer_holds_the_reference(client, reference, answer, correct):
    user = f"Question:\nAnnual plan?\n\nReference answer:\n{reference}\n\nAnswer:\n{answer}"
    messages = [{"role": "user", "content": user}]
    reply = client.chat.completions.create(model="any", messages=messages, response_format=VERDICT_FORM)
    verdict = json.loads(reply.choices[0].message.content)
    assert verdict["correct"] is correct
    assert verdict["reason"].startswith("The answer ")
    assert verdict["grade"] == "first"
    assert verdict["points"] == [{"at": 3}]


def test_a_schema_that_refers_to_itself_without_end_is_refused(client):
    schema = {"type": "object", "properties": {"next": {"$ref": "#"}}, "required": ["next"]}
    form = {"type": "json_schema", "json_schema": {"name": "endless", "schema": schema}}
    with pytest.raises(BadRequestError, match="cannot be followed"):
        client.chat.completions.create(model="any", messages=[{"role": "user", "content": "x"}], response_format=form)


texts = st.text(max_size=300)


@settings(max_examples=50)
@given(system=texts, user=texts, stream=st.booleans())
def test_the_same_request_gives_the_same_reply(system, user, stream):
    messages = [{"role": "system", "content": system}, {"role": "user", "content": f"[1] {user}\n\nQuestion: {user}"}]
    request = read_chat({"model": "any", "messages": messages, "stream": stream}, "digest")
    once, again = complete(request, Behaviours()), complete(request, Behaviours())
    assert once == again
    assert write_chat(request, once, Behaviours()).usage == write_chat(request, again, Behaviours()).usage


def test_the_same_request_gives_the_same_reply_in_every_process():
    code = (
        "import asked; from faults.assistant import answer; from faults.settings import Behaviours\n"
        "for asking in ('annual plan refunded invoice?', 'invoice e-mail tried minutes plan?', 'Pricing?'):\n"
        "    print(answer(asked.SYSTEM, asked.prompt(asking)[1]['content'], Behaviours(another_model=True)))"
    )
    path = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[2])])
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1
    assert "[1]" in said.pop()


@settings(max_examples=100)
@given(text=texts, tokens=st.integers(1, 80))
def test_tokens_are_never_more_than_bytes_and_a_cut_text_has_no_more_than_it_may(text, tokens):
    assert count_tokens(text) <= len(text.encode())
    assert count_tokens(cut_to_tokens(text, tokens)) <= tokens


@settings(max_examples=100)
@given(text=st.text(min_size=1, max_size=200), dimensions=st.integers(1, 300))
def test_a_vector_has_the_length_of_one(text, dimensions):
    made = vector(text, dimensions)
    assert len(made) == dimensions
    assert math.isclose(sum(each * each for each in made), 1, rel_tol=1e-4)


@pytest.mark.parametrize("encoding", ["float", None])
def test_texts_with_the_same_words_have_near_vectors(client, encoding):
    near = ["cancel an invoice", "Cancelling the invoices", "weather in Lisbon"]
    options = {} if encoding is None else {"encoding_format": encoding}
    reply = client.embeddings.create(model="text-embedding-3-small", input=near, dimensions=256, **options)
    one, two, three = (each.embedding for each in reply.data)
    assert len(one) == 256
    assert sum(a * b for a, b in zip(one, two, strict=True)) > 0.9
    assert sum(a * b for a, b in zip(one, three, strict=True)) < 0.5
    assert reply.usage.prompt_tokens == sum(map(count_tokens, near))


def test_a_vector_has_1536_dimensions_where_none_are_asked_for(client):
    assert len(client.embeddings.create(model="any", input="hello").data[0].embedding) == 1536


def test_models_are_listed(client):
    assert "gpt-4o-mini" in [each.id for each in client.models.list()]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda c: c.chat.completions.create(model="any", messages=[]), BadRequestError, "at least one"),
        (
            lambda c: c.chat.completions.create(model="", messages=[{"role": "user"}]),
            BadRequestError,
            "model parameter",
        ),
        (
            lambda c: c.chat.completions.create(model="any", messages=[{"role": "user"}], n=2),
            BadRequestError,
            "one choice",
        ),
        (lambda c: c.embeddings.create(model="any", input=[]), BadRequestError, "list of texts"),
        (lambda c: c.embeddings.create(model="any", input="x", dimensions=0), BadRequestError, "from 1 to 3072"),
        (lambda c: c.images.generate(prompt="x"), NotFoundError, "POST /v1/images/generations"),
    ],
    ids=["messages", "model", "n", "input", "dimensions", "path"],
)
def test_a_request_that_cannot_be_answered_is_told_what_is_wrong(client, call, error, words):
    with pytest.raises(error, match=words):
        call(client)


def test_a_call_without_a_key_is_refused(fault_server):
    request = urllib.request.Request(f"{fault_server.base_url}/models")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=5)
    with refused.value as reply:
        assert reply.code == 401
        assert json.load(reply)["error"]["code"] == "invalid_api_key"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"model": "\\ud800"}', b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_refused(fault_server, body):
    headers = {"Authorization": "Bearer any"}
    request = urllib.request.Request(f"{fault_server.base_url}/chat/completions", data=body, headers=headers)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=5)
    with refused.value as reply:
        assert reply.code == 400
        assert json.load(reply)["error"]["type"] == "invalid_request_error"
