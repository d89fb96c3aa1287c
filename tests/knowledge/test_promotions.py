"""What served compared with what is proven, closed collections, and what freshness has seen."""

from datetime import UTC, date, datetime

import pytest

from knowledge.freshness_log import FreshnessLog, Seen
from knowledge.history import History
from knowledge.promotion import Promotions


@pytest.fixture
def history(tmp_path):
    return History(f"sqlite:///{tmp_path / 'state.db'}")


def test_the_nights_before_against_the_same_proven_version_come_oldest_first(history):
    promotions = Promotions(history)
    for day in range(1, 10):
        proven = 2 if day == 5 else 1
        promotions.note("mine", date(2026, 12, day), version=day + 1, proven=proven, differences={"q": day / 10})
    promotions.note("mine", date(2026, 12, 9), version=9, proven=1, differences={"q": 99.0})  # checked again
    promotions.note("mine", date(2026, 12, 4), version=1, proven=1, differences={"q": 0.0})  # the proven one itself
    promotions.note("other", date(2026, 12, 8), version=9, proven=1, differences={"q": -1.0})
    found = promotions.earlier("mine", proven=1, before=date(2026, 12, 10), last=6)
    assert found == [{"q": 0.2}, {"q": 0.3}, {"q": 0.6}, {"q": 0.7}, {"q": 0.8}, {"q": 99.0}]
    assert promotions.earlier("mine", proven=1, before=date(2026, 12, 2), last=4) == [{"q": 0.1}]


def test_a_collection_is_closed_once_and_opened_once_and_both_are_in_the_audit(history):
    promotions = Promotions(history)
    assert promotions.closure("mine") is None
    promotions.close("mine", good=1, bad=2, reason="worse", by="check")
    promotions.close("mine", good=1, bad=3, reason="worse again", by="person")
    closure = promotions.closure("mine")
    assert (closure.good, closure.bad, closure.reason) == (1, 3, "worse again")
    assert promotions.closure("other") is None
    assert [promotions.open("mine", reason="mended", by="person") for _ in range(2)] == [True, False]
    audit = [(each["action"], each["actor"], each["reason"]) for each in history.audit("collection:mine")]
    assert audit == [
        ("close promotion", "check", "worse"),
        ("close promotion", "person", "worse again"),
        ("open promotion", "person", "mended"),
    ]


def test_the_last_look_at_each_source_is_kept(history):
    log = FreshnessLog(history)
    assert log.seen("mine") == {}
    first, second = datetime(2026, 12, 1, 2, 30, 1, 5, tzinfo=UTC), datetime(2026, 12, 2, tzinfo=UTC)
    log.note("mine", {"help": Seen(first, {"help/a": first}, missed=True), "trust": Seen(first)})
    log.note("mine", {"help": Seen(second, {"help/b": first})})
    assert log.seen("mine") == {"help": Seen(second, {"help/b": first}), "trust": Seen(first)}
    assert log.seen("other") == {}
