"""The contract on what queries found."""

import time
from dataclasses import replace
from pathlib import Path

import pytest
from made_versions import connections_to

from flows.connect import Connections
from flows.retrieved import hold_results
from knowledge.record import Hit

ROOT = Path(__file__).parents[2]
HIT = Hit("d/a#0", "d/a", "", "d/a", "A", "text", 1.0)
LOWER = replace(HIT, chunk_id="d/b#0", score=0.4)


@pytest.fixture
def connections(tmp_path: Path) -> Connections:
    found = connections_to(tmp_path)
    folder = found.project.knowledge / "expectations"
    folder.mkdir(parents=True)
    (folder / "retrieval.json").write_text((ROOT / "knowledge/expectations/retrieval.json").read_text())
    return found


@pytest.mark.parametrize(
    ("found", "broken"),
    [
        ([HIT, LOWER], None),
        ([HIT, HIT], "expect_column_values_to_be_between of doubled does not hold in 1 rows, such as 1"),
        ([LOWER, HIT], "of out_of_order"),
        ([LOWER, replace(HIT, superseded_by="d/b")], None),
        ([HIT, replace(LOWER, text=" ")], "of blank"),
        ([replace(HIT, score=1.4)], "of best_score"),
        ([], "of passages"),
    ],
)
def test_what_breaks_the_contract(connections: Connections, found: list[Hit], broken: str | None) -> None:
    told = hold_results(connections, "mine", {"q": found})
    assert len(told) == (broken is not None)
    assert (broken or "") in "".join(told)
    page = connections.project.data_docs("mine") / "retrieval.html"
    assert "out_of_order" in page.read_text(encoding="utf-8")


def test_the_same_results_are_held_once_and_again_where_they_broke_it(connections: Connections) -> None:
    page = connections.project.data_docs("mine") / "retrieval.html"

    def held(hits: list[Hit]) -> bool:
        before = page.stat().st_mtime_ns if page.exists() else 0
        time.sleep(0.01)
        hold_results(connections, "mine", {"q": hits})
        return page.stat().st_mtime_ns != before

    assert [held([HIT]), held([HIT]), held([HIT, LOWER])] == [True, False, True]
    assert [held([LOWER, HIT]), held([LOWER, HIT])] == [True, True]
    contract = connections.project.knowledge / "expectations" / "retrieval.json"
    assert [held([HIT, LOWER]), held([HIT, LOWER])] == [True, False]  # the page was of what broke it
    contract.write_text(contract.read_text().replace("0.9", "0.8"))
    assert held([HIT, LOWER])
