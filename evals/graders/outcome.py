"""Did the assistant answer, ask back, refuse or escalate as it should?"""

from evals.case import Case
from evals.graders.score import Score
from knowledge.trace import Answer


def grade_outcome(case: Case, answer: Answer) -> Score:
    """The outcome is the expected one."""
    right = answer.outcome == case.outcome
    reason = answer.outcome if right else f"{answer.outcome} ({answer.reason}), expected {case.outcome}"
    return Score("outcome", float(right), right, reason)
