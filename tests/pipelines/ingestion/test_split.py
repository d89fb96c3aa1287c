"""split: passages of bounded length that lose no word and know their headings."""

import random
import statistics
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from knowledge.record import Element, Passage
from pipelines.ingestion.split import SplitSettings, count_tokens, find_title, split


def _sentence(word, length=40):
    return " ".join([word] * length) + "."


_GUIDE = [
    Element("title", "Guide"),
    Element("text", _sentence("intro"), page=1),
    Element("title", "Refunds", depth=1, page=2),
    Element("text", _sentence("refund"), page=2),
    Element("title", "By card", depth=2, page=3),
    Element("text", _sentence("card"), page=3),
    Element("title", "Parcels", depth=1, page=4),
    Element("text", _sentence("parcel"), page=4),
]


def _words(texts):
    return sorted(word for text in texts for word in text.split())


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 1), ("abc", 1), ("abcd", 1), ("abcdefgh", 2), ("x" * 799, 199), ("x" * 800, 200)]
)
def test_tokens_are_a_quarter_of_the_characters(text, tokens):
    assert count_tokens(text) == tokens


@pytest.mark.parametrize(
    ("elements", "title"),
    [([], ""), ([Element("text", "words")], ""), (_GUIDE, "Guide"), ([Element("text", "a"), *_GUIDE[2:]], "Refunds")],
)
def test_a_documents_title_is_its_first_title(elements, title):
    assert find_title(elements) == title


def test_a_passage_knows_the_path_of_headings_it_stands_under():
    passages = split(_GUIDE, SplitSettings(max_tokens=200, min_tokens=0))
    assert [(passage.headings, passage.text.split()[-1]) for passage in passages] == [
        (("Guide",), "intro."),
        (("Guide", "Refunds"), "refund."),
        (("Guide", "Refunds", "By card"), "card."),
        (("Guide", "Parcels"), "parcel."),
    ]


def test_a_passage_knows_the_page_it_begins_on():
    assert [passage.page for passage in split(_GUIDE, SplitSettings(min_tokens=0))] == [None, 2, 3, 4]


def test_the_documents_title_comes_first_where_headings_are_not_nested():
    flat = [Element("title", "Guide"), Element("title", "Refunds"), Element("text", _sentence("refund"))]
    passages = split(flat, SplitSettings(min_tokens=0))
    assert passages[-1].headings == ("Guide", "Refunds")


def test_text_without_any_title_has_no_headings():
    assert split([Element("text", "Some words.")], SplitSettings()) == (Passage("Some words.", ()),)


def test_short_sections_are_joined_and_long_ones_are_not():
    short = [Element("title", "A"), Element("text", "one."), Element("title", "B"), Element("text", "two.")]
    assert len(split(short, SplitSettings(min_tokens=40))) == 1
    assert len(split(short, SplitSettings(min_tokens=0))) == 2
    assert len(split(_GUIDE, SplitSettings(max_tokens=200, min_tokens=40))) == 4


def test_a_long_paragraph_is_cut_at_words_and_keeps_its_headings():
    text = " ".join(f"word{number}" for number in range(400))
    passages = split([Element("title", "Guide"), Element("text", text)], SplitSettings(max_tokens=50, min_tokens=0))
    assert len(passages) > 10
    assert {passage.headings for passage in passages} == {("Guide",)}
    assert _words(passage.text for passage in passages) == _words(["Guide", text])


def test_a_section_that_is_a_little_too_long_is_halved():
    text = " ".join(f"Sentence {number:02} has thirty letters." for number in range(26))
    passages = split([Element("text", text)], SplitSettings(max_tokens=200))
    assert len(text) > 800
    assert [round(len(passage.text) / len(text), 1) for passage in passages] == [0.5, 0.5]


@pytest.mark.parametrize(
    ("sentence", "between"),
    [
        ("The parcel comes on Monday.", " "),
        ("“Does it come on Monday?”", " "),
        ("all of it is in lower case.", " "),
        ("荷物は月曜日に届きます。", ""),
    ],
)
def test_passages_end_with_their_sentences(sentence, between):
    text = between.join([sentence] * 60)
    passages = split([Element("text", text)], SplitSettings(max_tokens=50))
    assert len(passages) > 4
    assert {passage.text[-len(sentence) :] for passage in passages} == {sentence}
    assert between.join(passage.text for passage in passages) == text


@pytest.mark.parametrize(
    "text", ["x" * 999, "no end " * 150, "字" * 999, "\ud800 lone. " * 99, " ".join(["y" * 90] * 9)]
)
def test_text_without_sentences_is_cut_evenly_and_loses_no_character(text):
    passages = split([Element("text", text)], SplitSettings(max_tokens=50))
    assert "".join("".join(passage.text for passage in passages).split()) == "".join(text.split())
    assert max(len(passage.text) for passage in passages) <= 200


def test_what_leads_to_the_next_element_stays_with_it():
    commands = [
        element
        for number in range(20)
        for element in (Element("item", f"List all files of day {number}:"), Element("code", f"ls --all {number}"))
    ]
    passages = split([Element("title", "ls"), *commands], SplitSettings(max_tokens=40))
    assert len(passages) > 4
    assert not [passage for passage in passages if passage.text.endswith(":")]


def test_a_heading_as_long_as_a_paragraph_is_shown_short_above_the_passages_and_whole_in_its_own():
    heading = " ".join(["word"] * 60)
    (passage,) = split([Element("title", heading), Element("text", "Text.")], SplitSettings())
    assert passage.text == f"{heading}\n\nText."
    assert [len(shown) <= 100 and shown.endswith("word …") for shown in passage.headings] == [True]


def test_a_row_of_a_table_stays_whole():
    rows = [
        Element("row", f"Plan: {name}; Price: {price} EUR") for name, price in zip("abcdefgh", range(8), strict=True)
    ]
    passages = split(rows, SplitSettings(max_tokens=20, min_tokens=0))
    lines = [line for passage in passages for line in passage.text.split("\n\n")]
    assert lines == [row.text for row in rows]


def test_no_passage_goes_from_one_slide_into_the_next():
    slides = [
        Element("title", "Deck", page=1, part=1),
        Element("item", "one", page=1, part=1),
        Element("item", "two", page=2, part=2),
        Element("title", "Third", page=3, part=3),
        Element("item", "three", page=3, part=3),
    ]
    assert split(slides, SplitSettings()) == (
        Passage("Deck\n\none", ("Deck",), 1),
        Passage("two", ("Deck",), 2),
        Passage("Third\n\nthree", ("Deck", "Third"), 3),
    )


def test_the_name_of_a_sheet_heads_that_sheet_alone():
    book = [
        Element("title", "Prices", depth=1, part=1),
        Element("row", "Plan: Team", part=1),
        Element("title", "Dates", depth=1, part=2),
        Element("row", "Day: Monday", part=2),
    ]
    assert find_title(book) == ""
    assert [passage.headings for passage in split(book, SplitSettings())] == [("Prices",), ("Dates",)]


def test_the_title_of_a_book_heads_every_chapter():
    book = [Element("title", "Book"), Element("title", "One", depth=1, part=1), Element("text", "Words.", part=2)]
    assert [passage.headings for passage in split(book, SplitSettings())] == [("Book",), ("Book", "One"), ("Book",)]


def test_sections_of_the_same_depth_do_not_head_each_other():
    flat = [
        Element("title", "First", depth=1),
        Element("text", _sentence("first")),
        Element("title", "Second", depth=1),
        Element("text", _sentence("second")),
    ]
    assert [passage.headings for passage in split(flat, SplitSettings(min_tokens=0))] == [("First",), ("Second",)]


def test_code_is_cut_between_lines_and_only_where_it_does_not_fit():
    lines = [f"    value_{number} = call({number})" for number in range(12)]
    words, code = Element("text", _sentence("word", 12)), Element("code", "\n".join(lines[:2]))
    assert split([words, code], SplitSettings(max_tokens=20))[-1].text == "\n".join(lines[:2]).strip()
    long = split([Element("code", "\n".join(lines))], SplitSettings(max_tokens=20))
    assert len(long) > 3
    found = [line.strip() for passage in long for line in passage.text.split("\n")]
    assert found == [line.strip() for line in lines]


def test_code_that_is_cut_keeps_its_indents_and_empty_lines():
    code = "\n\n".join(f"def call_{number}():\n\treturn  {number}" for number in range(40))
    passages = split([Element("code", code)], SplitSettings(max_tokens=50))
    assert len(passages) > 5
    assert all(passage.text in code for passage in passages)


def test_a_row_that_is_too_long_is_cut_between_cells():
    row = "; ".join(f"Column {number}: value {number}" for number in range(16))
    passages = split([Element("row", row)], SplitSettings(max_tokens=20))
    assert len(passages) > 2
    assert "; ".join(passage.text for passage in passages) == row


@pytest.mark.parametrize("elements", [[], [Element("text", " ")]])
def test_nothing_gives_no_passage(elements):
    assert split(elements, SplitSettings()) == ()


@pytest.mark.parametrize("values", [{"max_tokens": 19}, {"max_tokens": 2001}, {"min_tokens": -1}, {"overlap": 3}])
def test_settings_that_make_no_sense_are_refused(values):
    with pytest.raises(ValidationError):
        SplitSettings(**values)


def test_the_settings_are_in_the_fingerprint():
    names = {SplitSettings(max_tokens=size, min_tokens=least).split_id for size in (100, 200) for least in (0, 40)}
    assert len(names) == 4
    assert SplitSettings().split_id == SplitSettings().split_id


_TEXTS = st.lists(st.text("abcdeé.", min_size=1, max_size=12), min_size=1, max_size=60).map(" ".join)
_ELEMENTS = st.lists(
    st.builds(Element, st.sampled_from(["title", "text", "item", "row", "code"]), _TEXTS, st.integers(0, 3)),
    min_size=1,
    max_size=12,
)


@settings(max_examples=60)
@given(elements=_ELEMENTS, max_tokens=st.integers(20, 200), min_tokens=st.integers(0, 300))
def test_no_passage_is_too_long_and_no_word_is_lost(elements, max_tokens, min_tokens):
    chosen = SplitSettings(max_tokens=max_tokens, min_tokens=min_tokens)
    passages = split(elements, chosen)
    assert max(len(passage.text) for passage in passages) <= max_tokens * 4
    assert _words(passage.text for passage in passages) == _words(element.text for element in elements)
    assert split(elements, chosen) == passages


@pytest.mark.parametrize(("hidden", "findings"), [(True, ("hidden:markup",)), (False, ())])
def test_hidden_text_on_one_page_marks_every_passage_of_the_document(hidden, findings):
    elements = [*_GUIDE[:-1], replace(_GUIDE[-1], beside_hidden=hidden)]
    passages = split(elements, SplitSettings(min_tokens=0))
    assert [passage.findings for passage in passages] == [findings] * 4


_PARAGRAPHS = st.lists(_TEXTS.map(lambda text: Element("text", text)), min_size=1, max_size=8)


@settings(max_examples=40)
@given(sections=st.lists(_PARAGRAPHS, min_size=1, max_size=4), edited=st.data())
def test_an_edit_changes_passages_of_its_own_section_alone(sections, edited):
    def passages(sections):
        titled = [[Element("title", f"Section {at}", 1), *elements] for at, elements in enumerate(sections)]
        return split(
            [element for elements in titled for element in elements], SplitSettings(max_tokens=20, min_tokens=0)
        )

    at = edited.draw(st.integers(0, len(sections) - 1))
    place = edited.draw(st.integers(0, len(sections[at]) - 1))
    changed = [[*elements] for elements in sections]
    changed[at][place] = Element("text", edited.draw(_TEXTS))

    def elsewhere(found):
        return [passage for passage in found if passage.headings != (f"Section {at}",)]

    assert elsewhere(passages(changed)) == elsewhere(passages(sections))


def test_in_three_hundred_paragraphs_without_a_title_an_edit_changes_few_passages():
    chosen = random.Random(20261122)
    paragraphs = [
        Element("text", " ".join(f"w{chosen.randrange(9999)}" for _ in range(chosen.randint(5, 50))))
        for _ in range(300)
    ]
    before = split(paragraphs, SplitSettings())
    new = []
    for place in range(0, 300, 10):
        element = replace(paragraphs[place], text=paragraphs[place].text + " and ten words more stand at the end of it")
        after = split([*paragraphs[:place], element, *paragraphs[place + 1 :]], SplitSettings())
        new.append(len(set(after) - set(before)))
    assert len(before) > 60
    assert statistics.median(new) <= 2
    assert max(new) <= 10
