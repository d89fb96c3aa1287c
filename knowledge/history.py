"""What has happened, in the state database: nights, results, quarantine, pointer and audit."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update

from knowledge import tables
from knowledge.database import Database
from knowledge.record import Quarantined, Rejected


@dataclass(frozen=True, slots=True)
class Night:
    """One (assistant, scheduled local date); `name` is the date, or date.2 for a repeat that was asked for."""

    assistant: str
    name: str
    scheduled_on: date
    status: str
    mlflow_run_id: str | None = None
    summary: dict[str, Any] | None = None
    started_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Pointer:
    """What serves: the release and the version of each collection, who moved it there, why and when."""

    assistant: str
    release: str
    versions: dict[str, int]
    moved_by: str
    reason: str
    moved_at: datetime


@dataclass(frozen=True, slots=True)
class Measured:
    """What is followed of one case's result in one night. case: suite, name and the digest of its text."""

    night: str
    case: str
    kind: str
    passed: bool | None
    answer_length: int
    output_tokens: int
    cost_usd: float
    judge_score: float | None = None


def case_key(suite: str, case: str, case_digest: str) -> str:
    """The name under which a case is followed: one that was edited is another."""
    return f"{suite}/{case}@{case_digest}"


class History(Database):
    """What has happened: nights, results, quarantine, pointer and its audit."""

    # --- nights

    def nights(self, assistant: str, *, last: int | None = None) -> list[Night]:
        """The nights of an assistant, or the last so many, oldest first."""
        query = (
            select(tables.night)
            .where(tables.night.c.assistant == assistant)
            .order_by(tables.night.c.scheduled_on.desc(), tables.night.c.sequence.desc())
            .limit(last)
        )
        return [_night(row) for row in reversed(self.rows(query))]

    def begin_night(self, assistant: str, scheduled_on: date, sequence: int) -> Night:
        """Enter a new night as running."""
        name = f"{scheduled_on}" if sequence == 1 else f"{scheduled_on}.{sequence}"
        now = datetime.now(UTC)
        row = {
            "assistant": assistant,
            "night": name,
            "scheduled_on": scheduled_on,
            "sequence": sequence,
            "status": "running",
            "started_at": now,
        }
        with self.engine.begin() as connection:
            connection.execute(insert(tables.night).values(**row))
        return Night(assistant, name, scheduled_on, "running", started_at=now)

    def note_night(self, night: Night, **columns: object) -> None:
        """Set columns of a night: status, summary, mlflow_run_id, finished_at."""
        with self.engine.begin() as connection:
            connection.execute(
                update(tables.night)
                .where(tables.night.c.assistant == night.assistant, tables.night.c.night == night.name)
                .values(**columns)
            )

    # --- results

    def record_results(self, rows: Sequence[dict[str, Any]]) -> None:
        """Store case results in one transaction; one that stands already is replaced."""
        self.upsert(tables.result, rows)

    def results(self, assistant: str, night: str) -> list[dict[str, Any]]:
        """Every case result of one night, in the order of suites and cases."""
        query = (
            select(tables.result)
            .where(tables.result.c.assistant == assistant, tables.result.c.night == night)
            .order_by(tables.result.c.suite, tables.result.c.case_id, tables.result.c.repeat)
        )
        return [dict(row._mapping) for row in self.rows(query)]

    def measured(self, assistant: str, nights: Sequence[str], *, release: str, repeat: int = 0) -> list[Measured]:
        """The results of a release in these nights, without their texts. repeat: which asking of each case."""
        row = tables.result.c
        query = (
            select(
                row.night,
                row.suite,
                row.case_id,
                row.case_digest,
                row.kind,
                row.passed,
                func.length(row.answer["text"].as_string()).label("length"),
                row.answer["usage"]["output_tokens"].as_integer().label("tokens"),
                row.cost_usd,
                row.judge_score,
            )
            .where(row.assistant == assistant, row.release == release, row.repeat == repeat, row.night.in_(nights))
            .order_by(row.night, row.suite, row.case_id)
        )
        return [
            Measured(
                each.night,
                case_key(each.suite, each.case_id, each.case_digest),
                each.kind,
                each.passed,
                each.length,
                each.tokens,
                each.cost_usd,
                each.judge_score,
            )
            for each in self.rows(query)
        ]

    # --- quarantine

    def quarantined(self, collection: str) -> list[Quarantined]:
        """What is kept out of a collection, by doc_id."""
        query = (
            select(tables.quarantine)
            .where(tables.quarantine.c.collection == collection)
            .order_by(tables.quarantine.c.doc_id)
        )
        return [
            Quarantined(
                Rejected(row.doc_id, row.doc_sha, row.attempt_id, row.reason, row.detail),
                row.attempts,
                row.first_seen,
                row.last_seen,
                row.state,
                row.accepted_at,
            )
            for row in self.rows(query)
        ]

    def update_quarantine(
        self, collection: str, *, rejected: Iterable[Rejected], still: set[str], listed: set[str]
    ) -> None:
        """Enter what was rejected tonight, keep what is `still` held, forget the other documents `listed`.

        What people decided about a document is spent by an attempt, but not that a version serves without it.
        A row whose document is listed no more is a note without a subject, and goes as well.
        """
        now = datetime.now(UTC)
        known = {entry.rejected.doc_id: entry for entry in self.quarantined(collection)}
        rows = [
            {
                "collection": collection,
                "doc_id": item.doc_id,
                "doc_sha": item.doc_sha,
                "attempt_id": item.attempt_id,
                "reason": item.reason,
                "detail": item.detail,
                "attempts": known[item.doc_id].attempts + 1 if item.doc_id in known else 1,
                "first_seen": known[item.doc_id].first_seen if item.doc_id in known else now,
                "last_seen": now,
                "state": "held",
                "accepted_at": known[item.doc_id].accepted_at if item.doc_id in known else None,
            }
            for item in rejected
        ]
        kept = still & listed | {row["doc_id"] for row in rows}
        with self.engine.begin() as connection:
            for doc_id in known.keys() - kept:
                connection.execute(
                    delete(tables.quarantine).where(
                        tables.quarantine.c.collection == collection, tables.quarantine.c.doc_id == doc_id
                    )
                )
        self.upsert(tables.quarantine, rows)

    # --- pointer and audit

    def pointer(self, assistant: str) -> Pointer | None:
        """What serves an assistant; None before the first move."""
        rows = self.rows(select(tables.pointer).where(tables.pointer.c.assistant == assistant))
        return Pointer(**rows[0]._mapping) if rows else None

    def pointers(self) -> list[Pointer]:
        """Every pointer, by assistant."""
        return [Pointer(**row._mapping) for row in self.rows(select(tables.pointer).order_by("assistant"))]

    def move_pointer(
        self, assistant: str, *, release: str, versions: dict[str, int], moved_by: str, reason: str
    ) -> Pointer:
        """Move what serves, and enter the move in the audit, in one transaction."""
        before = self.pointer(assistant)
        after = Pointer(assistant, release, versions, moved_by, reason, datetime.now(UTC))
        row = {name: getattr(after, name) for name in Pointer.__dataclass_fields__}
        entry = {
            "at": after.moved_at,
            "actor": moved_by,
            "action": "move pointer",
            "subject": assistant,
            "before": {"release": before.release, "versions": before.versions} if before else None,
            "after": {"release": release, "versions": versions},
            "reason": reason,
        }
        with self.engine.begin() as connection:
            connection.execute(delete(tables.pointer).where(tables.pointer.c.assistant == assistant))
            connection.execute(insert(tables.pointer).values(**row))
            connection.execute(insert(tables.audit).values(**entry))
        return after

    def audit(self, subject: str) -> list[dict[str, Any]]:
        """What was done to a subject, oldest first."""
        query = select(tables.audit).where(tables.audit.c.subject == subject).order_by(tables.audit.c.id)
        return [dict(row._mapping) for row in self.rows(query)]

    def served(self, assistant: str, collection: str, *, last: int) -> list[int]:
        """The last versions of a collection that served an assistant, each once, newest first."""
        moves = (entry["after"]["versions"] for entry in self.audit(assistant) if entry["action"] == "move pointer")
        versions = [move[collection] for move in moves if collection in move]
        return list(dict.fromkeys(reversed(versions)))[:last]

    # --- sources given without YAML

    def sources(self) -> list[dict[str, str]]:
        """Name, collection and url of the sources that were given on the command line."""
        return [dict(row._mapping) for row in self.rows(select(tables.source).order_by("name"))]

    def remember_source(self, *, name: str, collection: str, url: str) -> None:
        """Keep a source that was given without YAML, so that the next night finds it again."""
        self.upsert(tables.source, [{"name": name, "collection": collection, "url": url}])


def _night(row: Row[Any]) -> Night:
    return Night(row.assistant, row.night, row.scheduled_on, row.status, row.mlflow_run_id, row.summary, row.started_at)
