"""Batch jobs: opened with their calls in one step, held whoever dies, taken over from the dead alone."""

from datetime import UTC, datetime, timedelta

import pytest
from ledger_facts import DEAD, ELSEWHERE, failed, purchase, rows, settled
from sqlalchemy import update

from knowledge import tables
from knowledge.batch_job import BatchJob, BatchJobs
from knowledge.call import Held, Reserved
from knowledge.database import Database
from knowledge.ledger import Ledger
from knowledge.owner import LEASE_SECONDS

NOW = datetime.now(UTC)
JOB = BatchJob("job", "openai", "openai/small", "support", "2026-11-21", NOW)


def jobs_of(database: Database, owner: str | None = None) -> BatchJobs:
    return BatchJobs(database, Ledger(database, owner=owner))


def test_a_job_stands_with_its_calls_and_nobody_else_buys_them(database: Database) -> None:
    jobs = jobs_of(database, DEAD)
    (first, second) = jobs.open(JOB, [purchase("a"), purchase("b")])
    assert isinstance(first, Reserved)
    assert isinstance(second, Reserved)
    assert jobs.unfinished("support") == [JOB]
    assert jobs.unfinished("other") == []
    assert Ledger(database).commit([purchase("a")], []) == [Held(first.entry, "job")]
    assert Ledger(database).close_lost() == 0
    assert [call.entry for call in jobs.open_calls(JOB)] == [first.entry, second.entry]
    assert jobs.open_calls(JOB)[0].request == purchase("a").request


def test_a_job_of_what_is_bought_already_is_none(database: Database) -> None:
    ledger = Ledger(database)
    (reserved,) = ledger.commit([purchase("a")], [])
    assert isinstance(reserved, Reserved)
    ledger.commit([], [settled(reserved.entry)])
    jobs_of(database).open(JOB, [purchase("a")])
    assert jobs_of(database).unfinished("support") == []


def test_a_job_may_be_longer_than_a_statement(database: Database) -> None:
    jobs = jobs_of(database)
    answers = jobs.open(JOB, [purchase(f"{number % 2050}") for number in range(2100)])
    assert [isinstance(each, Reserved) for each in answers] == [True] * 2050 + [False] * 50
    assert len(jobs.open_calls(JOB)) == 2050


def test_what_was_in_a_batch_of_the_night_is_remembered_however_it_ended(database: Database) -> None:
    jobs = jobs_of(database)
    jobs.open(JOB, [purchase("a"), purchase("b")])
    one, two = jobs.open_calls(JOB)
    Ledger(database).commit([purchase("direct")], [settled(one.entry), failed(two.entry)])
    jobs.end(JOB)
    assert jobs.keys("support", "2026-11-21") == {row["key"] for row in rows(database) if row["batch"]}
    assert len(jobs.keys("support", "2026-11-21")) == 2
    assert jobs.keys("support", "2026-11-22") == jobs.keys("other", "2026-11-21") == set()
    assert jobs.unfinished("support") == []


@pytest.mark.parametrize(
    ("owner", "age", "taken"),
    [
        pytest.param(None, 0, True, id="one's own"),
        pytest.param(DEAD, 0, True, id="of a process that is no more"),
        pytest.param(ELSEWHERE, 0, False, id="of another host"),
        pytest.param(ELSEWHERE, LEASE_SECONDS + 1, True, id="of another host that is silent"),
    ],
)
def test_a_job_is_taken_over_from_the_dead_alone(
    database: Database, owner: str | None, age: float, taken: bool
) -> None:
    theirs = jobs_of(database, owner)
    theirs.open(JOB, [purchase("a")])
    uploaded = BatchJob(
        **{**{name: getattr(JOB, name) for name in BatchJob.__dataclass_fields__}, "status": "uploaded"}
    )
    theirs.note(uploaded)
    with database.engine.begin() as connection:
        then = datetime.now(UTC) - timedelta(seconds=age)
        connection.execute(update(tables.batch_job).values(claimed_at=then))
    assert jobs_of(database).claim("job") == (uploaded if taken else None)
