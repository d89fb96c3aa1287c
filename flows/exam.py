"""An exam: which cases are put to which version of an assistant, and what each of them came to."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from evals.case import Case, Suite
from evals.graders import grade, passed
from evals.graders.judge import JudgePrompt, judge_prompt, judged, needs_judge, reply_schema
from evals.graders.score import Score
from flows.assistant import Assistant
from flows.spans import SpanRecorder
from knowledge.call import Account
from knowledge.trace import Answer
from pipelines.answering.retrieve import Asked
from pipelines.batch import Door, Result
from pipelines.calling.request import BudgetError, CallError, ChatRequest, Schema
from pipelines.calling.structured import buy_structured

WHOLE, CANARY = 0, 1  # which asking of a case in a night: with the whole suite, or with the canary before
JUDGE_TOKENS = 400  # a verdict with a reason of a few sentences


@dataclass(frozen=True, slots=True)
class Exam:
    """What is asked of which version of what, under which night's name. repeat: which asking of a case in a night."""

    assistant: str
    night: str
    release: str
    collection_version: int
    suites: tuple[Suite, ...]
    repeat: int = WHOLE

    @property
    def cases(self) -> int:
        """How many cases it has."""
        return sum(len(suite.cases) for suite in self.suites)


@dataclass(frozen=True, slots=True)
class Missing:
    """A case that no model could answer or judge. It has no result, so the next run of this night asks it again."""

    suite: str
    case: str
    reason: str
    over_budget: bool = False


@dataclass(frozen=True, slots=True)
class Examined:
    """One case with its answer, the answer's trace and what the judge said, if there is one."""

    suite: str
    case: Case
    answer: Answer
    spans: list[dict[str, Any]]
    judgement: Score | None = None
    judge_cost_usd: float = 0.0


@dataclass(frozen=True, slots=True)
class Judging:
    """A judge with the models it is asked through, and on whose account."""

    prompt: JudgePrompt
    models: tuple[str, ...]
    calls: Door
    account: Account

    async def judge(self, case: Case, answer: Answer) -> tuple[Score, float]:
        """What it says of an answer, and what that cost in USD. Raises CallError when nobody says anything."""
        system, user = judge_prompt(self.prompt, case, answer)
        messages = ({"role": "system", "content": system}, {"role": "user", "content": user})
        request = ChatRequest(messages, JUDGE_TOKENS, Schema("judgement", reply_schema()))

        async def buy(wanted: ChatRequest) -> Result:
            return await self.calls.buy(wanted, route=self.models, account=self.account)

        said = await buy_structured(request, buy)
        return judged(self.prompt, said.content), said.cost_usd


class Examiner:
    """Puts cases to an assistant, and its answers to the judge, if there is one.

    Once a budget is used up, the cases left are not asked any more.
    """

    def __init__(self, assistant: Assistant, judging: Judging | None):
        self._assistant = assistant
        self._judging = judging
        self._recorder = SpanRecorder()
        self._over_budget: str | None = None

    def buying_at(self, door: Door) -> "Examiner":
        """Another one who puts the same cases, and buys at another door."""
        judging = replace(self._judging, calls=door) if self._judging else None
        return Examiner(self._assistant.buying_at(door), judging)

    async def examine(self, asked: tuple[str, Case]) -> Examined | Missing:
        """One (suite, case)."""
        suite, case = asked
        if self._over_budget:
            return Missing(suite, case.id, self._over_budget, over_budget=True)
        try:
            return await self._examine(suite, case)
        except BudgetError as problem:
            self._over_budget = str(problem)
            return Missing(suite, case.id, str(problem), over_budget=True)
        except CallError as problem:
            return Missing(suite, case.id, str(problem))

    async def _examine(self, suite: str, case: Case) -> Examined:
        found = await self._assistant.answer(Asked(case.question, case.groups), tracer=self._recorder.tracer)
        examined = Examined(suite, case, found, self._recorder.taken(found.trace_id))
        if self._judging is None or not needs_judge(case, found):
            return examined
        judgement, cost_usd = await self._judging.judge(case, found)
        return replace(examined, judgement=judgement, judge_cost_usd=cost_usd)


def told(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The results that a night is told by: those of the whole suite where it was asked, else the canary's."""
    least = min((row["repeat"] for row in rows), default=WHOLE)
    return [row for row in rows if row["repeat"] == least]


def result_row(exam: Exam, examined: Examined) -> dict[str, Any]:
    """What is recorded of a case: its answer, its scores and its trace."""
    case, found = examined.case, examined.answer
    scores = [*grade(case, found), *([examined.judgement] if examined.judgement else [])]
    return {
        "assistant": exam.assistant,
        "night": exam.night,
        "suite": examined.suite,
        "case_id": case.id,
        "repeat": exam.repeat,
        "kind": case.kind,
        "case_digest": case.case_digest,
        "release": exam.release,
        "collection_version": exam.collection_version,
        "answer": found.as_row(),
        "scores": [score.as_row() for score in scores],
        "passed": passed(scores),
        "judge_score": _judge_score(examined.judgement),
        "latency_ms": found.latency_ms,
        "cost_usd": found.cost_usd + examined.judge_cost_usd,
        "recorded_at": datetime.now(UTC),
        "spans": examined.spans,
    }


def _judge_score(judgement: Score | None) -> float | None:
    return judgement.value if judgement and judgement.passed is not None else None
