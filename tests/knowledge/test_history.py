"""The state database: what it keeps, what it forgets, and what it says when it cannot be opened."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect
from sqlalchemy.exc import IntegrityError, StatementError

from knowledge import tables
from knowledge.errors import StateError
from knowledge.history import History
from knowledge.record import Rejected

_DAY = date(2026, 11, 2)


@pytest.fixture
def history(tmp_path):
    return History(f"sqlite:///{tmp_path / 'state.db'}")


def _result(**values):
    row = {
        "assistant": "desk",
        "night": "2026-11-02",
        "suite": "customers",
        "case_id": "a-case",
        "repeat": 1,
        "kind": "answerable",
        "case_digest": "c",
        "release": "r",
        "collection_version": 3,
        "answer": {"text": "Fünf Tage."},
        "scores": [{"name": "facts", "value": 1.0}],
        "passed": True,
        "latency_ms": 1.5,
        "cost_usd": 0.0,
        "recorded_at": datetime(2026, 11, 2, 3, tzinfo=UTC),
    }
    return row | values


def _rejected(doc_id, *, sha="1" * 64, reason="corrupt"):
    return Rejected(doc_id, sha, "parser", reason, "why")


# --- schema


def test_the_migrations_make_the_tables_that_the_code_declares(history):
    with history.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, tables.metadata) == []


@pytest.mark.parametrize("table", tables.metadata.sorted_tables, ids=lambda table: table.name)
def test_a_migrated_table_has_the_declared_columns_and_key(history, table):
    found = inspect(history.engine)
    columns = {column["name"]: column["nullable"] for column in found.get_columns(table.name)}
    assert columns == {column.name: column.nullable for column in table.columns}
    assert found.get_pk_constraint(table.name)["constrained_columns"] == [key.name for key in table.primary_key]


def test_a_database_opened_again_keeps_what_it_holds(tmp_path, history):
    history.begin_night("desk", _DAY, 1)
    again = History(f"sqlite:///{tmp_path / 'state.db'}")
    assert [night.name for night in again.nights("desk")] == ["2026-11-02"]


# --- nights


@pytest.mark.parametrize(("sequence", "name"), [(1, "2026-11-02"), (2, "2026-11-02.2"), (11, "2026-11-02.11")])
def test_a_repeat_of_a_night_has_its_number_in_its_name(history, sequence, name):
    assert history.begin_night("desk", _DAY, sequence).name == name


def test_a_night_is_running_until_it_is_finished(history):
    night = history.begin_night("desk", _DAY, 1)
    assert [(each.status, each.summary) for each in history.nights("desk")] == [("running", None)]
    history.note_night(night, status="finished", summary={"cases": 3}, mlflow_run_id="run", finished_at=_moment(6))
    (read,) = history.nights("desk")
    assert (read.status, read.summary, read.mlflow_run_id) == ("finished", {"cases": 3}, "run")


def test_a_night_cannot_begin_twice(history):
    history.begin_night("desk", _DAY, 1)
    with pytest.raises(IntegrityError):
        history.begin_night("desk", _DAY, 1)


def test_nights_come_oldest_first_and_the_last_ones_when_few_are_asked(history):
    for day, sequence in ((3, 1), (2, 1), (3, 11), (3, 2)):
        history.begin_night("desk", date(2026, 11, day), sequence)
    history.begin_night("other", _DAY, 1)
    names = ["2026-11-02", "2026-11-03", "2026-11-03.2", "2026-11-03.11"]
    assert [night.name for night in history.nights("desk")] == names
    assert [night.name for night in history.nights("desk", last=2)] == names[-2:]
    assert history.nights("nobody") == []


# --- results


def test_a_result_that_stands_already_is_replaced(history):
    history.record_results([_result(), _result(repeat=2)])
    history.record_results([_result(passed=False, scores=[])])
    read = history.results("desk", "2026-11-02")
    assert [(row["repeat"], row["passed"], row["scores"]) for row in read] == [
        (1, False, []),
        (2, True, [{"name": "facts", "value": 1.0}]),
    ]


def test_results_come_by_suite_and_case_and_of_one_night_alone(history):
    history.record_results(
        [
            _result(suite="staff", case_id="a"),
            _result(case_id="b"),
            _result(case_id="a"),
            _result(night="2026-11-03"),
            _result(assistant="other"),
        ]
    )
    read = history.results("desk", "2026-11-02")
    assert [(row["suite"], row["case_id"]) for row in read] == [("customers", "a"), ("customers", "b"), ("staff", "a")]
    assert read[0]["answer"] == {"text": "Fünf Tage."}


def test_a_case_that_could_not_be_graded_is_neither_passed_nor_failed(history):
    history.record_results([_result(passed=None)])
    assert history.results("desk", "2026-11-02")[0]["passed"] is None


def test_no_results_are_no_work(history):
    history.record_results([])
    assert history.results("desk", "2026-11-02") == []


# --- quarantine


def _attempts(history, collection="support"):
    return {entry.rejected.doc_id: entry.attempts for entry in history.quarantined(collection)}


def test_attempts_are_counted_and_the_last_reason_stands(history):
    history.update_quarantine("support", rejected=[_rejected("d/a")], still=set(), listed={"d/a"})
    (first,) = history.quarantined("support")
    again = _rejected("d/a", sha="2" * 64, reason="timeout")
    history.update_quarantine("support", rejected=[again], still=set(), listed={"d/a"})
    (second,) = history.quarantined("support")
    assert (second.attempts, second.rejected) == (2, again)
    assert second.first_seen == first.first_seen
    assert second.last_seen >= first.last_seen


@pytest.mark.parametrize(
    ("fact", "rejected", "still", "listed", "kept"),
    [
        ("held still", [], {"d/a", "d/b"}, {"d/a", "d/b"}, {"d/a": 1, "d/b": 1}),
        ("one is good now", [], {"d/a"}, {"d/a", "d/b"}, {"d/a": 1}),
        ("one is listed no more", [], {"d/a"}, {"d/a"}, {"d/a": 1}),
        ("one is held but listed no more", [], {"d/a", "d/b"}, {"d/a"}, {"d/a": 1}),
        ("all are good now", [], set(), {"d/a", "d/b"}, {}),
        ("one was tried again", [_rejected("d/b")], {"d/a"}, {"d/a", "d/b"}, {"d/a": 1, "d/b": 2}),
        ("a third one comes", [_rejected("d/c")], {"d/b"}, {"d/b", "d/c"}, {"d/b": 1, "d/c": 1}),
    ],
)
def test_the_quarantine_holds_what_is_listed_and_rejected(history, fact, rejected, still, listed, kept):
    both = [_rejected("d/a"), _rejected("d/b")]
    history.update_quarantine("support", rejected=both, still=set(), listed={"d/a", "d/b"})
    history.update_quarantine("support", rejected=rejected, still=still, listed=listed)
    assert _attempts(history) == kept, fact


def test_another_collections_quarantine_is_left_alone(history):
    history.update_quarantine("support", rejected=[_rejected("d/a")], still=set(), listed={"d/a"})
    history.update_quarantine("other", rejected=[_rejected("d/a")], still=set(), listed={"d/a"})
    history.update_quarantine("support", rejected=[], still=set(), listed=set())
    assert (_attempts(history), _attempts(history, "other")) == ({}, {"d/a": 1})


# --- pointer and audit


def test_before_the_first_move_nothing_serves(history):
    assert (history.pointer("desk"), history.pointers(), history.audit("desk")) == (None, [], [])


def test_every_move_of_a_pointer_stands_in_the_audit_with_before_and_after(history):
    history.move_pointer("desk", release="r1", versions={"support": 3}, moved_by="nightly", reason="first")
    history.move_pointer("other", release="r9", versions={}, moved_by="nightly", reason="x")
    moved = history.move_pointer("desk", release="r2", versions={"support": 5}, moved_by="a person", reason="newer")
    assert history.pointer("desk") == moved
    assert (moved.release, moved.versions, moved.moved_by, moved.reason) == ("r2", {"support": 5}, "a person", "newer")
    assert [(row["actor"], row["before"], row["after"], row["reason"]) for row in history.audit("desk")] == [
        ("nightly", None, {"release": "r1", "versions": {"support": 3}}, "first"),
        (
            "a person",
            {"release": "r1", "versions": {"support": 3}},
            {"release": "r2", "versions": {"support": 5}},
            "newer",
        ),
    ]
    assert [pointer.assistant for pointer in history.pointers()] == ["desk", "other"]


# --- sources, spending, times


def test_a_remembered_source_is_replaced_by_its_newer_url(history):
    history.remember_source(name="b", collection="b", url="/old")
    history.remember_source(name="a", collection="a", url="/a")
    history.remember_source(name="b", collection="b", url="/new")
    assert [(row["name"], row["url"]) for row in history.sources()] == [("a", "/a"), ("b", "/new")]


def _moment(hour, **offset):
    return datetime(2026, 11, 2, hour, 30, tzinfo=timezone(timedelta(**offset)))


@pytest.mark.parametrize("given", [_moment(3), _moment(5, hours=2), _moment(9, hours=5, minutes=30)])
def test_times_come_back_as_the_same_moment_in_utc(history, given):
    history.record_results([_result(recorded_at=given)])
    read = history.results("desk", "2026-11-02")[0]["recorded_at"]
    assert (read, read.tzinfo) == (given, UTC)


def test_a_time_without_a_zone_is_refused(history):
    with pytest.raises(StatementError, match="has no time zone"):
        history.record_results([_result(recorded_at=datetime(2026, 11, 2))])


# --- what cannot be opened


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("nonsense", "the URL is not one of a SQLite file or PostgreSQL"),
        ("", "the URL is not one of a SQLite file or PostgreSQL"),
        ("nosuch://user:sesame@host/name", "the URL is not one of a SQLite file or PostgreSQL"),
        ("postgresql+nosuch://user:sesame@host/name", "the URL is not one of a SQLite file or PostgreSQL"),
        ("postgresql+psycopg://user:sesame@127.0.0.1:1/name", "user:***@127.0.0.1:1/name: cannot be opened"),
        ("sqlite:////nowhere/at/all/state.db", "/nowhere/at/all/state.db: cannot be opened (unable to open"),
        ("sqlite:////tmp", "cannot be opened (unable to open database file)"),
    ],
)
def test_a_database_that_cannot_be_opened_is_told_in_a_line_without_its_password(url, told):
    with pytest.raises(StateError) as error:
        _ = History(url).engine
    assert told in str(error.value)
    assert "sesame" not in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "url", ["mysql://u:hush@h/x", "postgresql+psycopg://u:hush@h:port/x", "sqlite:///{folder}/text"]
)
def test_whatever_is_wrong_with_the_database_is_a_state_error(tmp_path, url):
    (tmp_path / "text").write_text("no database at all, but long enough to be looked at" * 40)
    with pytest.raises(StateError, match="state database") as caught:
        _ = History(url.format(folder=tmp_path)).engine
    assert "hush" not in str(caught.value)
