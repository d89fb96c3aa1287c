"""The judge: a grader that asks a model. What it asks and what its reply means; whoever runs it makes the call."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from evals.case import Case
from evals.graders.score import Score
from knowledge.content import Content, read_content
from knowledge.digest import digest
from knowledge.errors import ContentError
from knowledge.manifest import Prompt
from knowledge.source import NAME
from knowledge.trace import Answer

VARIABLES = ("question", "reference", "expected_outcome", "outcome", "answer")


class JudgePrompt(Content):
    """One YAML file in `evals/judges/`: how a model is asked whether an answer is right."""

    judge: str = Field(pattern=NAME)
    description: str = ""
    version: int = Field(ge=1)
    prompt: Prompt

    @field_validator("prompt")
    @classmethod
    def _variables_are_known(cls, prompt: Prompt) -> Prompt:
        if unknown := sorted(set(prompt.variables) - set(VARIABLES)):
            raise ValueError(f"a judge knows no {{{{{unknown[0]}}}}}; it knows {', '.join(VARIABLES)}")
        return prompt

    @property
    def judge_digest(self) -> str:
        """Names exactly this prompt and version; part of the release."""
        return digest([self.version, self.prompt.prompt_digest])


class Judgement(BaseModel):
    """How good the answer is, whether it is correct, and why in one sentence."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    reason: str  # before the marks, so that they follow from it
    score: Literal[1, 2, 3, 4, 5]  # finer than right or wrong, so that a model that grows worse is seen sooner
    correct: bool


@cache
def reply_schema() -> dict[str, Any]:
    """The JSON schema of a judge's reply; strict: every key is required and no other is allowed."""
    return Judgement.model_json_schema()


def read_judge(folder: Path, name: str) -> JudgePrompt:
    """The judge called `name`. Raises ContentError."""
    path = folder / f"{name}.yaml"
    judge = read_content(path, JudgePrompt)
    if judge.judge != name:
        raise ContentError(f"{path}: judge is '{judge.judge}'. The file must have the same name.")
    return judge


def needs_judge(case: Case, answer: Answer) -> bool:
    """Is there anything to judge? Not in a policy's reply: its words are ours, and `outcome` says all about it."""
    return answer.model != "none"


def judge_prompt(judge: JudgePrompt, case: Case, answer: Answer) -> tuple[str, str]:
    """System and user text of the question whether an answer is right. Every value stands quoted, line by line."""
    values = {
        "question": case.question,
        "reference": case.answer,
        "expected_outcome": case.outcome,
        "outcome": answer.outcome,
        "answer": answer.text,
    }
    return judge.prompt.fill(**{name: _quoted(value) for name, value in values.items()})


def judged(judge: JudgePrompt, reply: Mapping[str, Any] | None) -> Score:
    """What a judge's reply means; without one, or with a broken one, the answer could not be graded."""
    if reply is None:
        return _not_graded(f"judge '{judge.judge}' gave no reply")
    try:
        judgement = Judgement.model_validate(reply)
    except ValidationError:
        return _not_graded(
            f"judge '{judge.judge}' did not reply with a reason, a score of 1 to 5, and true or false: {reply!s:.120}"
        )
    return Score("judge", (judgement.score - 1) / 4, judgement.correct, judgement.reason)


def _not_graded(why: str) -> Score:
    return Score("judge", 0.0, None, f"could not grade: {why}")


def _quoted(text: str) -> str:
    # no line of a value can then begin a section, whatever character it takes for a line's end
    return "\n".join(f"> {line}" for line in text.splitlines()) or ">"
