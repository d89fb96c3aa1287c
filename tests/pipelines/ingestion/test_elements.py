"""elements: what was parsed once is kept, for exactly the documents that are listed."""

import dataclasses

import pytest

from knowledge.record import Element
from pipelines.ingestion.elements import ElementsCache

ELEMENTS = [
    Element("title", "Grüße \ud800", depth=1, page=3, part=2),
    Element("code", "a\n  b\x00"),
    Element("row", 'Plan: "Team"; 5 €'),
]


@pytest.fixture
def cache(tmp_path):
    return ElementsCache(tmp_path / "elements", "parser-1")


def test_elements_come_back_as_they_were(cache, write_document):
    document = write_document("a.md", "x")
    assert cache.read(document) is None
    cache.write(document, ELEMENTS)
    assert cache.read(document) == ELEMENTS


@pytest.mark.parametrize(
    ("fact", "change", "found"),
    [
        ("another name", {"doc_id": "docs/b.md"}, True),
        ("another ending", {"doc_id": "docs/a.txt"}, False),
        ("another language", {"languages": ("deu",)}, False),
        ("other bytes", {"doc_sha": "0" * 64}, False),
        ("other readers", {"groups": ("hr",)}, True),
    ],
)
def test_they_belong_to_the_bytes_the_ending_and_the_languages(cache, write_document, fact, change, found):
    document = write_document("a.md", "x")
    cache.write(document, ELEMENTS)
    assert (cache.read(dataclasses.replace(document, **change)) is not None) == found, fact


@pytest.mark.parametrize("content", [b"", b"[", b"[]", b"{}", b'[["title"]]', b'{"a": 1}', b"[1]", b"\xff"])
def test_a_damaged_file_is_no_elements(cache, write_document, content):
    document = write_document("a.md", "x")
    cache.write(document, ELEMENTS)
    (path,) = cache.folder.rglob("*.json")
    path.write_bytes(content)
    assert cache.read(document) is None


def test_what_belongs_to_no_document_or_to_another_parser_goes(cache, write_document):
    kept, gone = write_document("a.md", "x"), write_document("b.md", "y")
    other = ElementsCache(cache.folder, "parser-0")
    for each in (cache, other):
        each.write(kept, ELEMENTS)
        each.write(gone, ELEMENTS)
    cache.keep_only([kept])
    assert cache.read(kept) == ELEMENTS
    assert len(list(cache.folder.rglob("*.json"))) == 1
