"""Every transition of an attempt: what a purchase is answered, what a settlement makes of it, what it costs."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from ledger_facts import (
    CHARGE,
    DEAD,
    ELSEWHERE,
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
from sqlalchemy import event

from knowledge.call import Bought, Charge, Held, Limit, Reserved, Scope, Settlement
from knowledge.database import Database
from knowledge.errors import StateError
from knowledge.ledger import Ledger
from knowledge.ledger_commit import DUPLICATE, LOST
from knowledge.owner import LEASE_SECONDS, this_process

SCOPE = Scope("assistant support", NIGHT, Limit())
PLACE = (SCOPE.name, SCOPE.period)


@pytest.fixture
def ledger(database: Database) -> Ledger:
    return Ledger(database)


# --- what a purchase finds


def test_an_attempt_stands_in_the_ledger_before_it_is_sent(database: Database, ledger: Ledger) -> None:
    asked = purchase("q", scopes=(SCOPE,))
    assert ledger.commit([asked], []) == [Reserved(1)]
    found = row(database, 1)
    names = ("key", "status", "owner", "model_asked", "request", "assistant", "run", "reader", "segment", "scopes")
    assert [found[name] for name in names] == [
        asked.key,
        "reserved",
        this_process(),
        "model",
        asked.request,
        "support",
        "run",
        "hr",
        "gold",
        [list(PLACE)],
    ]
    assert (found["reserved_tokens"], found["reserved_usd"], found["reserved_ms"]) == (300, 0.03, 3000.0)
    assert (found["cost_usd"], found["settled_at"], found["reply"]) == (None, None, None)
    assert datetime.now(UTC) - found["reserved_at"] < timedelta(minutes=1)


def test_a_settled_attempt_is_read_instead_of_paid(database: Database, ledger: Ledger) -> None:
    (entry,) = reserve(ledger, purchase())
    ledger.commit([], [settled(entry)])
    bought = Bought(entry, "model", "model-1", "fp", {"text": "yes"}, CHARGE)
    assert Ledger(database, owner=ELSEWHERE).commit([purchase()], []) == [bought]
    assert ledger.bought(purchase().key) == bought
    assert ledger.bought(purchase("other").key) is None


@pytest.mark.parametrize("end", [failed, unknown])
def test_what_brought_no_reply_is_bought_again(database: Database, ledger: Ledger, end) -> None:
    (entry,) = reserve(ledger, purchase())
    assert ledger.commit([purchase()], [end(entry)]) == [Reserved(entry + 1)]
    assert ledger.bought(purchase().key) is None


@pytest.mark.parametrize("other", [{"night": "2026-11-22"}, {"repeat": 1}, {"purpose": "judge"}, {"name": "r"}])
def test_another_night_repeat_purpose_or_request_is_bought_by_itself(ledger: Ledger, other) -> None:
    (entry,) = reserve(ledger, purchase())
    assert ledger.commit([purchase(**other)], [settled(entry)]) == [Reserved(entry + 1)]


def test_the_same_key_twice_in_one_commit_is_held_the_second_time(ledger: Ledger) -> None:
    assert ledger.commit([purchase(), purchase("r"), purchase()], []) == [Reserved(1), Reserved(2), Held(1)]


def test_settlements_come_before_purchases(ledger: Ledger) -> None:
    (entry,) = reserve(ledger, purchase())
    (answer,) = ledger.commit([purchase()], [settled(entry)])
    assert answer == Bought(entry, "model", "model-1", "fp", {"text": "yes"}, CHARGE)


_LONG_AGO = datetime.now(UTC) - timedelta(seconds=LEASE_SECONDS + 1)


@pytest.mark.parametrize(
    ("fact", "owner", "columns", "held"),
    [
        ("this very process", None, {}, True),
        ("another host's, within the lease", ELSEWHERE, {}, True),
        ("another host's, after the lease", ELSEWHERE, {"reserved_at": _LONG_AGO}, False),
        ("this process's, however old", None, {"reserved_at": _LONG_AGO}, True),
        ("a process that is no more", DEAD, {}, False),
        ("a process whose number another one has now", "this process's number", {}, False),
        ("part of a batch, its process is no more", DEAD, {"batch": "batch_7"}, True),
    ],
)
def test_a_reservation_is_held_while_its_owner_lives(
    database: Database, ledger: Ledger, fact: str, owner: str | None, columns, held: bool
) -> None:
    if owner == "this process's number":
        owner = this_process() + "9"  # it began at another time
    (entry,) = reserve(Ledger(database, owner=owner), purchase())
    if columns:
        change(database, entry, **columns)
    (answer,) = ledger.commit([purchase()], [])
    if held:
        assert answer == Held(entry, columns.get("batch")), fact
        assert ledger.close_lost() == 0
    else:
        assert answer == Reserved(entry + 1), fact
        found = row(database, entry)
        assert (found["status"], found["cost_usd"], found["reason"]) == ("unknown", WORST.cost_usd, LOST)


def test_a_process_that_has_ended_and_nobody_has_waited_for_is_dead(database: Database, ledger: Ledger) -> None:
    code = "from knowledge.owner import this_process; print(this_process(), flush=True)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        owner = child.stdout.readline().strip()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        reserve(Ledger(database, owner=owner), purchase())
        assert ledger.commit([purchase()], []) == [Reserved(2)]


def test_the_lost_are_closed_at_once(database: Database, ledger: Ledger) -> None:
    reserve(Ledger(database, owner=DEAD), purchase("a", scopes=(SCOPE,)), purchase("b", scopes=(SCOPE,)))
    reserve(Ledger(database, owner=ELSEWHERE), purchase("c"))
    reserve(ledger, purchase("d"))
    assert (ledger.close_lost(), ledger.close_lost()) == (2, 0)
    assert [each["status"] for each in rows(database)] == ["unknown", "unknown", "reserved", "reserved"]
    assert spend(database)[PLACE] == WORST + WORST


# --- what a settlement makes of an attempt

_SETTLED, _FAILED, _RESERVED = (120, 0.01), (0, 0.002), (300, 0.03)


@pytest.mark.parametrize(
    ("before", "end", "status", "taken"),
    [
        (None, settled(1), "settled", _SETTLED),
        (None, failed(1), "failed", (0, 0.0)),
        (None, failed(1, cost_usd=0.002), "failed", _FAILED),
        (None, unknown(1), "unknown", _RESERVED),
        (unknown(1), settled(1), "settled", _SETTLED),
        (unknown(1), failed(1, cost_usd=0.002), "failed", _FAILED),
        (unknown(1), unknown(1), "unknown", _RESERVED),
        (settled(1), settled(1, charge=Charge(9, 9, 9, 9.0)), "settled", _SETTLED),
        (settled(1), failed(1), "settled", _SETTLED),
        (settled(1), unknown(1), "settled", _SETTLED),
        (failed(1, cost_usd=0.002), settled(1), "failed", _FAILED),
        (failed(1, cost_usd=0.002), unknown(1), "failed", _FAILED),
    ],
)
@pytest.mark.parametrize("commits", [1, 2])
def test_an_attempt_ends_once_and_only_an_unknown_one_can_be_known_later(
    database: Database, ledger: Ledger, before: Settlement | None, end: Settlement, status, taken, commits: int
) -> None:
    reserve(ledger, purchase(scopes=(SCOPE,)))
    if commits == 1:
        ledger.commit([], [before, end] if before else [end])
    else:
        ledger.commit([], [before] if before else [])
        ledger.commit([], [end])
    found = row(database, 1)
    assert found["status"] == status
    assert found["cost_usd"] == taken[1]
    assert (spend(database)[PLACE].tokens, spend(database)[PLACE].cost_usd) == pytest.approx(taken)


def test_what_came_back_is_kept_with_the_attempt(database: Database, ledger: Ledger) -> None:
    reserve(ledger, purchase())
    ledger.commit([], [settled(1)])
    found = row(database, 1)
    names = ("model_served", "fingerprint", "reply", "input_tokens", "cached_tokens", "output_tokens", "latency_ms")
    assert [found[name] for name in names] == ["model-1", "fp", {"text": "yes"}, 100, 40, 20, 700.0]
    assert found["first_token_ms"] == 90.0
    assert found["settled_at"] >= found["reserved_at"]


@pytest.mark.parametrize(
    ("fact", "second", "status"),
    [
        ("nobody has bought it again", None, "settled"),
        ("somebody alive is buying it again", [], "failed"),
        ("it was bought again", [settled(2, text="the second")], "failed"),
        ("buying it again failed", [failed(2)], "settled"),
        ("whoever bought it again is dead as well", "dead", "settled"),
    ],
)
def test_a_reply_that_comes_after_its_process_was_taken_for_dead_is_not_lost(
    database: Database, ledger: Ledger, fact: str, second, status: str
) -> None:
    slow = Ledger(database, owner=DEAD)
    reserve(slow, purchase(scopes=(SCOPE,)))
    ledger.close_lost()
    if second is not None:
        reserve(Ledger(database, owner=DEAD + "1") if second == "dead" else ledger, purchase())
        ledger.commit([], [] if second == "dead" else second)
    slow.commit([], [settled(1, text="the first")])
    found = row(database, 1)
    assert (found["status"], found["reply"], found["cost_usd"]) == (status, {"text": "the first"}, 0.01), fact
    assert found["reason"] == (DUPLICATE if status == "failed" else None)
    assert spend(database)[PLACE].cost_usd == pytest.approx(0.01)
    held = [each["id"] for each in rows(database) if each["status"] in {"reserved", "settled"}]
    assert held == ([1] if status == "settled" else [2])


def test_a_late_reply_takes_the_place_of_one_whose_text_is_gone(database: Database, ledger: Ledger) -> None:
    reserve(ledger, purchase())
    ledger.commit([], [unknown(1)])
    reserve(ledger, purchase())
    ledger.commit([], [settled(2)])
    ledger.forget_texts(datetime.now(UTC) + timedelta(days=1))
    ledger.commit([], [settled(1)])
    assert [each["status"] for each in rows(database)] == ["settled", "expired"]


def test_an_entry_that_does_not_exist_is_told_and_nothing_is_written(database: Database, ledger: Ledger) -> None:
    with pytest.raises(StateError, match="ledger entry 7: it is not in the state database"):
        ledger.commit([purchase()], [settled(7)])
    assert rows(database) == []


def test_whatever_an_endpoint_says_can_be_stored(database: Database, ledger: Ledger) -> None:
    reserve(ledger, purchase("a\0\ud800"))
    odd = "x\0y\ud800" * 300
    ledger.commit([], [Settlement(1, "settled", CHARGE, odd, odd, {"text": odd}, odd)])
    assert row(database, 1)["model_served"] == "xy?" * 300
    assert ledger.bought(purchase("a\0\ud800").key) is not None


# --- that it is quick


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_statement_searches_the_whole_ledger(database: Database, ledger: Ledger) -> None:
    asked: list[tuple[str, object]] = []

    def note(_, __, statement, parameters, ___, many) -> None:
        if statement.startswith(("SELECT", "UPDATE")):
            asked.append((statement, parameters[0] if many else parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    reserve(Ledger(database, owner=DEAD), purchase("a"), purchase("b", scopes=(SCOPE,)))
    ledger.commit([purchase("a"), purchase("c", scopes=(SCOPE,))], [unknown(2)])
    ledger.commit([], [settled(3)])
    ledger.bought(purchase("a").key)
    ledger.cached(purchase("a").request_digest, "answer", since=datetime.now(UTC))
    ledger.close_lost()
    ledger.forget_texts(datetime.now(UTC))
    event.remove(database.engine, "before_cursor_execute", note)
    assert len(asked) >= 12
    with database.engine.connect() as connection:
        for statement, parameters in asked:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
            assert not [step for step in plan if step[3] == "SCAN ledger"], statement
