"""assemble: system, user and documents, kept apart as trust levels and trimmed to a token budget."""

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from knowledge.manifest import Manifest
from knowledge.policy import Policy
from knowledge.record import Hit
from pipelines.answering.request import ModelRequest
from pipelines.answering.sentences import sentences
from pipelines.ingestion.split import count_tokens


def assemble(question: str, hits: Sequence[Hit], manifest: Manifest, policy: Policy) -> ModelRequest:
    """The request for one question: the best passages that fit the budget, without the orders found in them."""
    contexts: list[Hit] = []
    left = manifest.retrieval.max_context_tokens
    for hit in hits:
        text = withhold_orders(hit.text, policy.orders)
        if text and (cost := count_tokens(text)) <= left:
            contexts.append(replace(hit, text=text))
            left -= cost
    passages = "\n\n".join(
        f"[{number}] {context.title}\n{context.text}" for number, context in enumerate(contexts, start=1)
    )
    values = {
        "question": question,
        "passages": passages,
        "refusal": manifest.replies.refusal,
        "clarification": manifest.replies.clarification,
    }
    system, user = manifest.prompt.fill(**values)
    return ModelRequest(system, user, question, tuple(contexts))


@lru_cache(maxsize=4096)  # the same passages come up for many questions of a night
def withhold_orders(text: str, orders: tuple[str, ...]) -> str:
    """The text without the sentences that give orders to the assistant: a document informs, it does not command.

    Where an order is found, lines are joined to sentences first, so that one broken over lines goes as a whole.
    """
    if not _orders(" ".join(text.split()), orders):
        return text
    joined = re.sub(r"(?<![.!?:;\n])\s*\n\s*(?=[a-z])", " ", text)
    return "\n".join(sentence for sentence in sentences(joined) if not _orders(sentence, orders))


def _orders(text: str, orders: Sequence[str]) -> bool:
    return any(re.search(pattern, text, re.IGNORECASE) for pattern in orders)
