"""Cases and suites: one question with what a good and a bad answer is."""

from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field, field_validator, model_validator

from knowledge.content import Content, read_content
from knowledge.digest import digest
from knowledge.errors import ContentError
from knowledge.source import NAME, check_group
from knowledge.trace import Outcome

Kind = Literal[
    "answerable",
    "unanswerable",
    "ambiguous",
    "conflicting",
    "must_not",
    "adversarial",
    "injected_document",
    "confidential",
    "messy",
]
KINDS: tuple[Kind, ...] = get_args(Kind)

Phrase = Annotated[str, Field(min_length=1)]


class Case(Content):
    """One question. groups: the reader's (none: public only). gold: the documents that hold the answer.

    facts: each must be in a good answer; a list means any one of its spellings. forbidden: none may be in any.
    """

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    kind: Kind
    question: str = Field(min_length=1)
    groups: tuple[str, ...]
    outcome: Outcome
    facts: tuple[Phrase | tuple[Phrase, ...], ...]
    forbidden: tuple[Phrase, ...]
    gold: tuple[str, ...]
    answer: str = Field(min_length=1)
    tags: tuple[str, ...]

    @field_validator("groups")
    @classmethod
    def _groups_are_names(cls, groups: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(check_group(group) for group in groups)

    @property
    def case_digest(self) -> str:
        """Names exactly this case; results of two nights compare only where it is the same."""
        return digest(self.model_dump(mode="json"))


class Suite(Content):
    """A set of cases: one YAML file in `evals/suites/`."""

    suite: str = Field(pattern=NAME)
    description: str = ""
    cases: tuple[Case, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _ids_are_unique(self) -> "Suite":
        ids = [case.id for case in self.cases]
        if doubled := sorted({each for each in ids if ids.count(each) > 1}):
            raise ValueError(f"case id '{doubled[0]}' stands twice; give one of them another id")
        return self

    @property
    def suite_digest(self) -> str:
        """Names exactly this set of cases."""
        return digest([case.case_digest for case in self.cases])


def read_suite(folder: Path, name: str) -> Suite:
    """The suite called `name`. Raises ContentError."""
    path = folder / f"{name}.yaml"
    suite = read_content(path, Suite)
    if suite.suite != name:
        raise ContentError(f"{path}: suite is '{suite.suite}'. The file must have the same name.")
    return suite
