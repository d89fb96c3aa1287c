"""folder: what the quick check spares, what it must not, and what a link may show."""

import json
import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from listing import listed, problems, texts

from knowledge.errors import SourceError
from pipelines.ingestion.fetch import filed_under
from pipelines.ingestion.sync import SyncSettings

LONG_AGO = 1_767_323_045


@pytest.fixture
def write(tmp_path):
    def write(name, text, *, moment=LONG_AGO):
        path = tmp_path / "docs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, (moment, moment))
        return path

    return write


@pytest.fixture
def remembered(tmp_path):
    """The lines of the memory; or, with a digest, a memory that holds another one for the only file."""
    memory = tmp_path / "state/cache/sources/help/files.jsonl"

    def remembered(sha=None):
        head, *lines = memory.read_text().splitlines()
        if sha:
            name, _, *rest = json.loads(lines[0])
            memory.write_text(f"{head}\n{json.dumps([name, sha, *rest])}\n")
        return [json.loads(line)[0] for line in lines]

    return remembered


@pytest.fixture
def settle(monkeypatch):
    """Let the files be older than the listing by more than their times' grain: the change time cannot be set."""
    monkeypatch.setattr("pipelines.ingestion.memory.RACY_NS", -60 * 10**9)


def test_an_unchanged_file_is_not_read_again(tmp_path, write, remembered, settle):
    write("a.md", "one")
    listed("docs", tmp_path)
    remembered(sha="f" * 64)
    assert listed("docs", tmp_path)["a.md"].doc_sha == "f" * 64


def test_the_full_hash_reads_every_file(tmp_path, write, remembered, settle):
    write("a.md", "one")
    before = listed("docs", tmp_path)
    remembered(sha="f" * 64)
    assert listed("docs", tmp_path, settings=SyncSettings(full_hash_days=0)) == before
    assert listed("docs", tmp_path) == before


@pytest.mark.parametrize(
    ("text", "moment"),
    [("ONE", LONG_AGO + 1), ("longer", LONG_AGO), ("ONE", LONG_AGO)],
    ids=["another time", "another size", "the same size and time"],
)
def test_an_edit_is_found(tmp_path, write, settle, text, moment):
    write("a.md", "one")
    first = listed("docs", tmp_path)["a.md"].doc_sha
    time.sleep(0.02)  # more than the grain of a file's change time
    write("a.md", text, moment=moment)
    assert listed("docs", tmp_path)["a.md"].doc_sha != first


def test_a_file_that_changed_a_moment_ago_is_not_remembered(tmp_path, write, remembered):
    write("a.md", "one")
    listed("docs", tmp_path)
    assert remembered() == []


def test_a_renamed_file_has_its_digest_under_its_new_name(tmp_path, write, settle):
    path = write("a.md", "one")
    sha = listed("docs", tmp_path)["a.md"].doc_sha
    path.rename(path.with_name("b.md"))
    assert {name: each.doc_sha for name, each in listed("docs", tmp_path).items()} == {"b.md": sha}


@pytest.mark.parametrize("damage", ["", "[]\n", "nonsense", '["elsewhere", 1.0]\n["a.md", "ff", [1], "", 0]\n'])
def test_a_damaged_memory_costs_time_alone(tmp_path, write, settle, damage):
    write("a.md", "one")
    before = listed("docs", tmp_path)
    (tmp_path / "state/cache/sources/help/files.jsonl").write_text(damage)
    assert listed("docs", tmp_path) == before


def test_a_damaged_line_costs_the_lines_after_it(tmp_path, write, settle):
    for name in "abc":
        write(f"{name}.md", name)
    before = listed("docs", tmp_path)
    memory = tmp_path / "state/cache/sources/help/files.jsonl"
    lines = memory.read_text().splitlines()
    memory.write_text("\n".join([*lines[:2], lines[2][:20], *lines[3:]]))
    assert listed("docs", tmp_path) == before


def test_names_come_in_the_order_of_a_walk_and_every_one_is_remembered(tmp_path, write, remembered, settle):
    names = ["a/b.md", "a/z/c.md", "a-b.md", "a.md", "b/a.md", "ä.md", "..md"]
    for name in names:
        write(name, name)
    found = listed("docs", tmp_path)
    assert texts(found) == {name: name for name in names}
    assert remembered() == list(found)


def test_a_link_is_read_inside_the_folder_and_refused_outside(tmp_path, write):
    write("a.md", "one")
    (tmp_path / "secret.md").write_text("secret")
    (tmp_path / "docs/inside.md").symlink_to("a.md")
    (tmp_path / "docs/outside.md").symlink_to("../secret.md")
    found = listed("docs", tmp_path)
    assert texts(found) == {"a.md": "one", "inside.md": "one", "outside.md": ""}
    assert problems(found) == {"outside.md": "it is a link that leads out of the source's folder"}


def test_a_link_never_shows_what_other_groups_may_read(tmp_path, write):
    write("hr/pay.md", "secret")
    (tmp_path / "docs/open.md").symlink_to("hr/pay.md")
    (tmp_path / "docs/hr/same.md").symlink_to("pay.md")
    found = listed("docs", tmp_path, access=[{"glob": "hr/**", "groups": ["hr"]}])
    assert texts(found) == {"hr/pay.md": "secret", "hr/same.md": "secret", "open.md": ""}
    assert problems(found) == {"open.md": "it is a link to hr/pay.md, which other groups may read"}


def test_a_link_to_what_is_left_out_keeps_to_its_readers_too(tmp_path, write):
    write("hr/pay.md", "secret")
    write("parts/note.md", "one")
    (tmp_path / "docs/open.md").symlink_to("hr/pay.md")
    (tmp_path / "docs/note.md").symlink_to("parts/note.md")
    rules = {"access": [{"glob": "hr/**", "groups": ["hr"]}], "exclude": ["hr/**", "parts/**"]}
    found = listed("docs", tmp_path, **rules)
    assert texts(found) == {"note.md": "one", "open.md": ""}
    assert problems(found) == {"open.md": "it is a link to hr/pay.md, which other groups may read"}


def test_folders_that_are_links_loops_and_pipes_do_not_hold_a_listing_up(tmp_path, write):
    write("a.md", "one")
    (tmp_path / "docs/again").symlink_to(".")
    (tmp_path / "docs/self.md").symlink_to("self.md")
    os.mkfifo(tmp_path / "docs/pipe.md")
    found = listed("docs", tmp_path)
    assert list(found) == ["a.md", "pipe.md", "self.md"]
    assert set(problems(found)) == {"pipe.md", "self.md"}


def test_a_folder_that_cannot_be_listed_is_no_shorter_listing(tmp_path, write):
    write("a.md", "one")
    here = os.getcwd()
    try:
        os.chdir(tmp_path / "docs")
        for _ in range(20):  # deeper than a path can be long
            os.mkdir("x" * 250)
            os.chdir("x" * 250)
    finally:
        os.chdir(here)
    with pytest.raises(SourceError, match=r"cannot be listed \(File name too long\). Nothing was changed"):
        listed("docs", tmp_path)


@given(st.text(st.characters(exclude_characters="\0")))
def test_a_copy_is_filed_under_a_plain_name_whatever_the_remote_calls_it(name):
    assert set(filed_under(name)) <= set("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._")
    assert not filed_under(name).startswith(".")
    assert len(filed_under(name)) < 50
