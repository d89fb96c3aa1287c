"""Budgets: what does not fit is not begun, and what the scopes have taken always agrees with the rows."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger_facts import (
    CHARGE,
    DEAD,
    NIGHT,
    WORST,
    empty,
    failed,
    purchase,
    reserve,
    rows,
    settled,
    spend,
    taken_by_rows,
    unknown,
)

from knowledge.call import Amount, Charge, Limit, OverBudget, Reserved, Scope, Settlement
from knowledge.database import Database
from knowledge.ledger import Ledger


@pytest.fixture
def ledger(database: Database) -> Ledger:
    return Ledger(database)


def scope(name: str = "run", **limit: float) -> Scope:
    return Scope(name, NIGHT, Limit(**limit))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("limits", "refused"),
    [
        ([{}], None),
        ([{"tokens": 300, "cost_usd": 0.03, "milliseconds": 3000.0}], None),
        ([{"tokens": 299}], (0, "tokens", 299)),
        ([{"cost_usd": 0.029}], (0, "cost_usd", 0.029)),
        ([{"milliseconds": 2999.0}], (0, "milliseconds", 2999.0)),
        ([{"tokens": 0}], (0, "tokens", 0)),
        ([{"tokens": 300}, {"cost_usd": 0.01}, {"tokens": 1}], (1, "cost_usd", 0.01)),
    ],
)
def test_a_purchase_that_does_not_fit_every_scope_at_its_worst_is_not_begun(
    database: Database, ledger: Ledger, limits, refused
) -> None:
    scopes = tuple(scope(f"scope {number}", **limit) for number, limit in enumerate(limits))
    (answer,) = ledger.commit([purchase(scopes=scopes)], [])
    if refused is None:
        assert answer == Reserved(1)
        assert set(spend(database).values()) == {WORST}
    else:
        number, what, limit = refused
        assert answer == OverBudget(scopes[number], what, limit, 0, getattr(WORST, what))
        assert (rows(database), spend(database)) == ([], {})


def test_what_one_commit_reserves_counts_for_its_next_purchase(ledger: Ledger) -> None:
    tight = scope(tokens=700)
    small = purchase("d", worst=Amount(100), scopes=(tight,))
    answers = ledger.commit([*(purchase(name, scopes=(tight,)) for name in "abc"), small], [])
    assert answers == [Reserved(1), Reserved(2), OverBudget(tight, "tokens", 700, 600, 300), Reserved(3)]


def test_a_sum_of_floats_fits_its_own_sum(ledger: Ledger) -> None:
    tenth = Amount(cost_usd=0.1)
    answers = ledger.commit([purchase(name, worst=tenth, scopes=(scope(cost_usd=0.3),)) for name in "abcd"], [])
    assert [isinstance(each, Reserved) for each in answers] == [True, True, True, False]


@pytest.mark.parametrize(("end", "fits"), [(settled(1), True), (failed(1), True), (unknown(1), False)])
def test_a_known_outcome_gives_back_what_it_did_not_take(ledger: Ledger, end: Settlement, fits: bool) -> None:
    tight = scope(tokens=450)
    reserve(ledger, purchase(scopes=(tight,)))
    (answer,) = ledger.commit([purchase("next", scopes=(tight,))], [end])
    assert isinstance(answer, Reserved) == fits


def test_another_period_begins_at_nothing(ledger: Ledger) -> None:
    today = scope(tokens=300)
    tomorrow = replace(today, period="2026-11-22")
    reserve(ledger, purchase("a", scopes=(today,)), purchase("b", scopes=(tomorrow,)))
    (answer,) = ledger.commit([purchase("c", scopes=(today,))], [])
    assert isinstance(answer, OverBudget)


def test_a_bought_or_held_reply_needs_no_budget(ledger: Ledger) -> None:
    first, second = reserve(ledger, purchase("a"), purchase("b"))
    none = scope(tokens=0)
    answers = ledger.commit([purchase("a", scopes=(none,)), purchase("b", scopes=(none,))], [settled(first)])
    assert [each.entry for each in answers if not isinstance(each, OverBudget)] == [first, second]


def test_what_does_not_fit_leaves_the_dead_and_the_forgotten_as_they_were(database: Database, ledger: Ledger) -> None:
    reserve(Ledger(database, owner=DEAD), purchase("lost"))
    (entry,) = reserve(ledger, purchase("forgotten"))
    ledger.commit([], [settled(entry)])
    ledger.forget_texts(datetime.now(UTC) + timedelta(days=1))
    before = rows(database)
    again = [purchase(name, scopes=(scope(tokens=0),)) for name in ("lost", "forgotten")]
    assert all(isinstance(each, OverBudget) for each in ledger.commit(again, []))
    assert rows(database) == before
    assert ledger.commit([purchase("forgotten")], []) == [Reserved(3, expired=True)]


def test_what_took_more_than_was_reserved_is_told_as_it_was(database: Database, ledger: Ledger) -> None:
    tight = scope(cost_usd=0.04)
    reserve(ledger, purchase(scopes=(tight,)))
    dear = replace(CHARGE, cost_usd=0.05)
    (answer,) = ledger.commit([purchase("next", scopes=(tight,))], [settled(1, charge=dear)])
    assert isinstance(answer, OverBudget)
    assert spend(database)["run", NIGHT].cost_usd == pytest.approx(0.05)


# --- after anything that can happen

_LIMITS = (
    scope("run", tokens=1500),
    scope("assistant", cost_usd=0.2),
    scope("day", milliseconds=20000.0),
    scope("all"),
)
_BUY = st.tuples(
    st.just("buy"),
    st.lists(
        st.tuples(st.integers(0, 4), st.sets(st.sampled_from(_LIMITS)), st.integers(1, 600)), min_size=1, max_size=4
    ),
)
_END = st.tuples(
    st.just("end"),
    st.lists(
        st.tuples(st.integers(1, 12), st.sampled_from(["settled", "failed", "unknown"]), st.floats(0, 1)), max_size=4
    ),
)
_OTHER = st.tuples(st.sampled_from(["crash", "close", "forget"]), st.none())


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('budgets') / 'state.db'}")
    yield database
    database.engine.dispose()


@given(steps=st.lists(st.one_of(_BUY, _END, _OTHER), max_size=14))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_scopes_agree_with_the_rows_and_keep_their_limits_whatever_happens(scratch: Database, steps) -> None:
    empty(scratch)
    lives = 1
    ledger = _life(scratch, lives)
    for what, content in steps:
        match what:
            case "buy":
                ledger.commit([_asked(*each) for each in content], [])
            case "end":
                ledger.commit([], [_ended(scratch, *each) for each in content if each[0] <= len(rows(scratch))])
            case "crash":
                lives += 1
                ledger = _life(scratch, lives)
            case "close":
                ledger.close_lost()
            case "forget":
                ledger.forget_texts(datetime.now(UTC) + timedelta(days=1))
        _check(scratch)


def _life(database: Database, number: int) -> Ledger:
    """A process that is dead for every other one: no process has its number."""
    return Ledger(database, owner=f"{socket.gethostname()}/4194305/{number}.00")


def _asked(name: int, scopes: set[Scope], tokens: int):
    worst = Amount(tokens, tokens / 7000, tokens * 9.1)
    return purchase(f"{name}", worst=worst, scopes=tuple(sorted(scopes, key=lambda each: each.name)))


def _ended(database: Database, entry: int, status, share: float) -> Settlement:
    found = rows(database)[entry - 1]
    tokens, cost_usd = int(found["reserved_tokens"] * share), found["reserved_usd"] * share
    charge = Charge(tokens, 0, 0, cost_usd, found["reserved_ms"] * share)
    return Settlement(entry, status, charge, reply={"text": "yes"} if status == "settled" else None)


def _check(database: Database) -> None:
    taken, by_rows = spend(database), taken_by_rows(database)
    assert taken.keys() == by_rows.keys()
    for place, amount in taken.items():
        expected = by_rows[place]
        assert amount.tokens == expected.tokens
        assert (amount.cost_usd, amount.milliseconds) == pytest.approx((expected.cost_usd, expected.milliseconds))
    for each in _LIMITS:
        amount = taken.get((each.name, NIGHT), Amount())
        assert amount.tokens <= (each.limit.tokens or 10**9)
        assert amount.cost_usd <= (each.limit.cost_usd or 10**9) * 1.000001
        assert amount.milliseconds <= (each.limit.milliseconds or 10**9) * 1.000001
