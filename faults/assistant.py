"""The assistant: answers from the numbered passages of a prompt, or with the words it was given for a refusal."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import log

from faults.settings import Behaviours
from faults.words import content_words, draw, sentences

MIN_COVERAGE = 0.5  # share of the question's meaning, by weight, that a sentence with its passage must cover
NEAR_BEST = 0.85  # a further sentence is quoted when it covers this share of what the best one covers
QUOTES = 2  # sentences quoted at most
READINGS = 4  # headings named at most when asking back
OTHER_CHOICE = 0.3  # share of questions to which another model gives another sentence

_CLARIFICATION = re.compile(r'begin with "([^"]+)"')
_REFUSAL = re.compile(r"reply exactly:[ \t]*(.+)")
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a passage, with the words of both."""

    text: str
    words: frozenset[str]
    around: frozenset[str]


@dataclass(frozen=True, slots=True)
class Quote:
    """A sentence that may be quoted: from which passage, and how much of the question it covers."""

    text: str
    passage: int
    coverage: float


def answer(system: str, user: str, behaviours: Behaviours) -> str:
    """The reply to a prompt with numbered passages and `Question: …`; any other is echoed."""
    before, marker, question = user.rpartition("Question:")
    passages = _read_passages(before) if marker else {}
    question = " ".join(question.split())
    found = _REFUSAL.search(system)
    if not marker or not (passages or found):
        return _in_style(f"You wrote: {' '.join(user.split()[-40:])}", behaviours)
    refusal = found[1].strip() if found else "I do not know."
    quotes = _quotes(question, passages)
    if (asks_back := _CLARIFICATION.search(system)) and (readings := _readings(question, passages)):
        return f"{asks_back[1]} {' or '.join(readings)}?"
    if not quotes or draw("refuses", question) < behaviours.refuses_more:
        return refusal
    chosen = _chosen(question, quotes, behaviours)
    if behaviours.wrong_on and re.search(behaviours.wrong_on, question, re.IGNORECASE):
        chosen = _wrong(chosen, quotes)
    broken = draw("citations", question) < behaviours.breaks_citations
    return _in_style(" ".join(_cited(each, question, broken=broken) for each in chosen), behaviours)


def _read_passages(text: str) -> dict[int, str]:
    """The passages by their numbers, each as its title, a line break and its text."""
    _, found, rest = f"\n{text.rstrip()}".partition("\n[1] ")
    passages: dict[int, str] = {}
    while found:  # only the next number counts, after a blank line: others are part of the text
        passage, found, rest = rest.partition(f"\n\n[{len(passages) + 2}] ")
        passages[len(passages) + 1] = passage
    return passages


@lru_cache(maxsize=10_000)
def _read_sentences(passage: str) -> tuple[Sentence, ...]:
    """What may be quoted of a passage; a heading or a question says nothing by itself."""
    title, _, text = passage.partition("\n")
    around = content_words(passage)
    return tuple(
        Sentence(each, content_words(each), around)
        for each in sentences(text or title)
        if len(each.split()) > 2 and not each.endswith("?")
    )


def _quotes(question: str, passages: dict[int, str]) -> list[Quote]:
    """The sentences that cover the question well enough, best first."""
    asked = content_words(question)
    read = [(number, each) for number, passage in passages.items() for each in _read_sentences(passage)]
    near = [(number, each, each.words & asked) for number, each in read if not asked.isdisjoint(each.words)]
    counts = Counter(word for _, _, inside in near for word in inside)
    weights = {word: log(1 + len(read) / (1 + counts[word])) for word in sorted(asked)}
    total = sum(weights.values())
    quotes = []
    for number, each, inside in near:
        beside = (each.around & asked) - inside
        worth = sum(map(weights.__getitem__, inside)) + 0.5 * sum(map(weights.__getitem__, beside))
        # rounded: sums of a set's words in another order differ in their last digits
        quotes.append(Quote(each.text, number, round(worth / total, 9)))
    return sorted((each for each in quotes if each.coverage >= MIN_COVERAGE), key=lambda each: -each.coverage)


def _readings(question: str, passages: dict[int, str]) -> list[str]:
    """The headings that a question of one or two words may mean, where there are several."""
    asked = content_words(question)
    if not 0 < len(asked) <= 2:
        return []
    headings = (line.strip(" .:") for passage in passages.values() for line in passage.splitlines()[:2])
    found = dict.fromkeys(line for line in headings if len(line.split()) <= 8 and asked <= content_words(line))
    return list(found)[:READINGS] if len(found) > 1 else []


def _chosen(question: str, quotes: Sequence[Quote], behaviours: Behaviours) -> list[Quote]:
    if behaviours.another_model and len(quotes) > 1 and draw("another model", question) < OTHER_CHOICE:
        return [quotes[1]]
    good = [each for each in quotes if each.coverage >= NEAR_BEST * quotes[0].coverage]
    distinct = list({each.text: each for each in reversed(good)}.values())[::-1]
    return distinct[: 1 if behaviours.terser else QUOTES]


def _wrong(chosen: Sequence[Quote], quotes: Sequence[Quote]) -> list[Quote]:
    """The same answer with other numbers; where it has none, another sentence, or the opposite."""
    best = chosen[0]
    if _NUMBER.search(best.text):
        changed = _NUMBER.sub(lambda found: str(2 * int(found[0]) + 1), best.text)
        return [Quote(changed, best.passage, best.coverage)]
    others = [each for each in quotes if each not in chosen]
    return others[-1:] or [Quote(f"It is not true that {best.text}", best.passage, best.coverage)]


def _cited(quote: Quote, question: str, *, broken: bool) -> str:
    text = quote.text if quote.text[-1] in ".!" else f"{quote.text}."
    if not broken:
        return f"{text} [{quote.passage}]"
    return text if draw("left out", question) < 0.5 else f"{text} [{quote.passage + 90}]"


def _in_style(text: str, behaviours: Behaviours) -> str:
    if behaviours.another_model:
        text = f"Sure! {text}"
    if behaviours.wordier:
        return f"Thank you for your question. This is what I could find about it. {text} Please ask if you need more."
    return text
