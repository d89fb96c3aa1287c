"""`local/extractive`: a real, deterministic model that answers by quoting the passages it is given, or says it cannot.

It is the embedded default and what tests use; any hosted model takes its place by configuration.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from knowledge.manifest import LOCAL_MODEL, Replies
from knowledge.trace import Usage
from pipelines.answering.request import ModelReply, ModelRequest
from pipelines.answering.sentences import content_words, sentences
from pipelines.embedder import Vectors
from pipelines.ingestion.split import count_tokens

MIN_COVERAGE = 0.5  # share of the question's meaning, by weight, that a sentence and its passage must cover
QUOTES = 3  # sentences an answer quotes at most
NEAR_BEST = 0.82  # a further sentence is quoted when its score is this near to the best


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence that could be quoted: from which context (from 0), and how well it fits the question."""

    text: str
    context: int
    place: int
    coverage: float
    score: float


def answer_by_quoting(request: ModelRequest, replies: Replies, embed: Callable[[Sequence[str]], Vectors]) -> ModelReply:
    """Quote the sentences that cover the question, each with its citation `[n]`.

    A very short question that several documents answer differently is asked back; a question whose words the
    passages do not cover is refused with `replies.refusal`.
    """
    asked = list(dict.fromkeys(content_words(request.question)))
    candidates = _score(request, asked, embed)
    if readings := _readings(request, asked):
        text = f"{replies.clarification} {' or '.join(readings)}?"
    elif not candidates or candidates[0].coverage < MIN_COVERAGE:
        text = replies.refusal
    else:
        text = " ".join(f"{_closed(each.text)} [{each.context + 1}]" for each in _chosen(candidates))
    usage = Usage(count_tokens(request.system + request.user), count_tokens(text))
    return ModelReply(text, LOCAL_MODEL, usage)


def _score(request: ModelRequest, asked: Sequence[str], embed: Callable[[Sequence[str]], Vectors]) -> list[Sentence]:
    """Every sentence of the contexts, best first; ties by their order."""
    found = [
        (number, place, text)
        for number, context in enumerate(request.contexts)
        for place, text in enumerate(sentences(context.text))
        if _quotable(text)
    ]
    if not found or not asked:
        return []
    words = [set(content_words(text)) for _, _, text in found]
    around = [set(content_words(f"{each.title} {each.text}")) for each in request.contexts]
    weights = _weights(asked, words)
    vectors = embed([request.question, *(text for _, _, text in found)])
    near = vectors[1:] @ vectors[0]
    scored = []
    for (number, place, text), own, likeness in zip(found, words, near, strict=True):
        inside = sum(weights[word] for word in asked if word in own)
        beside = sum(weights[word] for word in asked if word not in own and word in around[number])
        coverage = inside + 0.5 * beside
        score = 0.55 * coverage + 0.3 * float(likeness) + 0.15 * request.contexts[number].score
        scored.append(Sentence(text, number, place, coverage, score))
    return sorted(scored, key=lambda each: (-each.score, each.context, each.place))


def _quotable(text: str) -> bool:
    """A sentence or a row of a table says something by itself; a question or a heading does not."""
    words = len(text.split())
    return words > 2 and not text.endswith("?") and (text[-1] in ".!:;" or ": " in text or words > 8)


def _weights(asked: Sequence[str], sentences_words: Sequence[set[str]]) -> dict[str, float]:
    """How much of the question's meaning each word carries: rare words more; the weights sum to 1."""
    counts = Counter(word for words in sentences_words for word in words)
    raw = {word: math.log(1 + len(sentences_words) / (1 + counts[word])) for word in asked}
    total = sum(raw.values())
    return {word: weight / total for word, weight in raw.items()}


def _chosen(candidates: Sequence[Sentence]) -> list[Sentence]:
    """The best sentence and those nearly as good, without repeating one, in the order of their passages."""
    best = candidates[0]
    chosen: list[Sentence] = []
    for each in candidates:
        if each.score < NEAR_BEST * best.score or len(chosen) == QUOTES:
            break
        if each.coverage >= MIN_COVERAGE and each.text not in {one.text for one in chosen}:
            chosen.append(each)
    first = {best.context: -1}
    return sorted(chosen, key=lambda each: (first.get(each.context, each.context), each.place))


def _readings(request: ModelRequest, asked: Sequence[str]) -> list[str]:
    """The headings a question of one or two words may mean: those of different documents that all contain it."""
    if not 0 < len(asked) <= 2:
        return []
    found: dict[str, str] = {}
    for context in request.contexts:
        heading = next(iter(context.text.splitlines()), "")
        for name in (heading, context.title):
            if len(name.split()) <= 8 and set(asked) <= set(content_words(name)):
                found.setdefault(context.doc_id, name.strip(" .:"))
    readings = list(dict.fromkeys(found.values()))
    return readings[:4] if len(readings) > 1 else []


def _closed(sentence: str) -> str:
    return sentence if sentence[-1] in ".!?" else f"{sentence}."
