"""Is everything an answer says in the passages it was given? A deterministic look at words, not a judge."""

import re

from evals.case import Case
from evals.graders.exact import normalise
from evals.graders.score import Score
from knowledge.trace import Answer

MIN_SHARE = 0.8  # of a sentence's words, for it to count as supported


def grade_grounded(case: Case, answer: Answer) -> Score | None:
    """Share of the answer's sentences whose words, numbers above all, stand in one of its contexts."""
    if answer.outcome != "answered":
        return None
    if not answer.contexts:
        return Score("grounded", 0.0, None, "could not grade: the answer came without contexts")
    contexts = [set(_words(context.text)) for context in answer.contexts]
    sentences = [each for each in re.split(r"(?<=[.!?])(?:\s*\[\d+\])*\s+", answer.text) if _words(each)]
    loose = [each for each in sentences if not any(_supports(context, _words(each)) for context in contexts)]
    value = 1 - len(loose) / max(len(sentences), 1)
    return Score(
        "grounded",
        value,
        not loose,
        f"not in the passages: {loose[0]}" if loose else "all is in the passages",
    )


def _words(text: str) -> list[str]:
    return re.findall(r"\w+(?:[.,]\d+)*", normalise(text.replace("[withheld]", "")))


def _supports(context: set[str], words: list[str]) -> bool:
    numbers = {word for word in words if any(letter.isdigit() for letter in word)}
    share = sum(word in context for word in words) / len(words)
    return numbers <= context and share >= MIN_SHARE
