"""Promotion: which version serves after a check, what is proven, going back, and closed collections."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from made_nights import fresh
from made_versions import (
    QUERIES,
    TEXTS,
    ask,
    check_night,
    connections_to,
    look,
    make_version,
    write_source,
)
from sqlalchemy import update

from evals.paired import bound_mean
from flows.collection import _leaks
from flows.connect import Connections
from flows.pointers import go_back, move_pointers, opened_as_of, stand, version_before
from flows.promotion import promote
from knowledge import tables
from knowledge.errors import CollectionError
from knowledge.promotion import Promotions

MOVED = "This page was moved."


@pytest.fixture
def connections(tmp_path: Path) -> Connections:
    found = connections_to(tmp_path)
    ask(found, *QUERIES)
    found.project.evals.joinpath("gates.yaml").write_text("floors: {mine: {recall@5: 0.1}}\n")
    return found


def _serving_and_proven(connections: Connections) -> tuple[int | None, int | None]:
    standing = stand(connections, "mine", 1)
    return standing.serving, standing.proven


def _spoilt(count: int, start: int = 0) -> dict[str, str]:
    """So many documents of which only the title is left."""
    return dict.fromkeys(list(TEXTS)[start : start + count], MOVED)


def test_the_first_version_serves_and_is_proven(connections: Connections) -> None:
    version = make_version(connections, TEXTS)
    decision = check_night(connections, version, day=1)
    assert (decision.gate.verdict, decision.production, decision.proven) == ("pass", version, version)


def test_a_worse_version_is_held_and_a_good_one_is_proven(connections: Connections) -> None:
    first = make_version(connections, TEXTS)
    check_night(connections, first, day=1)
    worse = check_night(connections, make_version(connections, _spoilt(9)), day=2)
    assert (worse.gate.verdict, worse.production, worse.proven, worse.rolled_back) == ("fail", first, first, False)
    mended = make_version(connections, TEXTS)
    good = check_night(connections, mended, day=3)
    assert (good.gate.verdict, good.production, good.proven) == ("pass", mended, mended)


def test_without_evidence_a_version_serves_unproven_and_is_held_against_what_is_proven(
    connections: Connections,
) -> None:
    first = make_version(connections, TEXTS)
    check_night(connections, first, day=1)
    second = make_version(connections, _spoilt(1))
    unproven = check_night(connections, second, day=2)
    assert (unproven.gate.verdict, unproven.production, unproven.proven) == ("not enough evidence", second, first)
    pointer = connections.history.pointer("collection:mine")
    assert pointer is not None
    assert pointer.reason.startswith("check: unproven, nDCG@10 -0.0")
    version = make_version(connections, _spoilt(5, start=1))
    third = check_night(connections, version, day=3)
    against_first = look(connections, version).compared.differences[version]
    assert third.gate.difference == bound_mean(against_first.differences)
    assert (third.gate.verdict, third.production) == ("fail", second)


def test_what_serves_unproven_and_shows_to_be_worse_goes_back_and_closes(connections: Connections) -> None:
    first = make_version(connections, TEXTS)
    check_night(connections, first, day=1)
    ask(connections, *QUERIES[15:])
    bad = make_version(connections, _spoilt(9))  # none of the labelled queries is about these
    assert check_night(connections, bad, day=2).production == bad
    connections.store.open("mine").tag("proven", first)  # as where those queries had been no evidence
    ask(connections, *QUERIES)
    decision = check_night(connections, bad, day=3)
    assert (decision.rolled_back, decision.production, decision.proven) == (True, first, first)
    closure = Promotions(connections.history).closure("mine")
    assert closure is not None
    assert (closure.good, closure.bad) == (first, bad)
    assert f"version {bad} serves unproven; nDCG@10 -0." in closure.reason
    again = check_night(connections, bad, day=4)
    assert (again.gate.verdict, again.production) == ("fail", first)
    assert "promotion is closed since" in again.gate.reason


def test_a_closed_collection_stays_closed_until_the_cause_has_changed(connections: Connections) -> None:
    good = make_version(connections, TEXTS)
    check_night(connections, good, day=1)
    bad = make_version(connections, {"d/new": "An odd page."})
    check_night(connections, bad, day=2)
    go_back(connections, "mine", to=good, by="person", reason="odd answers")
    assert _serving_and_proven(connections) == (good, good)
    same = check_night(connections, make_version(connections, {"d/other": "Another page."}), day=3)
    assert (same.gate.verdict, same.production) == ("fail", good)
    assert "closed since" in same.gate.reason
    assert "odd answers" in same.gate.reason
    changed = make_version(connections, {"d/new": "A mended page."})
    assert check_night(connections, changed, day=4).production == changed
    actions = [each["action"] for each in connections.history.audit("collection:mine")]
    assert actions[-4:] == ["close promotion", "move pointer", "open promotion", "move pointer"]


def test_a_person_opens_a_closed_collection(connections: Connections) -> None:
    good = make_version(connections, TEXTS)
    check_night(connections, good, day=1)
    bad = make_version(connections, {"d/new": "An odd page."})
    check_night(connections, bad, day=2)
    go_back(connections, "mine", to=version_before(connections, "mine"), by="person", reason="odd")
    assert Promotions(connections.history).open("mine", reason="it was not that", by="person")
    assert check_night(connections, bad, day=3).production == bad
    assert not Promotions(connections.history).open("mine", reason="again", by="person")


def test_going_back_twice_goes_further_back(connections: Connections) -> None:
    versions = [make_version(connections, {"d/a": f"text {number}"}) for number in range(3)]
    for each in versions:
        move_pointers(connections, "mine", each, by="check", reason="good")
    for expected in (versions[1], versions[0]):
        assert version_before(connections, "mine") == expected
        go_back(connections, "mine", to=expected, by="person", reason="bad")
    with pytest.raises(CollectionError, match="is the first that served"):
        version_before(connections, "mine")


def test_what_served_on_a_day_can_be_searched(connections: Connections) -> None:
    first, second = (make_version(connections, {"d/a": f"text {number}"}) for number in range(2))
    for version in (first, second):
        move_pointers(connections, "mine", version, by="check", reason="good")
    with connections.history.engine.begin() as connection:
        long_ago = datetime(2026, 11, 3, 23, 59, tzinfo=UTC)
        connection.execute(update(tables.audit).where(tables.audit.c.id == 1).values(at=long_ago))
    for day, version in ((3, first), (4, first)):
        assert opened_as_of(connections, "mine", on=date(2026, 11, day)).version == version
    assert opened_as_of(connections, "mine", on=datetime.now(UTC).date()).version == second
    assert opened_as_of(connections, "mine").version == second
    assert opened_as_of(connections, "mine", version=first).version == first
    with pytest.raises(CollectionError, match="nothing served at the end of 2026-11-02"):
        opened_as_of(connections, "mine", on=date(2026, 11, 2))


def test_nobody_can_go_back_to_what_is_not_there(connections: Connections) -> None:
    serving = make_version(connections, TEXTS)
    check_night(connections, serving, day=1)
    with pytest.raises(CollectionError, match="version 99 is not in"):
        go_back(connections, "mine", to=99, by="person", reason="bad")
    assert connections.production_version("mine") == serving
    assert Promotions(connections.history).closure("mine") is None


def test_a_document_shown_to_whom_it_is_not_for_holds_the_version(connections: Connections) -> None:
    write_source(connections)
    serving = make_version(connections, TEXTS)
    check_night(connections, serving, day=1)
    write_source(connections, access=[{"glob": "refund*", "groups": ["hr"]}])  # and no ingest since
    decision = check_night(connections, make_version(connections, {"d/new": "New."}), day=2)
    assert (decision.gate.verdict, decision.production) == ("fail", serving)
    assert "shown to somebody whom it is not for" in decision.gate.reason
    assert "(its source lets only hr read it)" in decision.gate.reason


def test_what_a_principal_must_not_retrieve_holds_the_version(connections: Connections) -> None:
    visitor = {"name": "visitor", "must_not_retrieve": ["d/refund *"]}
    ask(connections, *QUERIES, principals=[visitor])
    public = make_version(connections, TEXTS)
    decision = check_night(connections, public, day=1)
    assert (decision.gate.verdict, decision.production) == ("fail", None)
    assert "to visitor (on the list of what must not be retrieved)" in decision.gate.reason
    closed = {doc_id: text for doc_id, text in TEXTS.items() if doc_id.startswith("d/refund ")}
    private = make_version(connections, closed, groups=("hr",))
    ask(connections, *(each | {"groups": ["hr"]} for each in QUERIES), principals=[visitor])
    assert check_night(connections, private, day=2).gate.verdict == "pass"


def test_a_candidate_that_is_late_where_what_serves_is_not_is_held(connections: Connections) -> None:
    serving = make_version(connections, TEXTS)
    check_night(connections, serving, day=1)
    candidate = make_version(connections, {"d/new": "New."})
    for of_serving, verdict in (((), "fail"), (("d/a",), "pass")):
        freshness = {candidate: (fresh("d", 3, "d/a", hours=30),), serving: (fresh("d", 3, *of_serving, hours=30),)}
        decision = promote(connections, "mine", look(connections, candidate, fresh=freshness))
        assert decision.gate.verdict == verdict
        assert ("past its freshness target, and not so in what serves (1): d/a" in decision.gate.reason) is (
            verdict == "fail"
        )


def test_quiet_nights_are_no_evidence_for_a_version_that_comes_after_them(connections: Connections) -> None:
    first = make_version(connections, TEXTS)
    for day in range(1, 8):
        check_night(connections, first, day=day)
    second = make_version(connections, _spoilt(1))
    decision = check_night(connections, second, day=8)
    assert (decision.gate.verdict, decision.proven) == ("not enough evidence", first)
    assert "pooled" not in decision.gate.reason


def test_nobody_is_taken_back_to_a_version_that_shows_what_is_restricted_by_now(connections: Connections) -> None:
    write_source(connections)
    first = make_version(connections, TEXTS)
    check_night(connections, first, day=1)
    ask(connections, *QUERIES[15:])
    bad = make_version(connections, _spoilt(9))
    check_night(connections, bad, day=2)
    connections.store.open("mine").tag("proven", first)
    ask(connections, *QUERIES)
    write_source(connections, access=[{"glob": "workshop*", "groups": ["hr"]}])
    decision = check_night(connections, bad, day=3)
    assert (decision.gate.verdict, decision.rolled_back, decision.production) == ("fail", False, bad)
    assert f"version {bad} serves unproven; nDCG@10 -" in decision.gate.reason
    assert f"version {first} is proven, but cannot serve again: shown to somebody" in decision.gate.reason


def test_a_second_way_back_does_not_lead_to_what_was_gone_back_from(connections: Connections) -> None:
    good, bad, mended = (make_version(connections, {"d/a": f"text {number}"}) for number in range(3))
    for version in (good, bad):
        move_pointers(connections, "mine", version, by="check", reason="good")
    go_back(connections, "mine", to=version_before(connections, "mine"), by="person", reason="bad")
    move_pointers(connections, "mine", mended, by="check", reason="good")
    assert version_before(connections, "mine") == good


def test_a_pointer_that_was_moved_while_a_check_looked_is_left_where_it_is(connections: Connections) -> None:
    versions = [make_version(connections, TEXTS | {"d/a": f"text {number}"}) for number in range(3)]
    for day, version in enumerate(versions[:2], start=1):
        check_night(connections, version, day=day)
    seen = look(connections, versions[2])
    go_back(connections, "mine", to=versions[0], by="person", reason="bad answers")
    decision = promote(connections, "mine", seen)
    assert (decision.gate.verdict, decision.production, decision.moved) == ("fail", versions[0], False)
    assert "run the check again" in decision.gate.reason


def test_going_back_that_ends_anywhere_is_not_taken_back_by_the_next_check(connections: Connections) -> None:
    good = make_version(connections, _spoilt(9) | dict(list(TEXTS.items())[9:]))
    bad = make_version(connections, TEXTS)
    for day, version in enumerate((good, bad), start=1):
        check_night(connections, version, day=day)
    ended = RuntimeError("killed")

    class Killed(Connections):
        """Ends where pointers would move."""

        def holders(self, collection: str) -> dict[str, str]:
            raise ended

    killed = Killed(connections.project)
    killed.production_version = connections.production_version  # type: ignore[method-assign]
    with pytest.raises(RuntimeError):
        go_back(killed, "mine", to=good, by="person", reason="a secret page")
    assert _serving_and_proven(connections) == (bad, good)
    go_back(connections, "mine", to=good, by="person", reason="a secret page")
    decision = check_night(connections, bad, day=3)
    assert (decision.gate.verdict, decision.production, decision.rolled_back) == ("fail", good, False)


def test_where_what_serves_is_no_more_in_the_store_the_candidate_is_as_the_first(connections: Connections) -> None:
    move_pointers_to = {"release": "r", "versions": {"mine": 99}, "moved_by": "check", "reason": "good"}
    connections.history.move_pointer("collection:mine", **move_pointers_to)
    version = make_version(connections, TEXTS)
    decision = check_night(connections, version, day=1)
    assert (decision.gate.verdict, decision.production, decision.proven) == ("pass", version, version)


def test_what_served_before_there_were_proven_versions_stays_the_one_to_compare_with(connections: Connections) -> None:
    first = make_version(connections, TEXTS)
    move_pointers(connections, "mine", first, by="check", reason="an earlier release")
    for day, lost in ((1, 1), (2, 2)):
        decision = check_night(connections, make_version(connections, _spoilt(lost)), day=day)
        assert (decision.gate.verdict, decision.proven) == ("not enough evidence", first)


def test_where_leaks_cannot_be_looked_for_going_back_is_told_all_the_same(connections: Connections) -> None:
    version = make_version(connections, TEXTS)
    assert _leaks(connections, "mine", version) == {"leaks": [], "leaks_unknown": None}
    (connections.project.evals / "queries" / "mine.yaml").write_text("collection: mine\nquerys: []\n")
    found = _leaks(connections, "mine", version)
    assert found["leaks"] is None
    assert "key 'queries' is missing" in found["leaks_unknown"]
