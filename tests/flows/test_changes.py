"""The sentence a night begins with."""

import pytest
from made_nights import case_row, check_result, evaluate_result, fresh, ingest_result, summary_of, twelve_nights

from evals.compare import Comparison
from flows.changes import what_changed
from flows.summaries import night
from knowledge.record import DocumentCounts, Rejected

CASES = (case_row("one", True), case_row("two", True))
PARTS = {"manifest": "1", "prompt": "1", "policy": "1", "recipe": "1", "graders": "1"}


def _night(name, *, ingest=None, check=None, comparison=None, cases=CASES, **values):
    quiet = ingest_result(documents=DocumentCounts(unchanged=40, quarantined=1))
    compared = comparison or Comparison("2026-11-20", len(cases), (), ())
    evaluate = evaluate_result(*cases, comparison=compared)
    parts = {"release_parts": PARTS, "evaluate": evaluate, "ingest": ingest or quiet, "check": check}
    return summary_of(name, **parts | values)


BEFORE = _night("2026-11-20")


def _late(*sources):
    return tuple(
        fresh(source, 1, f"{source}/a.md", hours=30.0 if source in sources else 0.0) for source in ("help", "trust")
    )


@pytest.mark.parametrize(
    ("tonight", "told"),
    [
        ({}, "nothing changed"),
        (
            {"ingest": ingest_result(documents=DocumentCounts(changed=3, unchanged=40, quarantined=1))},
            "3 documents changed",
        ),
        (
            {"ingest": ingest_result(documents=DocumentCounts(added=1, deleted=2, renamed=1, quarantined=1))},
            "1 document added, 2 deleted, 1 renamed",
        ),
        (
            {"ingest": ingest_result(version=9, documents=DocumentCounts(unchanged=40))},
            "documents changed before this run (version 7 -> 9)",
        ),
        (
            {"ingest": ingest_result(documents=DocumentCounts(unchanged=40), doc_id="help/other.pdf")},
            "1 new in quarantine; 1 out of quarantine",
        ),
        (
            {
                "ingest": ingest_result(
                    documents=DocumentCounts(unchanged=40),
                    quarantine=tuple(
                        Rejected(name, "s", "p", "empty", "") for name in ("help/empty.txt", "help/a", "help/b")
                    ),
                )
            },
            "2 new in quarantine",
        ),
        ({"check": check_result(metrics={"recall@5": 0.9, "MRR@10": 0.8, "nDCG@10": 0.84})}, "nDCG@10 0.850 -> 0.840"),
        ({"check": check_result(metrics={"recall@5": 0.9, "MRR@10": 0.79, "nDCG@10": 0.85})}, "MRR@10 0.800 -> 0.790"),
        ({"check": check_result(metrics={"recall@5": 0.9, "MRR@10": 0.8, "nDCG@10": 0.85004})}, "nothing changed"),
        ({"check": check_result(metrics={}, queries=0)}, "nDCG@10 0.850 -> none; labelled queries 40 -> 0"),
        (
            {"check": check_result(verdict="fail", version=8)},
            "gate pass -> fail",
        ),
        ({"comparison": Comparison("2026-11-20", 2, ("customers/one",), ())}, "1 case lost"),
        ({"comparison": Comparison("2026-11-20", 2, ("a", "b"), ("c",))}, "2 cases lost, 1 gained"),
        ({"comparison": Comparison("2026-11-20", 2, (), ("c",))}, "1 case gained"),
        ({"comparison": Comparison("2026-11-20", 1, (), ())}, "1 case could not be compared"),
        ({"cases": (CASES[0], case_row("two", True, answer="Six days."))}, "1 answer reworded"),
        ({"evaluate": None}, "answers were not evaluated"),
        ({"release": "def", "release_parts": PARTS | {"prompt": "2"}}, "the prompt is new"),
        (
            {"release": "def", "release_parts": PARTS | {"prompt": "2", "policy": "2", "graders": "2"}},
            "the prompt, the policy and the graders are new",
        ),
        ({"release": "def", "release_parts": PARTS | {"graders": "2"}}, "the graders are new"),
        ({"release": "def", "release_parts": {}}, "the release is new"),
    ],
)
def test_each_thing_that_changed_is_told_and_nothing_else(tonight, told):
    assert what_changed(_night("2026-11-21", **tonight), BEFORE) == f"Since 2026-11-20: {told}."


@pytest.mark.parametrize(
    ("then", "now", "told"),
    [
        ((), ("help",), "help missed its freshness target"),
        ((), ("help", "trust"), "help and trust missed their freshness target"),
        (("help",), ("help",), "nothing changed"),
        (("help", "trust"), ("trust",), "help is fresh again"),
    ],
)
def test_a_missed_target_is_told_once(then, now, told):
    before = _night("2026-11-20", check=check_result(freshness=_late(*then)))
    assert what_changed(_night("2026-11-21", check=check_result(freshness=_late(*now))), before).endswith(f": {told}.")


def test_the_causes_stand_before_what_moved_with_them():
    *before, last = twelve_nights()
    assert what_changed(last, before[-1]) == (
        "Since 2026-11-30: 3 documents changed, 2 added, 1 deleted, 1 renamed; 11 new in quarantine; "
        "operations missed its freshness target; nDCG@10 0.889 -> 0.641; gate pass -> fail; "
        "2 cases lost, 1 gained; 3 cases could not be compared; the prompt is new."
    )


def test_the_first_night_says_that_it_is_the_first():
    assert what_changed(BEFORE, None) == "The first night: there is none before it to compare with."


def test_a_night_of_the_version_before_is_compared_by_what_it_has():
    old = {key: value for key, value in BEFORE.items() if key != "release_parts"}
    assert what_changed(_night("2026-11-21"), old) == "Since 2026-11-20: nothing changed."
    assert what_changed(_night("2026-11-21", release="def"), old) == "Since 2026-11-20: the release is new."


def test_the_screen_shows_the_sentence_under_the_night_and_does_without_it():
    said = night({**BEFORE, "changed": "Since 2026-11-19: nothing changed."}).splitlines()
    assert said[:2] == ["Night        2026-11-20 of 'support'", "Changed      Since 2026-11-19: nothing changed."]
    assert "Changed" not in night(BEFORE)
