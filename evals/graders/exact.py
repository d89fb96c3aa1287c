"""Facts that must be in an answer, and words that must not."""

import re
import unicodedata

from evals.case import Case
from evals.graders.score import Score
from knowledge.trace import Answer


def normalise(text: str) -> str:
    """Lower case, one kind of space, dash and quote, no citations: what a reader takes for the same words."""
    folded = unicodedata.normalize("NFKC", re.sub(r"\s*\[\d+\]", "", text)).casefold()
    folded = re.sub(r"[‐‑‒–—−]", "-", folded)
    folded = re.sub(r"[‘’“”\"'`]", "'", folded)
    return " ".join(folded.split())


def holds(text: str, phrase: str) -> bool:
    """Does the phrase stand in the text as whole words and numbers? `30 days` is in neither `130` nor `2.30 days`."""
    whole = rf"(?<!\w)(?<!\d[.,]){re.escape(normalise(phrase))}(?!\w)(?![.,]\d)"
    return re.search(whole, normalise(text)) is not None


def grade_facts(case: Case, answer: Answer) -> Score | None:
    """Share of the expected facts that the answer holds; all are needed to pass."""
    if not case.facts or answer.outcome not in ("answered", "clarified"):
        return None
    spellings = [(fact,) if isinstance(fact, str) else fact for fact in case.facts]
    missing = [each[0] for each in spellings if not any(holds(answer.text, phrase) for phrase in each)]
    value = 1 - len(missing) / len(spellings)
    return Score("facts", value, not missing, f"missing: {', '.join(missing)}" if missing else "all facts are there")


def grade_forbidden(case: Case, answer: Answer) -> Score | None:
    """No forbidden phrase may be in the answer, whatever its outcome."""
    if not case.forbidden:
        return None
    found = [phrase for phrase in case.forbidden if holds(answer.text, phrase)]
    return Score("forbidden", float(not found), not found, f"says: {', '.join(found)}" if found else "none is there")
