"""An exam: which cases are put to which version of an assistant, and what each of them came to."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from evals.case import Case, Suite
from evals.graders import grade, passed
from flows.assistant import Assistant
from flows.spans import SpanRecorder
from knowledge.trace import Answer
from pipelines.calling.request import BudgetError, CallError


@dataclass(frozen=True, slots=True)
class Exam:
    """What is asked of which version of what, under which night's name."""

    assistant: str
    night: str
    release: str
    collection_version: int
    suites: tuple[Suite, ...]


@dataclass(frozen=True, slots=True)
class Missing:
    """A case that no model could answer or judge. It has no result, so the next run of this night asks it again."""

    suite: str
    case: str
    reason: str
    over_budget: bool = False


@dataclass(frozen=True, slots=True)
class Examined:
    """One case with its answer and the answer's trace."""

    suite: str
    case: Case
    answer: Answer
    spans: list[dict[str, Any]]


class Examiner:
    """Puts cases to an assistant. Once a budget is used up, the cases left are not asked any more."""

    def __init__(self, assistant: Assistant):
        self._assistant = assistant
        self._recorder = SpanRecorder()
        self._over_budget: str | None = None

    async def examine(self, asked: tuple[str, Case]) -> Examined | Missing:
        """One (suite, case)."""
        suite, case = asked
        if self._over_budget:
            return Missing(suite, case.id, self._over_budget, over_budget=True)
        try:
            found = await self._assistant.answer(case.question, groups=case.groups, tracer=self._recorder.tracer)
        except BudgetError as problem:
            self._over_budget = str(problem)
            return Missing(suite, case.id, str(problem), over_budget=True)
        except CallError as problem:
            return Missing(suite, case.id, str(problem))
        return Examined(suite, case, found, self._recorder.taken(found.trace_id))


def result_row(exam: Exam, examined: Examined) -> dict[str, Any]:
    """What is recorded of a case: its answer, its scores and its trace."""
    case, found = examined.case, examined.answer
    scores = grade(case, found)
    return {
        "assistant": exam.assistant,
        "night": exam.night,
        "suite": examined.suite,
        "case_id": case.id,
        "repeat": 0,
        "kind": case.kind,
        "case_digest": case.case_digest,
        "release": exam.release,
        "collection_version": exam.collection_version,
        "answer": found.as_row(),
        "scores": [score.as_row() for score in scores],
        "passed": passed(scores),
        "latency_ms": found.latency_ms,
        "cost_usd": found.cost_usd,
        "recorded_at": datetime.now(UTC),
        "spans": examined.spans,
    }
