"""validate: what our contracts of documents, chunks, vectors and collections refuse."""

import json
import shutil
from pathlib import Path

import pytest
from made_rows import row_of, rows_of, table_of

from knowledge.errors import ContractError
from pipelines.ingestion.tally import COUNTED, Tally, compare
from pipelines.ingestion.validate import Validation, refuse_broken

_OURS = Path(__file__).parents[3] / "knowledge" / "expectations"


def _validated(*parts, before=(), replaced=(), contracts=_OURS):
    validation = Validation(contracts, "support", known_groups={"public", "hr"}, run="a night")
    for rows in parts:
        validation.add(table_of(rows))
    return validation.finish([table_of(before).select(COUNTED)] if before else [], replaced)


def _broken(*parts, **given):
    return [(each.contract, each.column) for found in _validated(*parts, **given) for each in found.broken]


def test_good_rows_break_nothing_and_every_contract_has_a_page():
    found = _validated(rows_of(2, chunks=2), [row_of("d/9", groups=["hr"])])
    assert [(each.contract, each.broken) for each in found] == [
        ("documents", ()),
        ("chunks", ()),
        ("vectors", ()),
        ("collection", ()),
    ]
    assert "a night, 3 rows" in found[0].page
    assert "a night, 5 rows" in found[1].page


def test_where_nothing_is_staged_there_is_nothing_to_hold():
    assert _validated(before=rows_of(3)) == _validated([], before=rows_of(3)) == []


@pytest.mark.parametrize(
    ("contract", "column", "row"),
    [
        ("documents", "doc_sha", {"doc_sha": ""}),
        ("documents", "missing_ordinals", {"ordinal": 1}),
        ("documents", "group_count", {"groups": []}),
        ("documents", "unknown_group", {"groups": ["public", "boss"]}),
        ("documents", "language_count", {"languages": []}),
        ("chunks", "characters", {"text": ""}),
        ("chunks", "tokens", {"tokens": 0}),
        ("vectors", "norm", {"vector": [0.5, 0.5, 0.5, 0.0]}),
        ("vectors", "not_finite", {"vector": [float("nan"), 1.0, 0.0, 0.0]}),
        ("vectors", "not_finite", {"vector": [float("inf"), 1.0, 0.0, 0.0]}),
        ("collection", "embed_ids", {"embed_id": "another"}),
    ],
)
def test_one_bad_row_breaks_its_contract(contract, column, row):
    assert (contract, column) in _broken([row_of("d/a"), row_of("d/b", **row)])


def test_a_long_document_within_the_limits_stops_no_ingest():
    assert _broken([row_of("d/table.csv", ordinal) for ordinal in range(6_000)]) == []


def test_an_unknown_group_is_named():
    (documents, *_) = _validated([row_of("d/a", groups=["boss"])])
    assert documents.broken[0].examples == ("'boss'",)


@pytest.mark.parametrize(
    ("fact", "parts", "before", "replaced", "broken"),
    [
        ("twice in one part", [[row_of("d/a"), row_of("d/a")]], (), (), ["chunk_id", "doubled_chunk_ids"]),
        ("in two parts", [[row_of("d/a")], [row_of("d/a")]], (), (), ["chunk_id", "doc_id", "doubled_chunk_ids"]),
        ("in the version before, and not replaced", [[row_of("d/a")]], [row_of("d/a")], (), ["doubled_chunk_ids"]),
        ("in the version before, and replaced", [[row_of("d/a")]], [row_of("d/a")], ["d/a"], []),
    ],
)
def test_an_id_stands_once_in_the_collection_as_it_will_be(fact, parts, before, replaced, broken):
    found = {column for _, column in _broken(*parts, before=before, replaced=replaced)}
    assert found - {"missing_ordinals"} - {"doubled_chunk_share"} == set(broken), fact


_SAME = {"text_sha": "1" * 64}


@pytest.mark.parametrize(
    ("fact", "now", "before", "broken"),
    [
        ("as before", rows_of(20, 2), rows_of(20, 2), []),
        ("most of each document is gone", rows_of(20, 2), rows_of(20, 5), ["chunk_count_ratio"]),
        ("as much, in fewer documents", rows_of(19, 2), rows_of(19, 5), []),
        ("split otherwise", rows_of(20, 2), rows_of(20, 5, split_id="older"), []),
        ("more documents", rows_of(60, 2), rows_of(20, 2), []),
        ("another language", rows_of(20, languages=["deu"]), rows_of(20), ["language_shift"]),
        ("one text everywhere", rows_of(20, **_SAME), (), ["boilerplate_share"]),
        ("one text in four of them", [*rows_of(4, **_SAME), *rows_of(24)[4:]], (), []),
        (
            "one text again and again",
            rows_of(20, 5, text_sha="1" * 64),
            (),
            ["boilerplate_share", "doubled_chunk_share"],
        ),
    ],
)
def test_a_collection_that_turns_into_something_else_is_refused(fact, now, before, broken):
    replaced = {row["doc_id"] for row in before}
    assert sorted(column for _, column in _broken(now, before=before, replaced=replaced)) == broken, fact


def test_figures_are_those_of_all_parts_wherever_they_are_cut():
    rows = table_of([*rows_of(30, 3), *rows_of(5, languages=["deu", "eng"])[3:]])
    whole, cut = Tally(), Tally()
    whole.add(rows)
    for start in range(0, rows.num_rows, 7):
        cut.add(rows.slice(start, 7))
    assert whole.figures() == cut.figures()
    assert compare(whole, cut) == {"chunk_count_ratio": 1.0, "language_shift": 0.0}
    assert whole.figures() | {"document_count": 30.0, "chunk_count": 92.0, "tokens_median": 5.0} == whole.figures()


def test_boilerplate_is_what_at_least_five_documents_say():
    footer, repeated = ({"text_sha": digit * 64} for digit in "12")
    own = [row_of(f"d/{number}", 1) for number in range(20)]
    rows = [*rows_of(20), *own, *(row_of(f"d/{number}", 2, **footer) for number in range(5))]
    rows += [row_of("d/9", ordinal, **repeated) for ordinal in range(3, 9)]
    tally = Tally()
    tally.add(table_of(rows))
    assert tally.figures()["boilerplate_share"] == pytest.approx(5 / 51)


def test_the_contracts_of_a_collection_stand_before_those_of_all(tmp_path):
    shutil.copytree(_OURS, tmp_path / "expectations")
    own = tmp_path / "expectations" / "support"
    own.mkdir()
    few = {"type": "expect_column_values_to_be_between", "kwargs": {"column": "tokens", "max_value": 4}}
    (own / "chunks.json").write_text(json.dumps({"name": "chunks", "expectations": [few]}))
    found = _validated(rows_of(1), contracts=tmp_path / "expectations")
    assert [each.column for contract in found for each in contract.broken] == ["tokens"]
    with pytest.raises(
        ContractError, match=r"Nothing was committed.*pages/chunks\.html.*change chunks\.json in support/"
    ):
        refuse_broken(found, Path("pages"))


@pytest.mark.parametrize(
    ("column", "broken"), [("secret_findings", True), ("personal_findings", True), ("hidden_findings", False)]
)
def test_a_contract_may_bound_what_is_found_in_passages_and_ours_does_not(tmp_path, column, broken):
    rows = [row_of("d/a", findings=[]), row_of("d/b", findings=["personal:email", "secret:jwt", "secret:aws_key"])]
    assert _broken(rows) == []
    shutil.copytree(_OURS, tmp_path / "expectations")
    none = {"type": "expect_column_values_to_be_between", "kwargs": {"column": column, "max_value": 0}}
    (tmp_path / "expectations" / "chunks.json").write_text(json.dumps({"name": "chunks", "expectations": [none]}))
    found = _broken(rows, contracts=tmp_path / "expectations")
    assert found == ([("chunks", column)] if broken else [])


def test_a_language_that_left_the_collection_has_no_share(tmp_path):
    shutil.copytree(_OURS, tmp_path / "expectations")
    path = tmp_path / "expectations" / "collection.json"
    suite = json.loads(path.read_text())
    share = {"column": "language_share_fra", "min_value": 0.5}
    suite["expectations"].append({"type": "expect_column_values_to_be_between", "kwargs": share})
    path.write_text(json.dumps(suite))
    assert _broken(rows_of(20), contracts=tmp_path / "expectations") == [("collection", "language_share_fra")]


def test_many_rows_are_held_in_goes_and_found_all_the_same():
    parts = [[row_of(f"d/{part}", n, tokens=0 if n == 7 else 5) for n in range(4000)] for part in range(6)]
    found = _validated(*parts)
    assert [(each.column, each.rows) for contract in found for each in contract.broken] == [("tokens", 6)]
