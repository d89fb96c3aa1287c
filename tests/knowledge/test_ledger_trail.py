"""What the ledger is read for later: the response cache, spending, the audit trail; and what it forgets."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from alembic import command
from alembic.config import Config
from ledger_facts import (
    CHARGE,
    DEAD,
    NIGHT,
    WORST,
    change,
    failed,
    purchase,
    reserve,
    row,
    rows,
    settled,
    spend,
    unknown,
)
from sqlalchemy import create_engine, text

import knowledge.migrations
from knowledge import ledger_export, tables
from knowledge.call import Bought, Limit, Reserved, Scope
from knowledge.database import Database
from knowledge.errors import StateError
from knowledge.history import History
from knowledge.ledger import Ledger
from knowledge.ledger_export import export_ledger
from knowledge.spending import Spending, read_spending

NOW = datetime.now(UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def ledger(database: Database) -> Ledger:
    return Ledger(database)


# --- the response cache


def _cached(ledger: Ledger, *, since: datetime = NOW - HOUR, **asked) -> str | None:
    found = ledger.cached(purchase(**asked).request_digest, purchase(**asked).account.purpose, since=since)
    return found and found.reply["text"]


def test_the_newest_reply_to_a_request_is_cached_whatever_night_it_was_bought_for(
    database: Database, ledger: Ledger
) -> None:
    reserve(ledger, *(purchase(night=f"2026-11-0{number}") for number in (1, 2, 3)))
    ledger.commit([], [settled(1, text="old"), settled(2, text="new"), failed(3)])
    change(database, 1, settled_at=NOW - 2 * DAY)
    assert _cached(ledger) == "new"
    change(database, 2, settled_at=NOW - 3 * DAY)
    assert (_cached(ledger), _cached(ledger, since=NOW - 2.5 * DAY)) == (None, "old")
    assert (_cached(ledger, purpose="judge"), _cached(ledger, name="other")) == (None, None)


def test_a_reply_whose_text_is_gone_is_not_cached(ledger: Ledger) -> None:
    reserve(ledger, purchase())
    ledger.commit([], [settled(1)])
    ledger.forget_texts(NOW + DAY)
    assert _cached(ledger) is None


# --- retention


def test_texts_are_forgotten_once_and_digests_counts_and_costs_stay(database: Database, ledger: Ledger) -> None:
    scope = Scope("run", NIGHT, Limit())
    reserve(ledger, *(purchase(name, scopes=(scope,)) for name in "abcd"))
    ledger.commit([], [settled(1), failed(2), unknown(3)])
    before, taken = rows(database), spend(database)
    assert ledger.forget_texts(NOW - DAY) == 0
    assert rows(database) == before
    assert (ledger.forget_texts(NOW + DAY), ledger.forget_texts(NOW + DAY)) == (3, 0)
    after = rows(database)
    assert [(each["request"], each["reply"]) for each in after[:3]] == [(None, None)] * 3
    assert after[3] == before[3], "what is under way keeps its request"
    kept = [name for name in before[0] if name not in {"request", "reply"}]
    assert [[each[name] for name in kept] for each in after] == [[each[name] for name in kept] for each in before]
    assert spend(database) == taken


def test_what_ended_after_the_moment_keeps_its_text(database: Database, ledger: Ledger) -> None:
    reserve(ledger, purchase("old"), purchase("new"))
    ledger.commit([], [settled(1), settled(2)])
    for entry, ended in ((1, NOW - 31 * DAY), (2, NOW - 29 * DAY)):
        change(database, entry, reserved_at=NOW - 32 * DAY, settled_at=ended)
    assert ledger.forget_texts(NOW - 30 * DAY) == 1
    assert [each["reply"] for each in rows(database)] == [None, {"text": "yes"}]


def test_a_forgotten_reply_is_bought_again_and_says_so(database: Database, ledger: Ledger) -> None:
    reserve(ledger, purchase())
    ledger.commit([], [settled(1)])
    ledger.forget_texts(NOW + DAY)
    assert ledger.bought(purchase().key) is None
    assert ledger.commit([purchase()], []) == [Reserved(2, expired=True)]
    assert isinstance(ledger.commit([purchase()], [settled(2)])[0], Bought)
    assert [(each["status"], each["cost_usd"]) for each in rows(database)] == [("expired", 0.01), ("settled", 0.01)]


# --- spending


def test_spending_is_told_by_assistant_purpose_and_model_the_dearest_first(database: Database, ledger: Ledger) -> None:
    reserve(ledger, *(purchase(f"{number}") for number in range(4)))
    reserve(ledger, purchase("embed", purpose="embed", model="small"), purchase("other", assistant="desk"))
    ledger.commit([], [settled(1), failed(2, cost_usd=0.002), unknown(3), settled(5)])
    assert read_spending(database) == [
        Spending("support", "answer", "model", 4, 1, 1, 1, 100, 40, 20, pytest.approx(0.01 + 0.002 + WORST.cost_usd)),
        Spending("support", "embed", "small", 1, 0, 0, 0, 100, 40, 20, CHARGE.cost_usd),
        Spending("desk", "answer", "model", 1, 0, 0, 1, 0, 0, 0, 0.0),
    ]
    change(database, 5, reserved_at=NOW - 3 * DAY)
    assert [each.model for each in read_spending(database, since=NOW - 2 * DAY)] == ["model", "model"]
    assert read_spending(database, since=NOW + DAY) == []


# --- the audit trail


def test_the_audit_trail_holds_every_attempt_typed(database: Database, ledger: Ledger, tmp_path: Path) -> None:
    reserve(ledger, purchase("Fünf?", scopes=(Scope("run", NIGHT, Limit()),)), purchase("b"), purchase("c"))
    ledger.commit([], [settled(1, text="fünf"), failed(2)])
    path = tmp_path / "trail.parquet"
    assert export_ledger(database, path) == 3
    trail = pyarrow.parquet.read_table(path)
    assert trail.column_names == [column.name for column in tables.ledger.columns]
    types = {"id": "int64", "cost_usd": "double", "reply": "string", "reserved_at": "timestamp[us, tz=UTC]"}
    assert {name: str(trail.schema.field(name).type) for name in types} == types
    first, second, third = trail.to_pylist()
    assert json.loads(first["request"]) == purchase("Fünf?").request
    assert json.loads(first["reply"]) == {"text": "fünf"}
    assert json.loads(first["scopes"]) == [["run", NIGHT]]
    stored = row(database, 1)
    plain = [name for name in stored if name not in {"request", "reply", "scopes"}]
    assert {name: first[name] for name in plain} == {name: stored[name] for name in plain}
    assert (second["status"], second["reply"], second["reason"]) == ("failed", None, "500")
    assert (third["status"], third["cost_usd"], third["settled_at"]) == ("reserved", None, None)
    assert list(tmp_path.iterdir()) == [path]


def test_the_audit_trail_is_written_in_row_groups_and_can_begin_later(
    database: Database, ledger: Ledger, tmp_path: Path
) -> None:
    many = ledger_export.ROWS_AT_ONCE + 5
    reserve(ledger, *(purchase(f"{number}") for number in range(many)))
    path = tmp_path / "trail.parquet"
    path.write_text("an older one")
    assert export_ledger(database, path) == many
    trail = pyarrow.parquet.ParquetFile(path)
    assert [trail.metadata.row_group(number).num_rows for number in range(2)] == [ledger_export.ROWS_AT_ONCE, 5]
    change(database, 1, reserved_at=NOW - 3 * DAY)
    assert export_ledger(database, path, since=NOW - DAY) == many - 1
    assert export_ledger(database, path, since=NOW + DAY) == 0
    assert pyarrow.parquet.read_table(path).num_rows == 0


@pytest.mark.parametrize(("name", "told"), [("none/x.parquet", "No such file"), (".", "s a directory")])
def test_a_place_that_cannot_be_written_is_told(database: Database, tmp_path: Path, name: str, told: str) -> None:
    with pytest.raises(StateError, match=told):
        export_ledger(database, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


# --- the schema before


def test_a_database_of_the_first_ledger_gets_the_new_one_and_keeps_its_nights(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'state.db'}"
    config = Config()
    config.set_main_option("script_location", str(Path(knowledge.migrations.__file__).parent))
    engine = create_engine(url)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        connection.execute(
            text(
                "insert into night values ('support', '2026-11-02', '2026-11-02', 1, 'finished', :at, :at, null, null)"
            ),
            {"at": "2026-11-02 02:00:00"},
        )
        connection.execute(
            text(
                "insert into ledger (request_digest, purpose, night, repeat, status, model_asked, reserved_at) "
                "values ('d', 'answer', '2026-11-02', 0, 'settled', 'm', '2026-11-02 02:00:00')"
            )
        )
    engine.dispose()
    history = History(url)
    assert [night.name for night in history.nights("support")] == ["2026-11-02"]
    assert rows(history) == []
    assert Ledger(history, owner=DEAD).commit([purchase()], []) == [Reserved(1)]
