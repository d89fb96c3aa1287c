"""The quoting model: it quotes to the letter, refuses what nothing covers, asks back when there are two readings."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.manifest import Replies
from knowledge.record import Hit
from pipelines.answering.extractive import QUOTES, answer_by_quoting
from pipelines.answering.request import ModelRequest
from pipelines.answering.sentences import sentences
from pipelines.embedder import WordLlamaEmbedder

EMBEDDER = WordLlamaEmbedder()
REPLIES = Replies(refusal="The documents do not tell.", clarification="Do you mean")

REFUNDS = "How refunds work\n\nA refund reaches your bank account within five days. We send an e-mail when it leaves."
PLANS = "Plans\n\nThe Team plan costs 19 EUR a month. The Studio plan costs 49 EUR a month and has ten seats."
MAIL = "Invoices by e-mail\n\nWe send every invoice as a PDF file on the first day of the month."
POST = "Invoices by post\n\nA printed invoice costs 3 EUR and is sent within a week."


def _request(question, *passages, titles=()):
    titles = titles or [f"Document {number}" for number in range(len(passages))]
    contexts = tuple(
        Hit(f"d{n}#0", f"d{n}", "sha", "uri", title, text, 1.0 / (n + 1))
        for n, (text, title) in enumerate(zip(passages, titles, strict=True))
    )
    return ModelRequest("system", "user", question, contexts)


def _ask(question, *passages, titles=()):
    return answer_by_quoting(_request(question, *passages, titles=titles), REPLIES, EMBEDDER.embed)


def _quotes(text):
    """Every quoted sentence with the number it cites."""
    return [(quote, int(number)) for quote, number in re.findall(r"(.+?) \[(\d+)\](?: |$)", text)]


@pytest.mark.parametrize(
    ("question", "quote"),
    [
        ("When does a refund reach my bank account?", "A refund reaches your bank account within five days. [1]"),
        ("How much does the Studio plan cost?", "The Studio plan costs 49 EUR a month and has ten seats. [2]"),
        ("On which day of the month is an invoice sent as a PDF file?", "We send every invoice as a PDF file"),
    ],
)
def test_the_sentence_that_answers_is_quoted_to_the_letter_with_its_citation(question, quote):
    assert quote in _ask(question, REFUNDS, PLANS, MAIL).text


@pytest.mark.parametrize(
    "question",
    [
        "Which submarine crosses the Baltic Sea?",
        "Who won the chess championship in Reykjavik?",
        "What is it?",
        "???",
        "",
    ],
)
def test_what_no_passage_covers_is_refused(question):
    assert _ask(question, REFUNDS, PLANS, MAIL).text == "The documents do not tell."


@pytest.mark.parametrize("passages", [(), ("",), ("Refund days?",), ("Refund days",)])
def test_passages_without_a_sentence_to_quote_are_a_refusal(passages):
    assert _ask("How many days does a refund take?", *passages).text == "The documents do not tell."


@pytest.mark.parametrize(
    ("question", "passages", "titles", "text"),
    [
        ("Invoices?", (MAIL, POST), (), "Do you mean Invoices by e-mail or Invoices by post?"),
        ("invoice", (POST, MAIL), (), "Do you mean Invoices by post or Invoices by e-mail?"),
        (
            "Password?",
            ("It can be set anew by e-mail.", "It must have twelve letters."),
            ("Lost password", "Rules for passwords"),
            "Do you mean Lost password or Rules for passwords?",
        ),
    ],
)
def test_a_short_question_with_two_readings_is_asked_back(question, passages, titles, text):
    assert _ask(question, *passages, titles=titles).text == text


@pytest.mark.parametrize(
    ("question", "passages"),
    [
        ("Invoices?", (MAIL, REFUNDS)),
        ("How much does a printed invoice by post cost?", (MAIL, POST)),
        ("Invoices?", (MAIL, MAIL)),
    ],
    ids=["one reading", "a whole question", "the same heading twice"],
)
def test_a_question_with_one_reading_is_not_asked_back(question, passages):
    assert not _ask(question, *passages).text.startswith("Do you mean")


def test_a_sentence_that_stands_in_two_passages_is_quoted_once():
    text = _ask("When does a refund reach my bank account?", REFUNDS, REFUNDS).text
    assert text.count("A refund reaches your bank account within five days.") == 1


def test_the_same_request_gives_the_same_reply():
    first = _ask("How much does the Studio plan cost?", PLANS, REFUNDS, MAIL, POST)
    assert [_ask("How much does the Studio plan cost?", PLANS, REFUNDS, MAIL, POST) for _ in range(3)] == [first] * 3


def test_a_reply_names_its_model_counts_its_tokens_and_costs_nothing():
    reply = _ask("When does a refund reach my bank account?", REFUNDS)
    assert reply.model == "local/extractive"
    assert reply.cost_usd == 0.0
    assert reply.usage.input_tokens == len("systemuser") // 4
    assert reply.usage.output_tokens == len(reply.text) // 4


WORDS = "refund invoice month bank card plan price seat team export file customer mail day limit number".split()
SENTENCE = st.lists(st.sampled_from([*WORDS, "the", "is", "of", "30", "1.5", "it"]), min_size=3, max_size=9).map(
    lambda words: " ".join(words).capitalize()
)
PASSAGE = st.lists(
    st.tuples(SENTENCE, st.sampled_from([". ", "! ", "? ", ".\n", "\n", ":\n"])), min_size=1, max_size=5
).map(lambda parts: "".join(text + end for text, end in parts))
QUESTION = st.lists(st.sampled_from([*WORDS, "the", "how", "what"]), min_size=1, max_size=4).map(" ".join)


@settings(max_examples=150)
@given(question=QUESTION, passages=st.lists(PASSAGE, min_size=1, max_size=4))
def test_every_reply_refuses_asks_back_or_quotes_its_passages_to_the_letter(question, passages):
    text = _ask(question, *passages).text
    if text == REPLIES.refusal or text.startswith(REPLIES.clarification):
        return
    quotes = _quotes(text)
    assert 1 <= len(quotes) <= QUOTES
    assert " ".join(f"{quote} [{number}]" for quote, number in quotes) == text
    for quote, number in quotes:
        told = sentences(passages[number - 1])
        assert quote in told or quote.removesuffix(".") in told


@settings(max_examples=50)
@given(passages=st.lists(PASSAGE, max_size=4))
def test_a_question_about_something_else_is_always_refused(passages):
    assert _ask("Which submarine crosses the Baltic Sea?", *passages).text == REPLIES.refusal


def test_a_heading_is_not_quoted_but_a_row_of_a_table_is():
    reply = _ask("How do I claim a credit?", "How to claim a credit\n\nWrite to us to claim a service credit in time.")
    assert _quotes(reply.text) == [("Write to us to claim a service credit in time.", 1)]
    reply = _ask("What is the VAT rate in Spain?", "Country: Spain; VAT rate: 21 %; Currency: EUR")
    assert _quotes(reply.text) == [("Country: Spain; VAT rate: 21 %; Currency: EUR.", 1)]
