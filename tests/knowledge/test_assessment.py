"""Assessments: a person's last word stands, and what was taken back is gone."""

from dataclasses import replace
from datetime import UTC, datetime

from knowledge.assessment import Assessment, forget_assessments, read_assessments, record_assessments
from knowledge.database import Database

WORD = Assessment(
    trace_id="tr-1",
    name="correct",
    source="ada",
    assistant="support",
    night="2026-11-02",
    suite="staff",
    case_id="holiday",
    case_digest="d",
    value=True,
    rationale=None,
    given_at=datetime(2026, 11, 2, 8, tzinfo=UTC),
)


def test_the_last_word_stands(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'state.db'}")
    later = replace(WORD, value=False, rationale="ten days", given_at=datetime(2026, 11, 3, 8, tzinfo=UTC))
    record_assessments(database, [WORD])
    record_assessments(database, [later])
    assert read_assessments(database, "support") == [later]
    assert read_assessments(database, "other") == []


def test_a_word_that_was_taken_back_is_gone_and_others_stay(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'state.db'}")
    others = [replace(WORD, source="bob"), replace(WORD, name="tone"), replace(WORD, trace_id="tr-2")]
    record_assessments(database, [WORD, *others])
    forget_assessments(database, [WORD])
    assert {each.key for each in read_assessments(database, "support")} == {each.key for each in others}
