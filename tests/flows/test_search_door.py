"""`plumbline search`: its options reach the store, and what it finds is told whole."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner

from flows.connect import connect
from flows.lookups import search
from flows.pointers import move_pointers
from knowledge.errors import PlumblineError
from knowledge.terms import terms_of
from pipelines.ingestion.commit import CANDIDATE

_NOW = datetime(2026, 5, 1, tzinfo=UTC)
_TEXTS = {
    "help/old.md": ["A voucher is valid for one year.", "It cannot be paid out."],
    "help/copy.md": ["A voucher is valid for one year."],
    "help/new.md": ["From May on it is two years for a voucher."],
    "jobs/pay.md": ["A voucher for staff is valid for five years."],
    "shop/gift.md": ["A gift card is no voucher, and is valid for ever."],
}
_SAID: dict[str, dict[str, Any]] = {
    "help/old.md": {"tags": ["archive"], "superseded_by": "help/new.md"},
    "help/new.md": {"modified_at": _NOW},
    "jobs/pay.md": {"groups": ["hr"]},
    "shop/gift.md": {"languages": ["eng", "deu"]},
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A collection that serves, in the folder the command is run in."""
    (tmp_path / "params.yaml").write_text("min_free_mb: 0\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PLUMBLINE_STATE", raising=False)
    connections = connect()
    collection, schema = connections.store.create("support"), connections.store.schema
    usual: dict[str, Any] = {field.name: "" for field in schema if field.type == pa.string() and not field.nullable}
    usual |= {"headings": [], "findings": [], "groups": ["public"], "languages": ["eng"], "tags": [], "tokens": 8}
    usual |= {"embed_id": connections.embedder.embed_id, "modified_at": datetime(2026, 1, 1, tzinfo=UTC)}
    rows = [
        usual
        | {"chunk_id": f"{doc_id}#{ordinal}", "doc_id": doc_id, "source": doc_id.split("/")[0], "ordinal": ordinal}
        | {"text": text, "indexed_text": text, "terms": terms_of(text, ["eng"]), **_SAID.get(doc_id, {})}
        | {"vector": connections.embedder.embed([text])[0].tolist()}
        for doc_id, texts in _TEXTS.items()
        for ordinal, text in enumerate(texts)
    ]
    collection.commit(collection.stage(pa.Table.from_pylist(rows, schema=schema)), schema, replaced=list(_TEXTS))
    collection.upkeep()
    collection.tag(CANDIDATE, collection.version)
    move_pointers(connections, "support", collection.version, by="check", reason="good")


def _passages(*words: str) -> list[dict[str, Any]]:
    done = CliRunner().invoke(
        search, ["how long is a voucher valid", "--json", *words], catch_exceptions=False, standalone_mode=False
    )
    found: list[dict[str, Any]] = json.loads(done.stdout)["passages"]
    return found


_ALL = {"help/old.md", "help/new.md", "shop/gift.md"}


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("words", "documents"),
    [
        ([], {"help/copy.md", *_ALL}),
        (["--source", "shop"], {"shop/gift.md"}),
        (["--source", "shop", "--source", "jobs"], {"shop/gift.md"}),
        (["--source", "jobs", "--as", "hr"], {"jobs/pay.md"}),
        (["--language", "deu"], {"shop/gift.md"}),
        (["--tag", "archive"], {"help/old.md"}),
        (["--since", "2026-05-01"], {"help/new.md"}),
        (["--since", "2026-05-01T00:00:01Z"], set()),
        (["--since", "2026-05-01T01:00+01:00"], {"help/new.md"}),
        (["--min-score", "1"], set()),
        (["--max-tokens", "7"], set()),
        (["--tag", "archive", "--neighbours", "1", "--max-tokens", "15"], set()),
    ],
)
def test_options_keep_a_search_to_what_they_name(words: list[str], documents: set[str]) -> None:
    assert {each["doc_id"] for each in _passages(*words)} == documents


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--source", "shops"], "has 'shops' in its source. There are: help, shop."),
        (["--source", "jobs"], "has 'jobs' in its source. There are: help, shop."),
        (["--source", "jobs", "--as", "hr", "--tag", "new"], "has 'new' in its tags. There are: archive."),
        (["--language", "fra"], "has 'fra' in its languages. There are: deu, eng."),
    ],
)
def test_a_name_that_nothing_has_is_told_with_those_the_reader_may_see(words: list[str], told: str) -> None:
    with pytest.raises(PlumblineError) as refused:
        _passages(*words)
    assert str(refused.value) == f"search: nothing that this reader may see {told}"


@pytest.mark.usefixtures("project")
def test_a_passage_tells_all_that_is_known_of_it() -> None:
    found = {each["chunk_id"]: each for each in _passages()}
    assert list(found).index("help/new.md#0") < list(found).index("help/old.md#1")
    copy = found["help/copy.md#0"]
    assert copy["collapsed"] == 1
    assert 0 < copy["vector_score"] < 1
    assert copy["text_score"] > 0
    assert found["help/old.md#1"]["superseded_by"] == "help/new.md"
    (joined,) = _passages("--tag", "archive", "--neighbours", "1")
    assert (joined["text"], joined["tokens"]) == ("A voucher is valid for one year.\nIt cannot be paid out.", 16)
    assert joined["joined"] == ["help/old.md#1"]


@pytest.mark.usefixtures("project")
def test_a_person_reads_what_a_passage_is_and_stands_for() -> None:
    words = ["how long is a voucher valid", "--neighbours", "1", "--tag", "archive"]
    screen = CliRunner().invoke(search, words, standalone_mode=False).stdout
    assert "score 1.00, cosine 0." in screen
    assert "superseded by help/new.md, with 1 passage around it)" in screen
    assert "and 1 near-duplicate)" in CliRunner().invoke(search, words[:1], standalone_mode=False).stdout


@pytest.mark.parametrize(
    ("option", "name", "told"),
    [
        ("--source", "x' OR 1=1", 'search: source "x\' OR 1=1" must be lower-case'),
        ("--tag", "Old", "search: tag 'Old' must be lower-case"),
        ("--language", "", "search: language '' must be lower-case"),
    ],
)
def test_a_name_that_is_none_is_one_clear_line(option: str, name: str, told: str) -> None:
    with pytest.raises(PlumblineError, match=told.replace("(", r"\(")):
        _passages(option, name)
