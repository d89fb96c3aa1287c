"""An assessment: what a person said about one answer, kept with the case it answered."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select

from knowledge.database import Database
from knowledge.tables import assessment


@dataclass(frozen=True, slots=True)
class Assessment:
    """`name` is what was assessed, `value` the answer given, `source` who gave it."""

    trace_id: str
    name: str
    source: str
    assistant: str
    night: str
    suite: str
    case_id: str
    case_digest: str
    value: Any
    rationale: str | None
    given_at: datetime

    @property
    def key(self) -> tuple[str, str, str]:
        """What was assessed, and by whom."""
        return self.trace_id, self.name, self.source

    def as_row(self) -> dict[str, Any]:
        """The assessment as plain JSON values."""
        return {**asdict(self), "given_at": self.given_at.isoformat(timespec="seconds")}


def record_assessments(database: Database, given: Sequence[Assessment]) -> None:
    """Keep assessments; one that was changed replaces what it said before."""
    database.upsert(assessment, [asdict(each) for each in given])


def forget_assessments(database: Database, given: Sequence[Assessment]) -> None:
    """Drop assessments that were taken back."""
    with database.engine.begin() as connection:
        for each in given:
            connection.execute(
                delete(assessment).where(
                    assessment.c.trace_id == each.trace_id,
                    assessment.c.name == each.name,
                    assessment.c.source == each.source,
                )
            )


def read_assessments(database: Database, assistant: str) -> list[Assessment]:
    """Everything people said about an assistant's answers, oldest first."""
    query = select(assessment).where(assessment.c.assistant == assistant).order_by(assessment.c.given_at)
    return [Assessment(**row._mapping) for row in database.rows(query)]
