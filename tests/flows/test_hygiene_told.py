"""What hygiene found is told on the screen, in the report and in MLflow, and nowhere by its value."""

import re
from html import unescape

import pytest
from made_nights import EVIL, ingest_result, summary_of

from flows import summaries
from flows.report import render
from flows.tracking.steps import NAMED, finding_table, ingest_metrics
from pipelines.ingestion.duplicates import NearDuplicates
from pipelines.ingestion.hygiene.near_duplicates import NearDuplicate

PAIRS = (NearDuplicate("help/b.md", "help/a.md", 0.984), NearDuplicate(f"help/{EVIL}", "help/a.md", 0.9))
FOUND = ingest_result(
    findings={"hidden:zero_width": 1, "secret:jwt": 12}, near_duplicates=NearDuplicates(7, PAIRS, collapsed=True)
)
NOTHING = ingest_result()


def page_of(result, **changed):
    summary = summary_of(ingest=result)
    page = render({**summary, "ingest": {**summary["ingest"], **changed}}, [])
    return " ".join(unescape(re.sub(r"<style>.*?</style>|<[^>]*>", " ", page, flags=re.DOTALL)).split())


@pytest.mark.parametrize(
    "told",
    [
        "Found in passages: hidden:zero_width in 1, secret:jwt in 12.",
        "7 near-duplicates, left out of searches",
        "help/b.md help/a.md 0.98",
        "And 5 more.",
    ],
)
def test_the_report_tells_what_was_found(told):
    assert told in page_of(FOUND)


def test_a_name_in_the_report_is_text_and_never_run():
    assert EVIL not in render(summary_of(ingest=FOUND), [])


@pytest.mark.parametrize("earlier", [False, True])
def test_where_nothing_was_found_nothing_is_told(earlier):
    row = NOTHING.as_row()
    if earlier:  # the summary of a release that did not look
        del row["findings"], row["near_duplicates"]
    told = render({**summary_of(), "ingest": row}, []) + summaries.ingest(row)
    assert "uplicate" not in told
    assert "Found in" not in told


def test_the_screen_tells_what_was_found():
    said = summaries.ingest(FOUND.as_row())
    assert (
        "Duplicates   7 near-duplicates, left out of searches; the first is help/b.md, 0.98 as help/a.md\n"
        "Findings     hidden:zero_width in 1 passage, secret:jwt in 12 passages\n"
    ) in said


def test_mlflow_follows_the_counts():
    metrics = ingest_metrics(FOUND)
    assert metrics["ingest/near_duplicates"] == 7
    assert {name: value for name, value in metrics.items() if name.startswith("findings/")} == {
        "findings/hidden/zero_width": 1,
        "findings/secret/jwt": 12,
    }
    assert ingest_metrics(NOTHING)["ingest/near_duplicates"] == 0


def test_the_table_names_documents_by_kind_and_of_a_common_kind_the_first():
    table = finding_table({"secret:jwt": {"d/a": 2}, "personal:email": dict.fromkeys(map(str, range(NAMED + 5)), 1)})
    assert table[0] == {"finding": "secret:jwt", "document": "d/a", "passages": 2}
    assert len(table) == 1 + NAMED
