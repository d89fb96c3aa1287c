"""Graders: pure functions (case, answer) -> score with a reason, or *could not grade*."""

from collections.abc import Callable, Sequence

from evals.case import Case
from evals.graders.citation import grade_citation
from evals.graders.exact import grade_facts, grade_forbidden
from evals.graders.grounded import grade_grounded
from evals.graders.outcome import grade_outcome
from evals.graders.score import Score
from knowledge.trace import Answer

Grader = Callable[[Case, Answer], Score | None]

# a grader's version is part of the release: raise it when its judgement changes
GRADERS: dict[str, tuple[int, Grader]] = {
    "outcome": (1, grade_outcome),
    "facts": (1, grade_facts),
    "forbidden": (1, grade_forbidden),
    "citation": (1, grade_citation),
    "grounded": (1, grade_grounded),
}
GRADER_VERSIONS = {name: version for name, (version, _) in GRADERS.items()}


def grade(case: Case, answer: Answer) -> list[Score]:
    """The scores of every grader that has something to say about this case."""
    scores = (grader(case, answer) for _, grader in GRADERS.values())
    return [score for score in scores if score is not None]


def passed(scores: Sequence[Score]) -> bool | None:
    """A case passes when every grader passes it; None when one could not grade and none failed it."""
    if any(score.passed is False for score in scores):
        return False
    return None if any(score.passed is None for score in scores) else True
