"""Freshness: what is pending, how old it is, and whether the target is met."""

from datetime import UTC, datetime, timedelta

import pytest

from evals.freshness import measure_freshness
from knowledge.record import Document, IndexedDocument, Recipe, Rejected
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
    assert freshness.pending == pending
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
    assert freshness.pending == pending
    assert freshness.quarantined == quarantined


@pytest.mark.parametrize(
    ("hours", "met"),
    [(0.0, True), (23.99, True), (24.0, True), (24.01, False), (24.0 * 365, False)],
)
def test_the_target_is_met_as_long_as_the_oldest_change_is_not_older(hours, met):
    listing = [_listed("a", hours=hours), _listed("b", hours=0)]
    assert measure_freshness(SOURCE, listing, {}, [], NOW).met is met


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
