"""What serves and what served: freshness by itself, versions compared, and going back, each by its command."""

from pathlib import Path

from checkout import Checkout, assert_quiet

PAGE = "help-centre/parrots.md"


def test_a_version_is_compared_gone_back_from_and_let_in_again(after_first_night: Checkout) -> None:
    checkout = after_first_night
    first = checkout.json("collection", "history")["production_version"]
    (checkout.folder / "knowledge/samples" / PAGE).write_text(
        "# Parrots\n\nA parrot may be kept in the refund office.\n"
    )
    checkout.run("ingest")
    second = checkout.json("check")["production_version"]
    assert second > first

    diff = checkout.json("collection", "diff", str(first), str(second))
    assert diff["documents"] == [{"doc_id": PAGE, "difference": "added"}]
    moves = {each["doc_id"]: each["why"] for query in diff["queries"] for each in query["moved"]}
    assert moves.pop(PAGE) == "added"
    assert set(moves.values()) <= {None}

    back = checkout.json("collection", "rollback", "--reason", "parrots")
    assert (back["before"], back["production_version"]) == (second, first)
    found = checkout.json("search", "parrots in the refund office")
    assert found["version"] == first
    assert PAGE not in {each["doc_id"] for each in found["passages"]}
    later = checkout.json("search", "parrots in the refund office", "--version", str(second))
    assert later["passages"][0]["doc_id"] == PAGE
    both = checkout.run("search", "parrots", "--version", str(second), "--on", "2026-11-02")
    assert (both.status, both.stdout) == (2, "")
    closed = checkout.run("check")
    assert closed.status == 1
    assert "promotion is closed since" in closed.stdout
    assert "(parrots); open it with `plumbline collection open --collection support`" in closed.stdout
    assert "Closed       since" in checkout.run("collection", "history").stdout

    assert checkout.json("collection", "open")["opened"] is True
    assert checkout.json("check")["production_version"] == second
    told = checkout.json("collection", "history")
    assert [each["what"] for each in told["history"]] == [
        "move pointer",
        "move pointer",
        "close promotion",
        "move pointer",
        "open promotion",
        "move pointer",
    ]
    assert {first, second} <= set(told["kept_versions"])
    assert told["closed"] is None


def test_freshness_is_looked_at_without_an_ingest(after_first_night: Checkout) -> None:
    checkout = after_first_night
    versions = _versions(checkout)
    fresh = checkout.json("freshness")
    assert (fresh["verdict"], fresh["newly_missed"]) == ("met", [])
    source = checkout.folder / "knowledge/sources/help-centre.yaml"
    source.write_text(source.read_text().replace("freshness_target_hours: 24", "freshness_target_hours: 0.000001"))
    (checkout.folder / "knowledge/samples" / PAGE).write_text("# Parrots\n")
    (checkout.folder / "knowledge/samples/help-centre/mobile-app.txt").unlink()
    checkout.run("freshness", "--report-only")  # a deletion is as old as the first look that sees it is gone
    late = checkout.run("freshness")
    assert late.status == 1
    assert "help-centre: 17 documents, 1 missing, 1 orphaned, oldest 0.0 h, MISSED its target of 1e-06 h" in late.stdout
    assert f"Late         {PAGE}" in late.stdout
    assert "Late         help-centre/mobile-app.txt" in late.stdout
    again = checkout.run("freshness", "--json")
    assert '"newly_missed": []' in again.stdout
    assert _versions(checkout) == versions


def test_what_cannot_be_gone_back_to_is_told_and_nothing_changes(after_first_night: Checkout) -> None:
    checkout = after_first_night
    serving = checkout.json("collection", "history")["production_version"]
    for words, told in (
        (("rollback",), f"CollectionError: collection 'support': version {serving} is the first that served."),
        (("rollback", "--to", str(serving)), f"version {serving} serves already"),
        (("rollback", "--to", "999"), "version 999 is not in"),
        (("rollback", "--collection", "nobody"), "collection 'nobody': not in"),
        (("diff", "1", "999"), "version 999 is not in"),
        (("history", "--collection", "nobody"), "collection 'nobody': not in"),
    ):
        failed = checkout.run("collection", *words)
        assert failed.status == 2
        assert told in failed.stderr
        assert_quiet(failed.stderr)
    assert checkout.json("collection", "history")["production_version"] == serving
    assert checkout.json("collection", "open")["opened"] is False


def _versions(checkout: Checkout) -> set[str]:
    return {path.name for path in Path(checkout.folder, "state/lancedb/support.lance/_versions").iterdir()}
