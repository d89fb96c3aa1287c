"""Batch jobs: calls that were reserved together, to be bought through a provider's Batch API."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, select, update

from knowledge import tables
from knowledge.call import Amount, Answered, Purchase, Reserved
from knowledge.database import Database
from knowledge.ledger import Ledger
from knowledge.ledger_commit import GroupCommit
from knowledge.owner import Owners

AT_ONCE = 1000  # calls in one statement: databases bound the values it may have

_job, _ledger = tables.batch_job.c, tables.ledger.c


@dataclass(frozen=True, slots=True)
class BatchJob:
    """One file of requests to one model, for one night.

    status: `reserved` (the provider knows nothing of it), `uploaded` (it has the file `file_id`, and may have begun a
    batch of it), then the provider's own words for its batch `batch_id`.
    """

    id: str
    provider: str
    model: str
    assistant: str
    night: str
    opened_at: datetime
    status: str = "reserved"
    file_id: str | None = None
    batch_id: str | None = None


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A call of a job that has not ended."""

    entry: int
    request: Mapping[str, Any]
    worst: Amount


_JOB = [_job[name] for name in BatchJob.__dataclass_fields__]


class BatchJobs:
    """The batch jobs of a state database. Their calls stand in the ledger, reserved until each has its end."""

    def __init__(self, database: Database, ledger: Ledger):
        self._database = database
        self._ledger = ledger

    def open(self, job: BatchJob, purchases: Sequence[Purchase]) -> list[Answered]:
        """Reserve the calls and write the job down, in one transaction; when none could be reserved there is no job."""
        with self._ledger.alone() as connection:
            now, owner = datetime.now(UTC), self._ledger.owner
            answers = [
                answer
                for start in range(0, len(purchases), AT_ONCE)
                for answer in GroupCommit(
                    connection, purchases[start : start + AT_ONCE], [], owner=owner, now=now, batch=job.id
                ).run()
            ]
            if any(isinstance(each, Reserved) for each in answers):
                row = {name: getattr(job, name) for name in BatchJob.__dataclass_fields__}
                row |= {"owner": owner, "claimed_at": now}
                connection.execute(insert(tables.batch_job).values(row))
        return answers

    def unfinished(self, assistant: str) -> list[BatchJob]:
        """The jobs of an assistant that have not ended, of any night, the oldest first."""
        query = select(*_JOB).where(_job.assistant == assistant, _job.ended_at.is_(None)).order_by(_job.opened_at)
        return [BatchJob(**row._mapping) for row in self._database.rows(query)]

    def claim(self, job_id: str) -> BatchJob | None:
        """Let a job be this process's to submit or to drop; None while another process that lives has it."""
        this, own, now = _job.id == job_id, self._ledger.owner, datetime.now(UTC)
        with self._ledger.alone() as connection:
            owner, claimed_at = connection.execute(select(_job.owner, _job.claimed_at).where(this)).one()
            if owner != own and Owners(own, now=now).hold(owner, reserved_at=claimed_at):
                return None
            connection.execute(update(tables.batch_job).where(this).values(owner=own, claimed_at=now))
            return BatchJob(**connection.execute(select(*_JOB).where(this)).one()._mapping)

    def note(self, job: BatchJob) -> None:
        """Write down how far a job is."""
        place = {"status": job.status, "file_id": job.file_id, "batch_id": job.batch_id}
        self._change(job, {**place, "claimed_at": datetime.now(UTC)})

    def end(self, job: BatchJob) -> None:
        """Every call of the job has its end."""
        self._change(job, {"status": job.status, "ended_at": datetime.now(UTC)})

    def open_calls(self, job: BatchJob) -> list[OpenCall]:
        """The calls of a job that are still reserved."""
        columns = (_ledger.id, _ledger.request, _ledger.reserved_tokens, _ledger.reserved_usd, _ledger.reserved_ms)
        query = select(*columns).where(tables.OPEN, _ledger.batch == job.id).order_by(_ledger.id)
        return [OpenCall(entry, request, Amount(*worst)) for entry, request, *worst in self._database.rows(query)]

    def keys(self, assistant: str, night: str) -> set[str]:
        """What was put into a batch of this night before, however it ended."""
        same = _ledger.assistant == assistant, _ledger.night == night
        return {row.key for row in self._database.rows(select(_ledger.key).where(*same, _ledger.batch.is_not(None)))}

    def _change(self, job: BatchJob, values: dict[str, Any]) -> None:
        with self._database.engine.begin() as connection:
            connection.execute(update(tables.batch_job).where(_job.id == job.id).values(values))
