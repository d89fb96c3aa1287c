"""Which documents say almost the same as another one, whatever the order they come in."""

import random
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.ingestion.hygiene.near_duplicates import NearDuplicate, Sketch, confirmed, near_duplicates, signature

WORDS = [f"{first}{second}" for first in "bdfgklmnprst" for second in ("ar", "en", "il", "os", "um")]


def prose(seed: int, words: int = 300) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=words))


def edited(text: str, *places: int) -> str:
    words = text.split()
    for place in places:
        words[place] = "edited"
    return " ".join(words)


def sketches(texts: dict[str, str], groups: tuple[str, ...] = ("public",)) -> list[Sketch]:
    return [Sketch(doc_id, groups, signature(text)) for doc_id, text in texts.items()]


def duplicates(texts: dict[str, str], threshold: float = 0.9) -> dict[str, str]:
    return {each.doc_id: each.duplicate_of for each in near_duplicates(sketches(texts), threshold=threshold)}


@pytest.mark.parametrize(
    ("other", "near"),
    [
        (prose(1), True),
        (prose(1).upper() + "!", True),
        (edited(prose(1), 150), True),
        (edited(prose(1), *range(0, 300, 10)), False),
        (prose(1, words=150), False),
        (prose(2), False),
    ],
)
def test_documents_are_near_duplicates_from_the_threshold_on(other: str, near: bool) -> None:
    assert duplicates({"a": prose(1), "b": other}) == ({"b": "a"} if near else {})


@pytest.mark.parametrize(
    ("text", "other", "near"),
    [
        ("Opens at 7:30.", "opens at 7 30", True),
        ("Opens at 7:30.", "Opens at 8:30.", False),
        ("¿?", "¿?", True),
        ("¿?", "!!", False),
        ("", "", True),
    ],
)
def test_tiny_documents_are_near_duplicates_only_when_their_words_are_the_same(
    text: str, other: str, near: bool
) -> None:
    assert duplicates({"a": text, "b": other}) == ({"b": "a"} if near else {})


def test_a_script_without_spaces_is_compared_letter_by_letter() -> None:
    text = "".join(random.Random(3).choices("日本語文書検索品質毎朝確認運用開始時刻営業時間工場案内", k=300))
    assert duplicates({"a": text, "b": text[:150] + "新" + text[150:]}) == {"b": "a"}


def test_documents_with_other_readers_are_never_joined() -> None:
    mine, theirs = sketches({"a": prose(1)}, ("staff",)), sketches({"b": prose(1)}, ("public",))
    both = sketches({"c": prose(1)}, ("public", "staff")) + sketches({"d": prose(1)}, ("staff", "public"))
    assert near_duplicates(mine + theirs + both, threshold=0.9) == (NearDuplicate("d", "c", 1.0),)


def test_no_document_hides_behind_one_it_is_not_like() -> None:
    texts = {"a": prose(1), "b": edited(prose(1), *range(0, 80, 20)), "c": edited(prose(1), *range(0, 160, 20))}
    assert duplicates({"a": texts["a"], "b": texts["b"]}) == {"b": "a"}
    assert duplicates({"b": texts["b"], "c": texts["c"]}) == {"c": "b"}
    assert duplicates(texts) == {"b": "a"}


def test_a_signature_is_the_same_in_every_process() -> None:
    code = "from pipelines.ingestion.hygiene.near_duplicates import signature; print(signature(input()).hex())"
    made = {
        subprocess.check_output([sys.executable, "-c", code], input=prose(1), env={"PYTHONHASHSEED": seed}, text=True)
        for seed in ("1", "2")
    }
    assert made == {signature(prose(1)).hex() + "\n"}


def test_a_signature_is_small() -> None:
    assert (len(signature(prose(1))), len(signature("tiny"))) == (256, 16)


def test_the_estimate_is_near_the_jaccard_index() -> None:
    off = []
    for seed in range(40):
        one, other = prose(seed), edited(prose(seed), *range(5, 300, 60))
        shingles = [set(zip(words, words[1:], words[2:], strict=False)) for words in (one.split(), other.split())]
        true = len(shingles[0] & shingles[1]) / len(shingles[0] | shingles[1])
        slots = [np.frombuffer(signature(text), np.uint8) for text in (one, other)]
        off.append(float((slots[0] == slots[1]).mean()) - true)
    assert abs(np.mean(off)) < 0.01
    assert np.abs(off).max() < 0.08


def test_pages_of_one_template_are_told_apart_by_their_texts() -> None:
    texts = {f"{page:03}": prose(1, 278) + " " + prose(page + 100, 22) for page in range(300)}  # similar by .85
    texts["twin"] = edited(texts["007"], 0)
    found = near_duplicates(sketches(texts), threshold=0.9)
    exact = confirmed(found, texts.__getitem__, threshold=0.9)
    assert len(found) > 1
    assert [(each.doc_id, each.duplicate_of, each.similarity >= 0.97) for each in exact] == [("twin", "007", True)]


CORPUS = st.lists(
    st.tuples(st.sampled_from([1, 2]), st.lists(st.integers(0, 59), max_size=6), st.sampled_from(["staff", "public"])),
    max_size=14,
)


@given(CORPUS, st.randoms(use_true_random=False))
def test_the_order_of_documents_does_not_matter(
    corpus: list[tuple[int, list[int], str]], shuffler: random.Random
) -> None:
    made = [
        Sketch(f"{place:02}", (group,), signature(edited(prose(seed, 60), *places)))
        for place, (seed, places, group) in enumerate(corpus)
    ]
    found = near_duplicates(made, threshold=0.9)
    shuffler.shuffle(made)
    assert near_duplicates(made, threshold=0.9) == found


@given(CORPUS)
def test_a_representative_stands_for_itself_has_the_same_readers_and_is_like_it(
    corpus: list[tuple[int, list[int], str]],
) -> None:
    made = {
        f"{place:02}": Sketch(f"{place:02}", (group,), signature(edited(prose(seed, 60), *places)))
        for place, (seed, places, group) in enumerate(corpus)
    }
    found = {each.doc_id: each for each in near_duplicates(made.values(), threshold=0.9)}
    for doc_id, each in found.items():
        assert each.duplicate_of < doc_id
        assert each.duplicate_of not in found
        assert made[each.duplicate_of].groups == made[doc_id].groups
        assert each.similarity >= 0.9
