"""What may be shown of a reply: only what cites given passages, and no personal data."""

from pathlib import Path

import pytest

from knowledge.manifest import Replies
from knowledge.policy import read_policy
from knowledge.record import Hit
from knowledge.trace import Citation, Usage
from pipelines.answering.check import check
from pipelines.answering.request import ModelReply, ModelRequest

PROJECT = Path(__file__).resolve().parents[3]
REPLIES = Replies(refusal="The documents do not tell.", clarification="Do you mean")
CONTEXTS = tuple(Hit(f"d{n}#0", f"d{n}", "sha", f"uri/{n}", "Title", "Text.", 1.0) for n in (1, 2))


@pytest.fixture(scope="module")
def policy():
    return read_policy(PROJECT / "knowledge" / "policies", "support")


def _check(text, policy, *, contexts=CONTEXTS):
    request = ModelRequest("system", "user", "Why?", contexts)
    return check(ModelReply(text, "some-model", Usage()), request, REPLIES, policy)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("It takes five days. [1]", (1,)),
        ("It takes five days [2].", (2,)),
        ("Five days [2], or six [1], or five [2].", (2, 1)),
        ("  It takes five days. [1]\n", (1,)),
    ],
)
def test_an_answer_keeps_its_text_and_the_passages_it_cites(policy, text, numbers):
    checked = _check(text, policy)
    assert checked.text == text.strip()
    assert (checked.outcome, checked.reason) == ("answered", "quoted from the documents")
    assert checked.citations == tuple(Citation(n, f"d{n}#0", f"d{n}", f"uri/{n}") for n in numbers)


@pytest.mark.parametrize(
    ("text", "contexts"),
    [
        ("It takes five days. [3]", CONTEXTS),
        ("It takes five days. [0]", CONTEXTS),
        ("It takes five days [1]. It costs 2 EUR [99].", CONTEXTS),
        ("It takes five days.", CONTEXTS),
        ("It takes five days. [1]", ()),
        ("It takes five days. [one]", CONTEXTS),
        ("", CONTEXTS),
    ],
)
def test_a_reply_that_cites_nothing_or_what_was_not_given_is_refused(policy, text, contexts):
    checked = _check(text, policy, contexts=contexts)
    assert checked.text == "The documents do not tell."
    assert (checked.outcome, checked.citations) == ("refused", ())
    assert checked.reason == "the reply cites no passage that was given"


@pytest.mark.parametrize("text", ["The documents do not tell.", " The documents do not tell.\n"])
def test_a_refusal_is_recognised_by_its_words(policy, text):
    checked = _check(text, policy)
    assert (checked.text, checked.outcome, checked.citations) == ("The documents do not tell.", "refused", ())
    assert checked.reason == "the documents do not tell"


@pytest.mark.parametrize("text", ["Do you mean invoices by post or by e-mail?", "\nDo you mean A [1] or B [2]?"])
def test_a_question_asked_back_is_recognised_by_its_first_words(policy, text):
    checked = _check(text, policy)
    assert (checked.text, checked.outcome, checked.citations) == (text.strip(), "clarified", ())


@pytest.mark.parametrize(
    "secret",
    [
        "4111 1111 1111 1111",
        "4111111111111111",
        "4111-1111-1111-1111",
        "DE89370400440532013000",
        "de89370400440532013000",
        "+44 20 7946 0123",
        "+49 (30) 1234 5678",
        "+442079460123",
    ],
)
@pytest.mark.parametrize("text", ["It is {}. [1]", "The number is {} [1]", "{}; valid until 08/28. [1]", "Note:{} [1]"])
def test_card_numbers_ibans_and_phone_numbers_are_withheld(policy, secret, text):
    checked = _check(text.format(secret), policy)
    assert checked.text == text.format("[withheld]")
    assert (checked.outcome, checked.reason) == ("answered", "personal data withheld")
    assert [citation.number for citation in checked.citations] == [1]


@pytest.mark.parametrize(
    "text",
    [
        "Ticket 48213 was closed on 3 November 2026. [1]",
        "The certificate is TV-27001-0388. [1]",
        "Band P4 pays from 67,500 to 83,000 EUR a year. [1]",
        "Incident INC-2291 took 47 minutes on 2026-09-14. [1]",
        "One import may hold at most 50,000 rows and 25 MB. [1]",
        "Set the header to 100+20 or +5 %. [1]",
        "It was 1.5 + 2.5 hours, from 14:05 to 16:35. [1]",
    ],
)
def test_other_numbers_are_shown_as_they_stand(policy, text):
    assert _check(text, policy).text == text


def test_every_piece_of_personal_data_is_withheld(policy):
    checked = _check("Call +44 20 7946 0123, IBAN DE89370400440532013000, card 4111111111111111. [2]", policy)
    assert checked.text == "Call [withheld], IBAN [withheld], card [withheld]. [2]"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("The documents do not tell. But the card is 4111 1111 1111 1111.", "The documents do not tell."),
        ("Do you mean 4111 1111 1111 1111 or the other?", "Do you mean [withheld] or the other?"),
        ("The IBAN is DE89 3704 0044 0532 0130 00 and more. [1]", "The IBAN is [withheld] and more. [1]"),
        ("The IBAN is GB29 NWBK 6016 1331 9268 19. [1]", "The IBAN is [withheld]. [1]"),
        (
            "Companies in the EU27 with more than four offices. [1]",
            "Companies in the EU27 with more than four offices. [1]",
        ),
    ],
)
def test_personal_data_is_withheld_whole_whatever_the_outcome(policy, text, shown):
    assert _check(text, policy).text == shown
