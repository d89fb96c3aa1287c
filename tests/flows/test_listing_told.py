"""What a person is told while sources are listed: rules about nothing, and replacements that are not there."""

from pathlib import Path

from made_nights import CHECKED_AT
from made_versions import connections_to, make_version, write_source

from flows.listed import measure_versions
from flows.listing import list_sources


def test_rules_that_are_about_no_document_are_said(tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    connections = connections_to(tmp_path)
    write_source(
        connections,
        access=[{"glob": "hr/**", "groups": ["hr"]}],
        tagged=[{"glob": "apii/**", "tags": ["api"]}, {"glob": "*.md", "tags": ["text"]}],
        superseded=[{"glob": "old.md", "by": "neww.md"}],
    )
    (tmp_path / "d/old.md").write_text("# Old\n")
    (document,) = list_sources(connections, connections.sources("mine"))
    assert (document.tags, document.superseded_by) == (("text",), "d/neww.md")
    assert capsys.readouterr().err.splitlines() == [
        "ingest: source 'd': access rule 'hr/**' decides for no document. Is it misspelt?",
        "ingest: source 'd': the rule for 'apii/**' matches no document. Is it misspelt?",
        "ingest: 'd/neww.md' replaces other documents but is not listed. Is it misspelt?",
    ]


def test_documents_of_a_source_that_nobody_describes_any_more_are_orphaned(tmp_path: Path) -> None:
    connections = connections_to(tmp_path)
    version = make_version(connections, {"d/a": "text"})
    (freshness,) = measure_versions(connections, "mine", [version], CHECKED_AT)[version]
    row = freshness.as_row()
    assert (row["source"], row["owner"], row["orphaned"]) == ("d", "its source is gone", ["d/a"])
