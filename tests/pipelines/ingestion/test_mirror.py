"""mirror: the folder holds exactly what was listed."""

import json

import pytest

from pipelines.ingestion.mirror import Mirrored, mirror_documents


@pytest.fixture
def mirror(tmp_path):
    """Mirror documents into `tmp_path/kept`."""

    def run(*documents):
        return mirror_documents(documents, tmp_path / "kept", memory=tmp_path / "memory.json")

    return run


def test_only_what_changed_is_copied(mirror, write_document):
    first, second = write_document("a.md", "one"), write_document("b/c.md", "two")
    assert mirror(first, second) == Mirrored(documents=2, copied=2, removed=0, left_out=())
    assert mirror(first, second).copied == 0
    assert mirror(write_document("a.md", "three"), second) == Mirrored(2, 1, 0, ())


def test_what_is_listed_no_more_leaves_with_its_empty_folders(mirror, write_document, tmp_path):
    first, second = write_document("a.md", "one"), write_document("b/c.md", "two")
    mirror(first, second)
    assert mirror(first) == Mirrored(1, 0, 1, ())
    assert [path.name for path in (tmp_path / "kept/docs").iterdir()] == ["a.md"]


@pytest.mark.parametrize("memory", [None, "", "[1]", '{"docs/a.md": 7}'], ids=["lost", "empty", "a list", "nonsense"])
def test_without_its_memory_the_mirror_is_read_and_nothing_is_copied(mirror, write_document, tmp_path, memory):
    document = write_document("a.md", "one")
    mirror(document)
    (tmp_path / "memory.json").unlink()
    if memory is not None:
        (tmp_path / "memory.json").write_text(memory)
    assert mirror(document).copied == 0
    assert list(json.loads((tmp_path / "memory.json").read_text())) == ["docs/a.md"]


def test_a_mirrored_file_that_somebody_edited_is_copied_again(mirror, write_document, tmp_path):
    document = write_document("a.md", "one")
    mirror(document)
    (tmp_path / "kept/docs/a.md").write_text("two!")
    assert mirror(document).copied == 1
    assert (tmp_path / "kept/docs/a.md").read_text() == "one"


def test_a_half_copied_file_never_stands_under_a_documents_name(mirror, write_document, tmp_path):
    document = write_document("a.md", "listed so")
    document.path.write_text("and now this")
    (left,) = mirror(document).left_out
    assert (left.doc_id, left.reason) == ("docs/a.md", "changed")
    assert not list((tmp_path / "kept").rglob("*.md"))
