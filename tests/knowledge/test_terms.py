"""Terms: what meets what, whatever people type."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.terms import COMMON, NEGATIONS, STEMMED, held_phrases, phrases, plain, question_terms, stem, terms_of


@pytest.mark.parametrize(
    ("fact", "passage", "languages", "question"),
    [
        ("another case", "REFUNDS are paid", ["eng"], "refunds"),
        ("no case at all", "Straße", ["deu"], "STRASSE"),
        ("without its accents", "naïve résumés", ["eng"], "naive resume"),
        ("with accents that the passage lacks", "a naive approach", ["eng"], "naïve"),
        ("another form, English", "cancelled subscriptions", ["eng"], "cancel subscription"),
        ("another form, German", "Rückerstattungen werden gezahlt", ["deu"], "Rückerstattung"),
        ("an umlaut spelt out", "Rückerstattung", ["deu"], "Rueckerstattung"),
        ("another form, Spanish", "las suscripciones canceladas", ["spa"], "suscripción cancelada"),
        ("another form, French", "les abonnements résiliés", ["fra"], "abonnement résilié"),
        ("after an apostrophe", "l’abonnement", ["fra"], "abonnement"),
        ("camels and snakes", "call getUserName first", ["eng"], "get_user_name"),
        ("snakes and dashes", "the dry_run option", ["eng"], "--dry-run"),
        ("a name with a capital inside", "push to GitHub", ["eng"], "github"),
        ("the other way round", "push to github", ["eng"], "GitHub"),
        ("a part of an identifier", "os.path.join", ["eng"], "join"),
        ("letters before a word", "parse the XMLFile", ["eng"], "xml file"),
        ("a language's sign", "written in C++ and C#", ["eng"], "C++"),
        ("full width characters", "ＡＰＩ", ["eng"], "api"),
        ("a language that is not stemmed", "tietosuoja", ["fin"], "TIETOSUOJA"),
        ("no language at all", "word", [], "Word"),
        ("a script without spaces", "東京都庁", ["jpn"], "東京"),
        ("negation", "it is not included", ["eng"], "not"),
        ("negation, German", "das ist nicht dabei", ["deu"], "nicht"),
        ("one of several languages", "die Verträge sind nicht kündbar", ["eng", "deu"], "Vertrag"),
    ],
)
def test_a_question_meets_its_passage(fact, passage, languages, question):
    assert set(question_terms(question, languages)) & set(terms_of(passage, languages).split()), fact


@pytest.mark.parametrize(
    ("fact", "passage", "question"),
    [
        ("C is not C++", "written in C", "C++"),
        ("another word", "a refund", "a fund"),
        ("what only makes it a question", "what is the price", "what is the zebra"),
    ],
)
def test_a_question_does_not_meet_another_passage(fact, passage, question):
    assert not set(question_terms(question, ["eng"])) & set(terms_of(passage, ["eng"]).split()), fact


@pytest.mark.parametrize(
    ("question", "languages", "terms"),
    [
        ("How do I not cancel the plan?", ["eng"], ["not", "cancel", "plan"]),
        ("what is the", ["eng"], ["what", "is", "the"]),
        ("plan, Plan and PLANS", ["eng"], ["plan"]),
        ("cancellations", ["deu", "eng"], ["cancellation", "cancel"]),
        ("???", ["eng"], []),
        ("", [], []),
    ],
)
def test_the_terms_of_a_question(question, languages, terms):
    assert question_terms(question, languages) == terms


@pytest.mark.parametrize(
    ("question", "wanted"),
    [
        ('what does "Payment declined" mean', ["payment declined"]),
        ("was heißt „Zahlung abgelehnt“?", ["zahlung abgelehnt"]),
        ("que dit « paiement refusé » ?", ["paiement refuse"]),
        ("what does `max_retries` do", ["max retries"]),
        ("what does max_retries do", ["max retries"]),
        ("call getUserName or get_user_name", ["get user name"]),
        ("error E-1042 in os.path.join", ["e 1042", "os path join"]),
        ('one "word" alone is what every search looks for', []),
        ("iOS and CoT in Claude 3.5", []),
        ("what does GitHub do", []),
        ("on example.com", ["example com"]),
        ("a well-known problem, isn't it", []),
        ('an open " quote', []),
        ("", []),
    ],
)
def test_what_a_question_wants_to_the_letter(question, wanted):
    assert list(phrases(question)) == wanted


def test_a_quote_is_worth_more_than_an_identifier():
    assert phrases('what does `max_retries` or "get_user" do to get_user_name') == {
        "max retries": 1.0,
        "get user": 1.0,
        "get user name": 0.1,
    }


def test_of_a_pasted_trace_the_quotes_and_the_first_identifiers_count():
    trace = " ".join(f"module_{number}.run_it" for number in range(300))
    assert list(phrases(f'{trace} "exit code"')) == ["exit code", *(f"module {each} run it" for each in range(7))]


def test_the_words_of_a_question_are_those_of_stemmed_languages_and_deny_nothing():
    assert COMMON.keys() == STEMMED.keys()
    every = {word for words in COMMON.values() for word in words.split()}
    assert not every & NEGATIONS


@given(text=st.text())
def test_any_text_is_found_by_itself(text):
    found = plain(text)
    assert plain(found) == found
    assert set(terms_of(text, ["eng"]).split()) >= set(question_terms(text, ["eng"]))


_LETTERS = st.text(st.sampled_from("aBcß_.-'’#+ \n\u0301éÉﬁ漢字กข1２ſKİ") | st.characters(), max_size=30)


@given(before=_LETTERS, phrase=_LETTERS, after=_LETTERS, joined=st.sampled_from(["", " ", "_", ". "]))
def test_a_text_holds_the_phrases_whose_words_stand_in_it_in_order(before, phrase, after, joined):
    text = joined.join((before, phrase, after))
    written = plain(text).split()
    wanted = plain(phrase)
    pairs = [" ".join(pair) for pair in pairwise(written)]
    assert held_phrases(text, pairs) == pairs
    assert (held_phrases(text, [wanted]) == [wanted]) is (f" {wanted} " in f" {plain(text)} ")


def test_threads_that_stem_beside_each_other_find_the_same_stems():
    ends = [one + other for one in ("ation", "ing", "able", "isch", "ement", "ful") for other in ("", "s", "al", "ly")]
    words = [start + end for start in ("relat", "nation", "conflict", "hope", "zusammen") for end in ends]
    asked = [(word, language) for word in words for language in ("eng", "deu", "fra")]
    alone = [stem(*each) for each in asked]
    stem.cache_clear()
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda each: stem(*each), asked)) == alone
