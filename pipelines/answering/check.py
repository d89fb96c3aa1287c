"""check: what a model said, held against its passages and the policy, before anybody sees it."""

import re
from dataclasses import dataclass

from knowledge.manifest import Replies
from knowledge.policy import Policy
from knowledge.trace import Citation, Outcome
from pipelines.answering.request import ModelReply, ModelRequest

WITHHELD = "[withheld]"


@dataclass(frozen=True, slots=True)
class Checked:
    """The text that may be shown, what kind of answer it is, and why."""

    text: str
    outcome: Outcome
    reason: str
    citations: tuple[Citation, ...]


def check(reply: ModelReply, request: ModelRequest, replies: Replies, policy: Policy) -> Checked:
    """An answer must cite passages that were given; personal data is withheld; everything else is a refusal."""
    text = reply.text.strip()
    shown = withhold_private(text, policy)
    if text.startswith(replies.refusal):
        return Checked(replies.refusal, "refused", "the documents do not tell", ())
    if text.startswith(replies.clarification):
        return Checked(shown, "clarified", "the question has several readings", ())
    numbers = list(dict.fromkeys(int(number) for number in re.findall(r"\[(\d+)\]", text)))
    contexts = request.contexts
    citations = tuple(
        Citation(number, contexts[number - 1].chunk_id, contexts[number - 1].doc_id, contexts[number - 1].uri)
        for number in numbers
        if 1 <= number <= len(contexts)
    )
    if len(citations) < len(numbers) or not citations:
        return Checked(replies.refusal, "refused", "the reply cites no passage that was given", ())
    reason = "quoted from the documents" if shown == text else "personal data withheld"
    return Checked(shown, "answered", reason, citations)


def withhold_private(text: str, policy: Policy) -> str:
    """The text with what looks like personal data replaced."""
    for pattern in policy.private:
        text = re.sub(pattern, WITHHELD, text, flags=re.IGNORECASE)
    return text
