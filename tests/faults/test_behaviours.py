"""Every behaviour: what a provider may change without telling anybody."""

import pytest

QUESTION = "Within how many days is an annual plan refunded?"
PLAIN = "An annual plan can be refunded within 30 days. [1]"
QUESTIONS = [f"Within how many days is an annual plan number {number} refunded?" for number in range(40)]


@pytest.mark.parametrize(
    ("behaviours", "answer"),
    [
        ({}, PLAIN),
        ({"terser": True}, PLAIN),
        ({"wrong_on": "annual"}, "An annual plan can be refunded within 61 days. [1]"),
        ({"wrong_on": "monthly"}, PLAIN),
        ({"refuses_more": 1}, "The documents do not tell."),
        (
            {"terser": True, "wrong_on": "ANNUAL", "another_model": True},
            "Sure! An annual plan can be refunded within 61 days. [1]",
        ),
    ],
    ids=str,
)
def test_behaviours_change_the_answer_and_work_together(fault_server, say, behaviours, answer):
    fault_server.set(behaviours=behaviours)
    assert say(QUESTION) == answer


def test_a_terser_model_quotes_one_sentence_and_a_wordier_one_adds_words(fault_server, say):
    question = "Is an annual plan refunded? Are monthly plans refunded?"
    plain = say(question)
    fault_server.set(behaviours={"terser": True})
    terse = say(question)
    fault_server.set(behaviours={"wordier": True})
    wordy = say(question)
    assert (terse.count("[1]"), plain.count("[1]")) == (1, 2)
    assert plain in wordy
    assert len(wordy) > len(plain) + 80


@pytest.mark.parametrize(
    ("question", "wrong"),
    [
        ("How do I send an invoice?", "A deferred invoice is tried again every 15 minutes. [2]"),
        ("How do I send an e-mail?", "It is not true that Send an invoice by e-mail from its page. [2]"),
    ],
)
def test_a_wrong_answer_without_numbers_is_another_sentence_or_the_opposite(fault_server, say, question, wrong):
    fault_server.set(behaviours={"terser": True})
    assert say(question) == "Send an invoice by e-mail from its page. [2]"
    fault_server.change(behaviours={"terser": True, "wrong_on": "send an"})
    assert say(question) == wrong


def test_a_share_of_the_questions_is_refused_always_the_same_ones(fault_server, say):
    fault_server.set(behaviours={"refuses_more": 0.3})
    refused = [question for question in QUESTIONS if say(question) == "The documents do not tell."]
    assert 4 <= len(refused) <= 20
    fault_server.set(behaviours={"refuses_more": 0.6})
    assert all(say(question) == "The documents do not tell." for question in refused)


def test_broken_citations_are_left_out_or_name_no_passage(fault_server, say):
    fault_server.set(behaviours={"breaks_citations": 1})
    assert {say(question).removeprefix(PLAIN[:-4]) for question in QUESTIONS} == {"", " [91]"}


def test_another_model_under_the_same_name_has_another_style_and_some_other_answers(fault_server, ask):
    fault_server.set(behaviours={"another_model": True})
    replies = [ask(question) for question in QUESTIONS]
    assert {(reply.model, reply.system_fingerprint) for reply in replies} == {("gpt-4o-mini", "fp_plumbline")}
    texts = [reply.choices[0].message.content for reply in replies]
    assert all(text.startswith("Sure! ") for text in texts)


def test_the_served_model_and_its_fingerprint_are_as_set(fault_server, ask):
    fault_server.set(behaviours={"served_model": "gpt-4o-mini-2026-11-01", "system_fingerprint": "fp_other"})
    reply = ask()
    assert (reply.model, reply.system_fingerprint) == ("gpt-4o-mini-2026-11-01", "fp_other")
    assert next(iter(ask(stream=True))).system_fingerprint == "fp_other"


def test_calls_are_charged_at_the_price_that_is_set(fault_server, ask):
    fault_server.set(behaviours={"usd_per_million": {"input": 3, "output": 15}})
    usage = ask().usage
    tally = fault_server.calls()
    assert tally.cost_usd == pytest.approx((3 * usage.prompt_tokens + 15 * usage.completion_tokens) / 1e6)
