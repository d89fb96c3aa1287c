"""Freshness: what is pending, how old it is, and whether the target is met."""

from datetime import UTC, datetime, timedelta

import pytest

from evals.freshness import later_than, measure_freshness, name_superseded
from knowledge.freshness_log import Seen
from knowledge.record import Document, Hit, IndexedDocument, Recipe, Rejected
from knowledge.source import Source

NOW = datetime(2026, 12, 1, 3, 0, tzinfo=UTC)
SOURCE = Source(name="help", collection="support", url="help", owner="documentation team", freshness_target_hours=24)


def _listed(name, sha="a", *, hours=1.0, source="help"):
    return Document(
        doc_id=f"{source}/{name}",
        doc_sha=sha,
        source=source,
        uri=f"{source}/{name}",
        local_path=name,
        size_bytes=1,
        modified_at=NOW - timedelta(hours=hours),
        groups=("public",),
        languages=("eng",),
    )


def _indexed(*names, sha="a", source="help"):
    entries = (f"{source}/{name}" for name in names)
    recipe = Recipe("p", "s", "e")
    return {doc_id: IndexedDocument(doc_id, sha, recipe, source, doc_id, ("public",), ("eng",)) for doc_id in entries}


def _rejected(name, sha="a"):
    return Rejected(f"help/{name}", sha, "p", "empty", "the file has no content")


@pytest.mark.parametrize(
    ("listing", "indexed", "pending", "oldest"),
    [
        ([_listed("a"), _listed("b")], _indexed("a", "b"), (), 0.0),
        ([_listed("a"), _listed("b", hours=3)], _indexed("a"), ("help/b",), 3.0),
        ([_listed("a", "new", hours=2.5), _listed("b")], _indexed("a", "b"), ("help/a",), 2.5),
        ([_listed("a")], _indexed("a", "b"), ("help/b",), 0.0),
        ([], _indexed("a"), ("help/a",), 0.0),
        ([], {}, (), 0.0),
        (
            [_listed("c", hours=7), _listed("a", "new", hours=30), _listed("d", hours=0.25)],
            _indexed("a", "b"),
            ("help/a", "help/b", "help/c", "help/d"),
            30.0,
        ),
    ],
    ids=["all served", "new", "changed", "deleted", "all deleted", "an empty source", "new, changed and deleted"],
)
def test_what_is_listed_and_not_served_as_it_is_is_pending(listing, indexed, pending, oldest):
    freshness = measure_freshness(SOURCE, listing, indexed, [], NOW)
    assert tuple(sorted(each.doc_id for each in freshness.pending)) == pending
    assert freshness.oldest_pending_hours == oldest
    assert freshness.documents == len(listing)
    assert freshness.quarantined == 0


@pytest.mark.parametrize(
    ("listing", "indexed", "held", "pending", "quarantined"),
    [
        ([_listed("a", hours=90)], {}, [_rejected("a")], (), 1),
        ([_listed("a", "broken", hours=90)], _indexed("a"), [_rejected("a", "broken")], (), 1),
        ([_listed("a", "mended", hours=90)], {}, [_rejected("a", "broken")], ("help/a",), 0),
        ([_listed("b")], _indexed("b"), [_rejected("a")], (), 0),
    ],
    ids=["kept out", "last good version stays served", "changed since it was kept out", "gone since it was kept out"],
)
def test_a_document_in_quarantine_is_counted_apart(listing, indexed, held, pending, quarantined):
    freshness = measure_freshness(SOURCE, listing, indexed, held, NOW)
    assert tuple(sorted(each.doc_id for each in freshness.pending)) == pending
    assert freshness.quarantined == quarantined


@pytest.mark.parametrize(
    ("hours", "met"),
    [(0.0, True), (23.99, True), (24.0, True), (24.01, False), (24.0 * 365, False)],
)
def test_the_target_is_met_as_long_as_the_oldest_change_is_not_older(hours, met):
    listing = [_listed("a", hours=hours), _listed("b", hours=0)]
    assert measure_freshness(SOURCE, listing, {}, [], NOW).met is met


@pytest.mark.parametrize(
    ("fact", "change", "seen", "hours"),
    [
        ("never looked at: the file's time", _listed("a", hours=50), Seen(), 50),
        ("edited since the last check", _listed("a", hours=3), Seen(NOW - timedelta(hours=24)), 3),
        ("came with an old time since the last check", _listed("a", hours=5000), Seen(NOW - timedelta(hours=24)), 0),
        (
            "waits since an earlier check, and was edited again",
            _listed("a", hours=1),
            Seen(NOW - timedelta(hours=24), {"help/a": NOW - timedelta(hours=40)}),
            40,
        ),
        ("a time to come", _listed("a", hours=-9), Seen(), 0),
    ],
)
def test_a_change_is_as_old_as_what_is_known_of_it(fact, change, seen, hours):
    freshness = measure_freshness(SOURCE, [change], {}, [], NOW, seen=seen)
    assert freshness.oldest_pending_hours == hours, fact


def test_a_deletion_waits_since_it_was_first_seen():
    first = measure_freshness(SOURCE, [], _indexed("a"), [], NOW - timedelta(hours=30), seen=Seen(NOW))
    assert (first.oldest_pending_hours, first.met) == (0.0, True)
    seen = Seen(first.at, {each.doc_id: each.since for each in first.pending})
    later = measure_freshness(SOURCE, [], _indexed("a"), [], NOW, seen=seen)
    assert (later.oldest_pending_hours, later.met, later.late) == (30.0, False, ("help/a",))


def test_the_kinds_of_what_is_not_served_as_it_is_are_told_apart():
    row = measure_freshness(SOURCE, [_listed("a", "new"), _listed("b")], _indexed("a", "c"), [], NOW).as_row()
    assert (row["stale"], row["missing"], row["orphaned"]) == (["help/a"], ["help/b"], ["help/c"])
    assert sorted(row["pending"]) == ["help/a", "help/b", "help/c"]


def test_only_what_the_serving_version_has_in_time_holds_a_candidate():
    both = _listed("b", hours=90)
    listing = [_listed("a", hours=90), both]
    candidate = measure_freshness(SOURCE, listing, {}, [], NOW)
    serving = measure_freshness(SOURCE, listing, _indexed("a"), [], NOW)
    assert later_than([serving], [candidate]) == ("help/a",)
    assert later_than([candidate], [serving]) == ()


def test_what_is_superseded_and_still_among_the_first_ten_is_named_with_its_source():
    def hit(doc_id, by=None):
        return Hit(f"{doc_id}#0", doc_id, "", doc_id, doc_id, "text", 1.0, superseded_by=by)

    before = [hit(f"help/{number}") for number in range(10)]
    found = [[hit("help/new"), hit("help/old", "help/new")], [*before, hit("help/late", "help/new")]]
    (named,) = name_superseded([measure_freshness(SOURCE, [], {}, [], NOW)], found)
    assert named.superseded == ("help/old",)


def test_an_old_document_that_is_served_does_not_miss_the_target():
    freshness = measure_freshness(SOURCE, [_listed("a", hours=9000)], _indexed("a"), [], NOW)
    assert freshness.met
    assert freshness.oldest_pending_hours == 0.0


def test_documents_of_another_source_do_not_count():
    listing = [_listed("a"), _listed("x", source="other", hours=99)]
    indexed = _indexed("a") | _indexed("gone", source="other")
    freshness = measure_freshness(SOURCE, listing, indexed, [], NOW)
    assert freshness.documents == 1
    assert freshness.pending == ()


def test_the_source_its_owner_and_its_target_are_told():
    freshness = measure_freshness(SOURCE, [], {}, [], NOW)
    assert (freshness.source, freshness.owner, freshness.target_hours) == ("help", "documentation team", 24.0)
