"""The state database on a real PostgreSQL server."""

from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from knowledge import tables
from knowledge.history import History
from knowledge.quarantine import enter_decision
from knowledge.record import Rejected


@pytest.fixture(scope="module")
def history(postgresql: str) -> Iterator[History]:
    opened = History(f"postgresql+psycopg://{postgresql}/postgres")
    yield opened
    opened.engine.dispose()


def test_the_migrations_make_the_tables_the_code_knows(history: History) -> None:
    with history.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []


def test_a_night_its_results_and_the_pointer_are_kept(history: History) -> None:
    night = history.begin_night("support", date(2026, 11, 2), 1)
    history.note_night(night, status="finished", summary={"verdict": "steady"}, finished_at=datetime.now(UTC))
    (found,) = history.nights("support")
    assert (found.name, found.status, found.summary) == ("2026-11-02", "finished", {"verdict": "steady"})
    row = {
        "assistant": "support",
        "night": night.name,
        "suite": "s",
        "case_id": "c",
        "repeat": 0,
        "kind": "answerable",
        "case_digest": "d",
        "release": "r",
        "collection_version": 3,
        "answer": {"text": "ja"},
        "scores": [],
        "passed": None,
        "latency_ms": 1.5,
        "cost_usd": 0.0,
        "recorded_at": datetime.now(UTC),
    }
    history.record_results([row])
    history.record_results([{**row, "passed": True}])
    assert [each["passed"] for each in history.results("support", night.name)] == [True]
    history.move_pointer("support", release="r", versions={"support": 3}, moved_by="check", reason="floors hold")
    moved = history.move_pointer("support", release="r", versions={"support": 4}, moved_by="check", reason="again")
    assert history.pointer("support") == moved
    assert [entry["before"] for entry in history.audit("support")] == [
        None,
        {"release": "r", "versions": {"support": 3}},
    ]


def test_quarantine_counts_its_attempts(history: History) -> None:
    rejected = Rejected("d/a", "1", "parser", "corrupt", "why")
    for _ in range(2):
        history.update_quarantine("support", rejected=[rejected], still=set(), listed={"d/a"})
    (found,) = history.quarantined("support")
    assert (found.rejected, found.attempts) == (rejected, 2)
    enter_decision(history, "support", [found], decision="drop", by="person", reason="why")
    (dropped,) = history.quarantined("support")
    assert dropped.state == "dropped"
    assert dropped.accepted_at is not None
