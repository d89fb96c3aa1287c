"""sync: which files of a folder are documents, and what is said when there is no folder."""

import os
from datetime import UTC, datetime

import pytest

from knowledge.errors import SourceError
from knowledge.source import Source
from pipelines.ingestion.sync import SyncSettings, list_documents

_FILES = ("a.md", "b.txt", "sub/c.md", "sub/deep/d.md", "sub/e (1)+[x].md", ".hidden.md", ".git/f.md", "sub/.g.md")


@pytest.fixture
def folder(tmp_path):
    for name in _FILES:
        path = tmp_path / "docs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name, encoding="utf-8")
    return tmp_path / "docs"


def _source(url="docs", **values):
    return Source(**{"name": "help", "collection": "support", "url": str(url), "owner": "docs team"} | values)


def _list(source, project):
    return list_documents(source, project=project, state=project / "state", settings=SyncSettings(), max_size_mb=50)


def _listed(project, **values):
    return [each.doc_id.removeprefix("help/") for each in _list(_source(**values), project)]


_ALL = ["a.md", "b.txt", "sub/c.md", "sub/deep/d.md", "sub/e (1)+[x].md"]


@pytest.mark.parametrize(
    ("fact", "include", "exclude", "listed"),
    [
        ("hidden files and folders are left out", ("**/*",), (), _ALL),
        ("two stars go through folders", ("**/*.md",), (), [_ALL[0], *_ALL[2:]]),
        ("one star stays in its folder", ("*.md",), (), ["a.md"]),
        ("one star is no folder", ("sub/*.md",), (), ["sub/c.md", "sub/e (1)+[x].md"]),
        ("a folder with all in it", ("sub/**",), (), _ALL[2:]),
        ("two stars in the middle", ("sub/**/*.md",), (), _ALL[2:]),
        ("a question mark is one character", ("?.md",), (), ["a.md"]),
        ("other signs are themselves", ("sub/e (1)+[x].md",), (), ["sub/e (1)+[x].md"]),
        ("a dot is a dot", ("a?md",), (), ["a.md"]),
        ("a dot is not any character", ("bxtxt", "*.m."), (), []),
        ("several are added up", ("*.txt", "**/d.md"), (), ["b.txt", "sub/deep/d.md"]),
        ("what is excluded goes", ("**/*",), ("sub/**",), ["a.md", "b.txt"]),
        ("exclusion is stronger", ("a.md",), ("**/*.md",), []),
        ("a hidden file cannot be asked for", (".hidden.md", "**/.g.md"), (), []),
    ],
)
def test_the_globs_of_a_source(folder, fact, include, exclude, listed):
    assert _listed(folder.parent, include=include, exclude=exclude) == listed, fact


def test_a_document_has_the_digest_time_address_and_readers_of_its_file(folder):
    os.utime(folder / "a.md", (1_767_323_045, 1_767_323_045))
    source = _source(include=("a.md",), groups=("hr",), languages=("deu",))
    (document,) = _list(source, folder.parent)
    assert (document.doc_id, document.source, document.uri) == ("help/a.md", "help", "docs/a.md")
    assert document.doc_sha == "fecccc97532467adbf93017b357c8b17e0c75527df76a143de5cfecc2613f615"
    assert (document.size_bytes, document.path) == (4, folder / "a.md")
    assert document.modified_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert (document.groups, document.languages) == (("hr",), ("deu",))


def test_a_document_has_the_tags_its_source_gives_it_and_what_replaces_it(folder):
    rules = {"tagged": [{"glob": "sub/**", "tags": ["old"]}], "superseded": [{"glob": "sub/c.md", "by": "a.md"}]}
    found = {each.doc_id: each for each in _list(_source(tags=("terms",), **rules), folder.parent)}
    said = {name: (found[name].tags, found[name].superseded_by) for name in ("help/a.md", "help/sub/c.md")}
    assert said == {"help/a.md": (("terms",), None), "help/sub/c.md": (("old", "terms"), "help/a.md")}


@pytest.mark.parametrize("prefix", ["", "file://"])
def test_an_absolute_folder_is_listed_wherever_the_project_is(folder, prefix):
    assert _listed(folder / "sub", url=f"{prefix}{folder}", include=("*.md",)) == ["a.md"]


def test_a_trailing_slash_changes_nothing(folder):
    first, second = (_list(_source(url), folder.parent) for url in ("docs", "docs/"))
    assert [each.uri for each in first] == [each.uri for each in second]


def test_an_empty_folder_lists_nothing(tmp_path):
    (tmp_path / "docs").mkdir()
    assert _listed(tmp_path) == []


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("nowhere", "nowhere: no such folder. Correct 'url', or create the folder."),
        ("docs/a.md", "docs/a.md: is a file, not a folder"),
        (
            "az://bucket/docs",
            "az://bucket/docs needs a package that is not installed. Run `pip install 'plumbline[az]'`.",
        ),
        ("nosuch://docs", "nosuch://docs is of a kind that is not read here ('nosuch'). Give a folder, s3://"),
        ("lost.zip", "lost.zip: no such archive. Correct 'url', or create the archive."),
    ],
)
def test_what_cannot_be_listed_is_refused_with_the_source(folder, url, told):
    with pytest.raises(SourceError) as error:
        _listed(folder.parent, url=url)
    assert told in str(error.value)
    assert "source 'help'" in str(error.value)


def test_a_name_that_is_no_utf8_is_listed_with_its_bytes_escaped(folder, tmp_path):
    (tmp_path / "docs" / os.fsdecode(b"caf\xe9.md")).write_text("x")
    assert "caf\\xe9.md" in _listed(tmp_path)


def test_a_link_that_leads_nowhere_is_listed_so_that_it_is_rejected_by_name(folder, tmp_path):
    (tmp_path / "docs" / "lost.md").symlink_to("nowhere.md")
    (found,) = [each for each in _list(_source(), tmp_path) if each.doc_id == "help/lost.md"]
    assert found.doc_sha == ""


@pytest.mark.parametrize("url", ["~nosuchuser/docs", "zip://a::b"])
def test_an_odd_address_is_one_clear_error(tmp_path, url):
    with pytest.raises(SourceError, match="source 'help'"):
        _list(_source(url), tmp_path)
