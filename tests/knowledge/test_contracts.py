"""Contracts: rows that break an expectation are told with the column, how many, and a few values."""

import json
import re

import pandas as pd
import pytest

from knowledge.contracts import Broken, Contract, validate
from knowledge.errors import ContentError

_LENGTHS = {"type": "expect_column_value_lengths_to_be_between", "kwargs": {"column": "text", "min_value": 1}}


def _between(**limits):
    return {"type": "expect_column_values_to_be_between", "kwargs": {"column": "tokens", **limits}}


def _contract(folder, *expectations):
    path = folder / "contract.json"
    path.write_text(json.dumps({"name": "rows", "expectations": list(expectations)}), encoding="utf-8")
    return path


def _broken(frame, path):
    return list(validate(frame, path, run="night 2026-11-02").broken)


def _validate(folder, *expectations):
    return list(_validated(folder, *expectations).broken)


def _validated(folder, *expectations):
    frame = pd.DataFrame({"tokens": [1, 2, 50, 60, 70, 80], "text": ["a", "", "bb", "c", "d", "e"]})
    return validate(frame, _contract(folder, *expectations), run="night 2026-11-02")


def test_rows_that_meet_every_expectation_break_nothing(tmp_path):
    assert _validate(tmp_path, _between(min_value=1, max_value=80)) == []


def test_an_unmet_expectation_is_told_with_column_count_and_examples(tmp_path):
    (broken,) = _validate(tmp_path, _between(max_value=10))
    assert broken == Broken("rows", "expect_column_values_to_be_between", "tokens", 4, ("50", "60", "70"))
    assert str(broken) == (
        "contract 'rows': expect_column_values_to_be_between of tokens does not hold in 4 rows, such as 50, 60, 70"
    )


def test_every_unmet_expectation_is_told(tmp_path):
    met = _between(min_value=0)
    assert [each.column for each in _validate(tmp_path, _between(max_value=10), met, _LENGTHS)] == ["tokens", "text"]


def test_an_expectation_of_the_whole_table_tells_what_was_observed(tmp_path):
    (broken,) = _validate(tmp_path, {"type": "expect_table_row_count_to_equal", "kwargs": {"value": 7}})
    assert (broken.column, broken.examples) == ("", ("6",))


@pytest.mark.parametrize("name", ["expect_wonders", "core", "", None])
def test_an_unknown_expectation_is_refused_by_name(tmp_path, name):
    with pytest.raises(ContentError, match=rf"contract\.json: .*{name!r}.* is no usable expectation"):
        _validate(tmp_path, {"type": name})


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"name": "rows"}', '{"expectations": []}', "3", ""])
def test_a_file_that_is_no_contract_is_refused(tmp_path, text):
    (tmp_path / "contract.json").write_text(text, encoding="utf-8")
    with pytest.raises(ContentError, match=r"contract\.json: no usable contract .* needs 'name' and 'expectations'"):
        _broken(pd.DataFrame({"tokens": [1]}), tmp_path / "contract.json")


def test_a_missing_contract_is_named(tmp_path):
    with pytest.raises(ContentError, match=r"gone\.json: no usable contract"):
        _broken(pd.DataFrame({"tokens": [1]}), tmp_path / "gone.json")


def test_rows_that_come_in_parts_are_counted_together_and_the_page_is_of_the_first_that_breaks(tmp_path):
    contract = Contract(_contract(tmp_path, _between(max_value=10), _LENGTHS))
    for tokens in ([1, 2], [11, 12, 3], [4], [13]):
        contract.hold(pd.DataFrame({"tokens": tokens, "text": ["a"] * len(tokens)}))
    found = contract.validated(run="a night")
    assert found.broken == (Broken("rows", "expect_column_values_to_be_between", "tokens", 3, ("11", "12", "13")),)
    assert "a night, 3 of 7 rows" in found.page


@pytest.mark.parametrize(
    "entry", [{"type": "expect_column_values_to_be_unique", "kwargs": {"colum": "a"}}, "a word", {"kwargs": {}}]
)
def test_an_expectation_that_cannot_be_made_is_refused(tmp_path, entry):
    with pytest.raises(ContentError, match=r"contract\.json: .* is no usable expectation"):
        _validate(tmp_path, entry)


def test_a_column_that_is_not_there_is_no_broken_row(tmp_path):
    with pytest.raises(ContentError, match=r"expect_column_values_to_be_unique cannot run .*nowhere"):
        _validate(tmp_path, {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "nowhere"}})


def test_the_page_of_a_contract_tells_the_run_and_what_broke_and_fetches_nothing(tmp_path):
    page = _validated(tmp_path, _between(max_value=10), _LENGTHS).page
    assert "night 2026-11-02, 6 rows" in page
    assert "Failed" in page
    assert "text-danger" in page
    assert "default-src 'none'" in page
    assert not re.search(r"<script|<link|<img|(src|href)=[\"']?(http|//|\.\.)|url\(", page)


@pytest.mark.parametrize("value", ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>"])
def test_markup_in_a_document_brings_nothing_to_the_page_that_runs_or_loads(tmp_path, value):
    frame = pd.DataFrame({"text": [value, "a", "b"]})
    short = {"type": "expect_column_value_lengths_to_be_between", "kwargs": {"column": "text", "max_value": 3}}
    page = validate(frame, _contract(tmp_path, short), run="a night").page
    assert not re.search(r"<script|<img", page)
