"""Graders: what is a good answer, told by pure functions of a case and an answer."""

import pytest

from evals.case import Case
from evals.graders import GRADER_VERSIONS, grade, passed
from evals.graders.citation import grade_citation
from evals.graders.exact import grade_facts, grade_forbidden, holds
from evals.graders.grounded import grade_grounded
from evals.graders.outcome import grade_outcome
from evals.graders.score import Score
from knowledge.record import Hit
from knowledge.trace import Answer, Citation, Usage


def _case(**values):
    row = {
        "id": "a-case",
        "kind": "answerable",
        "question": "How long does a refund take?",
        "groups": (),
        "outcome": "answered",
        "facts": (),
        "forbidden": (),
        "gold": (),
        "answer": "Five days.",
        "tags": (),
    }
    return Case(**row | values)


def _answer(text, *, outcome="answered", cited=(), passages=()):
    return Answer(
        question="How long does a refund take?",
        text=text,
        outcome=outcome,
        reason="a reason",
        citations=tuple(Citation(n, f"{name}#0", name, name) for n, name in enumerate(cited, start=1)),
        contexts=tuple(Hit(f"d#{n}", "d", "sha", "uri", "Title", each, 1.0) for n, each in enumerate(passages)),
        model="local/extractive",
        usage=Usage(),
        cost_usd=0.0,
        latency_ms=1.0,
        trace_id="t",
        prompt_digest="p",
    )


@pytest.mark.parametrize(
    ("text", "phrase", "there"),
    [
        ("A refund takes 30 days.", "30 days", True),
        ("A refund takes 130 days.", "30 days", False),
        ("A refund takes 30 daystrips.", "30 days", False),
        ("30 days", "30 days", True),
        ("within (30 days)", "30 days", True),
        ("30 Days", "30 days", True),
        ("30\u00a0days", "30 days", True),
        ("30\u202fdays", "30 days", True),
        ("30 \n\t days", "30 days", True),
        ("30\u201360 days", "30-60 days", True),
        ("30\u201460 days", "30-60 days", True),
        ("30\u221260 days", "30\u201060 days", True),
        ("e\u2011mail", "e-mail", True),
        ("the \u201cTeam\u201d plan", 'the "Team" plan', True),
        ("the \u2018Team\u2019 plan", "the 'Team' plan", True),
        ("the customer\u2019s card", "the customer's card", True),
        ("a refund [2] takes 30 [1] days [3].", "a refund takes 30 days", True),
        ("30 days [1].", "30 days.", True),
        ("STRASSE", "straße", True),
        ("\uff13\uff10 days", "30 days", True),
        ("the ﬁle", "the file", True),
        ("caf\u0065\u0301", "café", True),
        ("auth.challenge", "auth.challenge", True),
        ("authxchallenge", "auth.challenge", False),
        ("call +44 20 7946 0123 now", "+44 20 7946 0123", True),
        ("5 to 8 % more", "5 to 8 %", True),
        ("It is UTF-8.", "UTF-8", True),
        ("It is UTF-80.", "UTF-8", False),
        ("", "30 days", False),
    ],
)
def test_a_phrase_stands_in_a_text_as_whole_words_however_it_is_typeset(text, phrase, there):
    assert holds(text, phrase) is there


@pytest.mark.parametrize(
    ("facts", "text", "value", "reason"),
    [
        (("five days",), "It takes five days [1].", 1.0, "all facts are there"),
        (("five days", "bank account"), "It takes five days [1].", 0.5, "missing: bank account"),
        (("five days", "bank account"), "It is quick [1].", 0.0, "missing: five days, bank account"),
        ((("67,500", "67500"),), "It pays 67500 EUR [1].", 1.0, "all facts are there"),
        ((("67,500", "67500"),), "It pays 67,500 EUR [1].", 1.0, "all facts are there"),
        ((("67,500", "67500"), "83,000"), "It pays 83,000 EUR [1].", 0.5, "missing: 67,500"),
        (("30 days",), "It takes 130 days [1].", 0.0, "missing: 30 days"),
    ],
)
def test_all_facts_are_needed_in_any_of_their_spellings(facts, text, value, reason):
    score = grade_facts(_case(facts=facts), _answer(text))
    assert score == Score("facts", value, value == 1.0, reason)


@pytest.mark.parametrize(
    ("facts", "outcome", "graded"),
    [
        ((), "answered", False),
        (("five days",), "answered", True),
        (("five days",), "clarified", True),
        (("five days",), "refused", False),
        (("five days",), "escalated", False),
    ],
)
def test_facts_are_looked_for_in_answers_and_in_questions_asked_back(facts, outcome, graded):
    score = grade_facts(_case(facts=facts), _answer("five days", outcome=outcome))
    assert (score is not None) is graded


@pytest.mark.parametrize("outcome", ["answered", "clarified", "refused", "escalated"])
@pytest.mark.parametrize(
    ("text", "value", "reason"),
    [
        ("It takes five days.", 1.0, "none is there"),
        ("Send your password to x@example.org.", 0.0, "says: send your password"),
        ("Send  YOUR\u00a0password within ten days.", 0.0, "says: ten days, send your password"),
        ("It takes fifteen days.", 1.0, "none is there"),
    ],
)
def test_nothing_forbidden_may_be_said_whatever_the_outcome(outcome, text, value, reason):
    case = _case(forbidden=("ten days", "send your password"))
    score = grade_forbidden(case, _answer(text, outcome=outcome))
    assert score == Score("forbidden", value, value == 1.0, reason)


def test_without_forbidden_words_there_is_nothing_to_grade():
    assert grade_forbidden(_case(), _answer("ten days")) is None


@pytest.mark.parametrize(
    ("expected", "given", "right", "reason"),
    [
        ("answered", "answered", True, "answered"),
        ("refused", "refused", True, "refused"),
        ("clarified", "clarified", True, "clarified"),
        ("escalated", "escalated", True, "escalated"),
        ("answered", "refused", False, "refused (a reason), expected answered"),
        ("refused", "answered", False, "answered (a reason), expected refused"),
        ("refused", "escalated", False, "escalated (a reason), expected refused"),
        ("escalated", "refused", False, "refused (a reason), expected escalated"),
        ("clarified", "answered", False, "answered (a reason), expected clarified"),
    ],
)
def test_the_outcome_is_the_expected_one_or_wrong(expected, given, right, reason):
    score = grade_outcome(_case(outcome=expected), _answer("text", outcome=given))
    assert score == Score("outcome", float(right), right, reason)


@pytest.mark.parametrize(
    ("kind", "gold", "cited", "value", "good"),
    [
        ("answerable", ("a",), ("a",), 1.0, True),
        ("answerable", ("a",), ("b", "a"), 1.0, True),
        ("answerable", ("a",), ("b",), 0.0, False),
        ("answerable", ("a",), (), 0.0, False),
        ("answerable", ("a", "b"), ("b",), 0.5, True),
        ("answerable", ("a", "b"), ("c",), 0.0, False),
        ("messy", ("a", "b"), ("a",), 0.5, True),
        ("conflicting", ("a", "b"), ("a",), 0.5, False),
        ("conflicting", ("a", "b"), ("b", "c", "a"), 1.0, True),
        ("conflicting", ("a", "b"), (), 0.0, False),
    ],
)
def test_one_gold_document_is_enough_but_a_conflict_needs_all(kind, gold, cited, value, good):
    score = grade_citation(_case(kind=kind, gold=gold), _answer("text", cited=cited))
    assert (score.value, score.passed) == (value, good)


def test_gold_documents_that_are_not_cited_are_named():
    score = grade_citation(_case(gold=("a", "b", "c")), _answer("text", cited=("b",)))
    assert score.reason == "not cited: a, c"
    assert grade_citation(_case(gold=("b",)), _answer("text", cited=("b",))).reason == "cites its gold"


@pytest.mark.parametrize(
    ("case", "answer"),
    [
        (_case(gold=("a",)), _answer("no", outcome="refused")),
        (_case(gold=("a", "b"), outcome="clarified"), _answer("Do you mean", outcome="clarified")),
        (_case(gold=("a", "b"), outcome="clarified"), _answer("text", cited=("a",))),
        (_case(gold=()), _answer("text", cited=("a",))),
    ],
    ids=["refused", "asked back", "answered instead of asked back", "no gold"],
)
def test_citations_are_graded_only_where_an_answer_with_gold_is_expected_and_given(case, answer):
    assert grade_citation(case, answer) is None


PASSAGE = "A refund takes 5 days. It goes to the bank account of the payer, whatever the plan was. It costs 1.50 EUR."


@pytest.mark.parametrize(
    ("text", "value", "good"),
    [
        ("A refund takes 5 days [1].", 1.0, True),
        ("A refund takes 5 days. [1]", 1.0, True),
        ("A REFUND takes 5 days [1]. It costs 1.50 EUR [1].", 1.0, True),
        ("A refund takes 5 days. [1] It goes to the bank account of the payer. [1]", 1.0, True),
        ("A refund takes 6 days [1].", 0.0, False),
        ("A refund takes 15 days [1].", 0.0, False),
        ("It costs 1.60 EUR [1].", 0.0, False),
        ("It costs 150 EUR [1].", 0.0, False),
        ("A refund takes 5 days [1]. It costs 2 EUR [1].", 0.5, False),
        ("A refund takes 5 days [1]. Please ask your grandmother about wonderful holidays [1].", 0.5, False),
        ("It goes to the bank account of the payer soon [1].", 1.0, True),
    ],
)
def test_an_answer_is_grounded_when_each_sentence_stands_in_a_passage(text, value, good):
    score = grade_grounded(_case(), _answer(text, passages=[PASSAGE, "Something else entirely."]))
    assert (score.value, score.passed) == (value, good)


def test_words_gathered_from_several_passages_are_not_grounded():
    passages = ["Refunds take five days.", "Invoices arrive on paper every month."]
    score = grade_grounded(_case(), _answer("Refunds arrive on paper in five days [1].", passages=passages))
    assert score.passed is False


def test_the_sentence_that_is_not_grounded_is_named():
    score = grade_grounded(_case(), _answer("A refund takes 5 days [1]. It costs 2 EUR [1].", passages=[PASSAGE]))
    assert score.reason == "not in the passages: It costs 2 EUR [1]."


def test_an_answer_without_contexts_could_not_be_graded():
    score = grade_grounded(_case(), _answer("A refund takes 5 days [1]."))
    assert score == Score("grounded", 0.0, None, "could not grade: the answer came without contexts")


@pytest.mark.parametrize("outcome", ["clarified", "refused", "escalated"])
def test_only_answers_need_a_ground(outcome):
    assert grade_grounded(_case(), _answer("It takes 7 days.", outcome=outcome)) is None


@pytest.mark.parametrize(
    ("verdicts", "whole"),
    [
        ((True,), True),
        ((True, True), True),
        ((True, False), False),
        ((True, None), None),
        ((None,), None),
        ((None, False), False),
        ((False, None, True), False),
        ((), True),
    ],
)
def test_a_case_passes_when_every_grader_passes_it(verdicts, whole):
    assert passed([Score(f"g{n}", 0.0, each, "") for n, each in enumerate(verdicts)]) is whole


@pytest.mark.parametrize(
    ("answer", "graders", "whole"),
    [
        (
            _answer("A refund takes 5 days [1].", cited=("help/refunds.md",), passages=[PASSAGE]),
            {"outcome": True, "facts": True, "forbidden": True, "citation": True, "grounded": True},
            True,
        ),
        (
            _answer("A refund takes 5 days [1].", cited=("help/plans.md",), passages=[PASSAGE]),
            {"outcome": True, "facts": True, "forbidden": True, "citation": False, "grounded": True},
            False,
        ),
        (
            _answer("A refund takes 5 days [1].", cited=("help/refunds.md",)),
            {"outcome": True, "facts": True, "forbidden": True, "citation": True, "grounded": None},
            None,
        ),
        (
            _answer("The documents do not tell.", outcome="refused"),
            {"outcome": False, "forbidden": True},
            False,
        ),
    ],
    ids=["good", "wrong citation", "no contexts", "refused"],
)
def test_every_grader_that_has_something_to_say_is_asked(answer, graders, whole):
    scores = grade(_case(facts=("5 days",), forbidden=("10 days",), gold=("help/refunds.md",)), answer)
    assert {score.grader: score.passed for score in scores} == graders
    assert passed(scores) is whole
    assert {score.grader for score in scores} <= set(GRADER_VERSIONS)


def test_a_score_is_plain_values():
    row = Score("facts", 0.5, None, "why").as_row()
    assert row == {"grader": "facts", "value": 0.5, "passed": None, "reason": "why"}


@pytest.mark.parametrize(
    ("text", "phrase", "there"),
    [
        ("It costs 6,500 EUR.", "500 EUR", False),
        ("It costs 2.5 EUR.", "5 EUR", False),
        ("It costs 19.50 EUR.", "19", False),
        ("It costs 19.", "19", True),
        ("It costs 19, not 20.", "19", True),
    ],
)
def test_a_part_of_a_number_is_not_the_number(text, phrase, there):
    assert holds(text, phrase) is there


def test_withheld_words_need_no_ground():
    answer = _answer("Phone: [withheld]. [1]", passages=["Phone: +44 20 7946 0123."])
    assert grade_grounded(_case(), answer).passed is True
