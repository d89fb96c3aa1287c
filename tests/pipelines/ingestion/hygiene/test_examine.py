"""A passage is searched and shown in clean text, and the policy learns what was in it."""

from knowledge.record import Passage
from pipelines.ingestion.hygiene.examine import examine


def test_a_passage_is_cleaned_and_its_findings_are_told() -> None:
    found = examine([Passage("Write to an\u200bna@workshop.de", ("Cont\u00adact",), 3, ("hidden:markup",))])
    findings = ("hidden:markup", "hidden:soft_hyphen", "hidden:zero_width", "personal:email")
    assert found == (Passage("Write to anna@workshop.de", ("Contact",), 3, findings),)


def test_a_clean_passage_comes_back_as_it_is() -> None:
    passage = Passage("The workshop opens at 7:30.", ("Hours",))
    assert examine([passage]) == (passage,)


def test_a_heading_is_looked_at_too() -> None:
    assert examine([Passage("Call us.", ("+41 44 668 18 00",))])[0].findings == ("personal:phone",)


def test_a_passage_of_nothing_but_hidden_characters_goes() -> None:
    assert examine([Passage("\u200b \u2060", ())]) == ()
