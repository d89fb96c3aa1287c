"""Which events a flow's result leads to, and what a cell of an artifact may hold."""

from dataclasses import replace

import pytest
from made_nights import fresh

from flows.artifacts import cell, key, table
from flows.events import events_of_check, events_of_freshness, events_of_ingest, events_of_night
from flows.params import AlarmSettings
from flows.results import CheckResult, FreshnessResult, IngestResult
from knowledge.record import DocumentCounts, Rejected

ALARMS = AlarmSettings(quarantine_share=0.05, cost_usd=10, missed_after_minutes=60)
KEPT_OUT = tuple(Rejected(f"docs/{name}.pdf", "", "a", "encrypted", "the PDF needs a password") for name in "abc")
INGESTED = IngestResult(
    collection="support",
    version=3,
    documents=DocumentCounts(unchanged=37, quarantined=3),
    chunks=100,
    texts_embedded=0,
    quarantine=KEPT_OUT,
    recipe_id="r",
    seconds=1.0,
)
FRESH = fresh("docs", 40)
CHECKED = CheckResult("support", 4, (FRESH,), {"recall@5": 0.4}, 40, (), "pass", "every floor holds", 4, True, 1.0)
NIGHT = {
    "assistant": "support",
    "night": "2026-11-02",
    "verdict": "not enough evidence",
    "verdict_reason": "baseline 1 of 10",
    "changed": "Since 2026-11-01: nothing changed.",
    "cost_usd": 0.0,
}


@pytest.mark.parametrize(("new", "rings"), [(0, False), (2, False), (3, True)])
def test_quarantine_rings_over_its_share_of_newly_kept_out_documents(new, rings):
    result = replace(INGESTED, newly_quarantined=tuple(each.doc_id for each in KEPT_OUT[:new]))
    found = events_of_ingest(result, ALARMS)
    assert bool(found) is rings
    if rings:
        assert found[0].about == "collection.support"
        assert found[0].headline == "support: 3 of 40 documents are newly in quarantine"
        assert "docs/c.pdf: encrypted" in found[0].text


def test_an_empty_listing_rings_nothing():
    assert events_of_ingest(replace(INGESTED, documents=DocumentCounts()), ALARMS) == []


def test_a_version_that_was_gone_back_from_is_told():
    (event,) = events_of_check(replace(CHECKED, verdict="fail", reason="worse", production_version=2, rolled_back=True))
    assert event.headline == "support: version 4 failed its gate, version 2 serves again"


def test_a_check_that_passes_is_silent():
    assert events_of_check(CHECKED) == []


def test_a_source_rings_when_it_has_missed_its_target_since_the_last_look_and_not_every_hour():
    both = (fresh("docs", 40, "docs/a.md", hours=30), fresh("trust", 4, "trust/b.md", hours=30))
    found = events_of_freshness(FreshnessResult("support", 4, "missed", both, ("trust",), 1.0))
    assert [each.headline for each in found] == ["support: trust missed its freshness target"]
    assert "Documents: trust/b.md" in found[0].text
    assert events_of_freshness(FreshnessResult("support", 4, "missed", both, (), 1.0)) == []


@pytest.mark.parametrize(("production", "still"), [(3, "version 3 still serves"), (None, "nothing serves")])
def test_a_failed_gate_says_what_serves(production, still):
    failed = replace(CHECKED, verdict="fail", reason="recall@5 0.400 is under 0.700", production_version=production)
    (event,) = events_of_check(failed)
    assert (event.name, event.headline) == ("gate-failed", f"support: version 4 failed its gate, {still}")
    assert event.text == "recall@5 0.400 is under 0.700"


def test_a_missed_freshness_target_names_source_and_documents():
    late = fresh("docs", 40, "docs/a.md", hours=30.5)
    (event,) = events_of_check(replace(CHECKED, freshness=(FRESH, late)))
    assert event.headline == "support: docs missed its freshness target"
    assert event.text == "Oldest change not served: docs 30.5 h of 24 h. Documents: docs/a.md"


MISSING = {"suite": "customers", "case": "trial-length", "reason": "budget of run support: 2 of 2 USD are taken"}


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({}, ["night-finished"]),
        ({"verdict": "drift"}, ["night-finished", "drift"]),
        ({"cost_usd": 10.0}, ["night-finished"]),
        ({"cost_usd": 10.01}, ["night-finished", "over-budget"]),
        ({"evaluate": {"missing": [{**MISSING, "over_budget": True}]}}, ["night-finished", "over-budget"]),
        ({"evaluate": {"missing": [{**MISSING, "over_budget": False}]}}, ["night-finished"]),
        ({"evaluate": None}, ["night-finished"]),
    ],
)
def test_what_a_night_tells(change, names):
    assert [each.name for each in events_of_night({**NIGHT, **change}, ALARMS)] == names


def test_a_finished_night_says_what_changed():
    (event,) = events_of_night(NIGHT, ALARMS)
    assert event.text == "baseline 1 of 10. Since 2026-11-01: nothing changed."


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a | b", "a &#124; b"),
        ("two\nlines", "two lines"),
        ("<script>", "&lt;script>"),
        ("[x](javascript:1)", "&#91;x](javascript:1)"),
        ("`code`", "&#96;code&#96;"),
        ("&lt;", "&amp;lt;"),
        (3, "3"),
    ],
)
def test_text_stays_inside_its_cell(value, shown):
    assert cell(value) == shown


def test_a_table_and_the_key_of_an_artifact():
    assert table(("a", "b"), [(1, 2)]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"
    assert key("quarantine", "my_docs") == "quarantine-my-docs"


def test_a_night_that_ran_out_of_money_names_the_cases_it_did_not_ask():
    evaluated = {"missing": [{**MISSING, "over_budget": True}]}
    _, event = events_of_night({**NIGHT, "evaluate": evaluated}, ALARMS)
    assert event.headline.endswith("stopped asking: 1 case over budget")
    assert event.text == "budget of run support: 2 of 2 USD are taken Missing: customers/trial-length"
