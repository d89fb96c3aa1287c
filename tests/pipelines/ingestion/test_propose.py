"""propose: the bounds leave room around what a version holds, and that version keeps them."""

import json
import shutil
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_rows import rows_of, table_of

from knowledge.contracts import read_suite
from knowledge.errors import CollectionError
from pipelines.ingestion.propose import OBSERVED, SLACK, Observed, observe, propose, written
from pipelines.ingestion.validate import CONTRACTS, Validation, contract_path

_OURS = Path(__file__).parents[3] / "knowledge" / "expectations"
_ON = date(2026, 11, 21)
_ROWS = [
    *rows_of(15, 2),
    *rows_of(20, 9, tokens=180, text="Long. " * 90)[15 * 9 :],
    *rows_of(30, languages=["deu", "fra"])[20:],
]


def _observed(rows=_ROWS):
    return observe("support", 7, (table_of(part).select(OBSERVED) for part in (rows[:11], rows[11:])))


def _proposed(name, observed):
    return propose(read_suite(_OURS / f"{name}.json"), observed, _ON)


def _bounds(suite):
    return {
        each["kwargs"]["column"]: (each["kwargs"].get("min_value"), each["kwargs"].get("max_value"))
        for each in suite["expectations"]
        if each["type"] == "expect_column_values_to_be_between"
    }


def _write(folder, observed):
    shutil.copytree(_OURS, folder)
    (folder / "support").mkdir()
    for name in CONTRACTS:
        if suite := _proposed(name, observed):
            (folder / "support" / f"{name}.json").write_text(written(suite))


def test_bounds_have_slack_around_what_the_version_holds():
    observed = _observed()
    found = {column: each for name in CONTRACTS for column, each in _bounds(_proposed(name, observed) or _NONE).items()}
    expected = {
        "chunks": (1, 90),
        "characters": (8, 1080),
        "tokens": (2, 360),
        "tokens_p95": (120, 270),
        "language_share_eng": (0.56, 0.77),
        "language_share_deu": (0.23, 0.44),
        "language_share_fra": (0.23, 0.44),
        "doubled_chunk_ids": (None, 0),
        "chunk_count_ratio": (0.5, 2.0),
    }
    assert {column: found[column] for column in expected} == expected


_NONE = {"expectations": []}


def test_a_suite_says_from_which_version_and_when_its_bounds_are():
    suite = _proposed("chunks", _observed())
    origin = {"collection": "support", "version": 7, "documents": 30, "chunks": 85, "on": "2026-11-21"}
    assert suite["meta"] == {"proposed_from": origin}
    assert json.loads(written(suite)) == suite
    assert len(written(suite).splitlines()) == 6 + len(suite["expectations"])


def test_a_suite_without_a_bound_to_learn_is_left_as_it_is():
    assert _proposed("vectors", _observed()) is None


def test_the_version_that_bounds_are_proposed_from_keeps_them_and_an_emptier_one_does_not(tmp_path):
    _write(tmp_path / "expectations", _observed())

    def broken(rows):
        validation = Validation(tmp_path / "expectations", "support", known_groups={"public"}, run="a night")
        validation.add(table_of(rows))
        return {each.column for found in validation.finish([], ()) for each in found.broken}

    assert broken(_ROWS) == set()
    shares = {f"language_share_{name}" for name in ("eng", "deu", "fra")}
    assert broken(rows_of(30, tokens=1)) == {"tokens", "tokens_p95", "tokens_median", *shares}


def test_bounds_that_people_changed_are_proposed_anew_and_what_else_they_wrote_stays(tmp_path):
    _write(tmp_path / "expectations", _observed())
    path = contract_path(tmp_path / "expectations", "support", "chunks")
    suite = read_suite(path)
    own = {"type": "expect_column_values_to_match_regex", "kwargs": {"column": "doc_id", "regex": "^d/"}}
    suite["expectations"].append(own)
    again = propose(suite, _observed(rows_of(20, tokens=50)), _ON)
    assert own in again["expectations"]
    assert _bounds(again)["tokens"] == (25, 100)


@pytest.mark.parametrize("count", [0, 1, 19])
def test_a_small_collection_is_typical_of_nothing(count):
    with pytest.raises(CollectionError, match=rf"version 7 has {count} documents, and bounds are proposed from 20 on"):
        _observed(rows_of(count))


@settings(max_examples=200)
@given(
    st.fixed_dictionaries(
        {name: st.tuples(*[st.floats(1, 1e6)] * 2).map(lambda two: tuple(sorted(two))) for name in SLACK}
    ),
    st.floats(0, 1),
)
def test_bounds_hold_for_whatever_they_were_made_from(counts, share):
    shares = ("boilerplate_share", "doubled_chunk_share", "language_share_eng")
    ranges = {**counts, **dict.fromkeys(shares, (share, share))}
    observed = Observed("support", 7, 30, 85, ranges)
    for name in ("documents", "chunks", "collection"):
        for column, (low, high) in _bounds(_proposed(name, observed)).items():
            if column in ranges:
                least, greatest = ranges[column]
                assert low is None or low <= least, column
                assert high is None or greatest <= high, column
