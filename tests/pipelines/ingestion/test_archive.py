"""archive: zip and tar, good ones and bad ones."""

import gzip
import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest
from listing import listed, problems, texts

from knowledge.errors import SourceError
from pipelines.ingestion.sync import SyncSettings

FILES = {"a.md": "one", "sub/b.md": "two"}
NAMES = ("docs.zip", "docs.tar", "docs.tar.gz", "docs.tgz")


def _pack(path, files):
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in files.items():
                archive.writestr(name, text)
    else:
        with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as archive:
            for name, text in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(text)
                archive.addfile(member, io.BytesIO(text.encode()))
    os.utime(path, (1_767_323_045, 1_767_323_045))


@pytest.mark.parametrize("name", NAMES)
def test_the_files_of_an_archive(tmp_path, name):
    _pack(tmp_path / name, FILES)
    found = listed(name, tmp_path)
    assert texts(found) == FILES
    assert found["sub/b.md"].uri == f"{name}#sub/b.md"
    assert found["a.md"].modified_at.timestamp() == 1_767_323_045
    _pack(tmp_path / name, {"a.md": "ONE", "c.md": "three"})
    assert texts(listed(name, tmp_path)) == {"a.md": "ONE", "c.md": "three"}


@pytest.mark.parametrize("name", NAMES)
def test_no_name_in_it_leads_anywhere(tmp_path, name):
    project = tmp_path / "two/deep"
    project.mkdir(parents=True)
    climbing = {"../up.md": "x", "/etc/passwd.md": "abs", "sub/../../up.md": "y", "./dot.md": "dot", "a//b.md": "two"}
    _pack(project / name, climbing)
    assert texts(listed(name, project)) == {"%2F/etc/passwd.md": "abs", "a/%2F/b.md": "two", "dot.md": "dot"}
    assert not list(tmp_path.rglob("up.md"))
    assert not Path("/etc/passwd.md").exists()


def test_links_in_a_tar_are_left_out_and_a_hard_link_is_its_file(tmp_path):
    with tarfile.open(tmp_path / "docs.tar", "w") as archive:
        member = tarfile.TarInfo("a.md")
        member.size = 3
        archive.addfile(member, io.BytesIO(b"one"))
        for name, kind in (("soft.md", tarfile.SYMTYPE), ("hard.md", tarfile.LNKTYPE), ("pipe.md", tarfile.FIFOTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "a.md"
            archive.addfile(member)
    assert texts(listed("docs.tar", tmp_path)) == {"a.md": "one", "hard.md": "one"}


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        (name, damage)
        for name in NAMES
        for damage in ("cut", "flipped", "no archive")
        if name + damage != "docs.tarflipped"
    ],
)
def test_a_broken_archive_is_told_and_every_copy_stays(tmp_path, name, damage):
    """A plain tar has no checksum of what is in it."""
    path = tmp_path / name
    _pack(path, FILES)
    good = listed(name, tmp_path)
    _pack(path, {**FILES, "c.md": os.urandom(5000).hex()})
    content = bytearray(path.read_bytes())
    damaged = {"cut": content[: len(content) // 2], "no archive": b"hello " * 200, "flipped": bytearray(content)}
    damaged["flipped"][2000:2040] = bytes(40)
    path.write_bytes(damaged[damage])
    with pytest.raises(SourceError, match=r"cannot be unpacked .* Nothing was changed. Make the archive anew."):
        listed(name, tmp_path)
    assert texts(good) == FILES


def test_an_archive_with_a_password_is_told(tmp_path):
    _pack(tmp_path / "docs.zip", FILES)
    content = bytearray((tmp_path / "docs.zip").read_bytes())
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + place] |= 1  # the flag that a member is encrypted
    (tmp_path / "docs.zip").write_bytes(content)
    with pytest.raises(SourceError, match=r"docs.zip needs a password \(a.md\)"):
        listed("docs.zip", tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_an_archive_that_unpacks_to_more_than_the_limit_is_refused(tmp_path, name):
    _pack(tmp_path / name, dict.fromkeys((f"{number}.md" for number in range(30)), "0" * 100_000))
    with pytest.raises(SourceError, match=r"unpacks to more than 2 MB.* raise sources.max_archive_mb"):
        listed(name, tmp_path, settings=SyncSettings(max_archive_mb=2))


def test_hard_links_count_as_often_as_they_are_unpacked(tmp_path):
    with tarfile.open(tmp_path / "docs.tar", "w") as archive:
        member = tarfile.TarInfo("a.md")
        member.size = 100_000
        archive.addfile(member, io.BytesIO(b"0" * 100_000))
        for number in range(30):
            member = tarfile.TarInfo(f"{number}.md")
            member.type, member.linkname = tarfile.LNKTYPE, "a.md"
            archive.addfile(member)
    with pytest.raises(SourceError, match=r"unpacks to more than 2 MB"):
        listed("docs.tar", tmp_path, settings=SyncSettings(max_archive_mb=2))
    found = listed("docs.tar", tmp_path, max_size_mb=0.05)
    assert set(texts(found).values()) == {""}


def test_a_tar_whose_header_lies_is_not_read_to_its_end(tmp_path):
    member = tarfile.TarInfo("a.md")
    member.size = 1 << 50
    (tmp_path / "docs.tar.gz").write_bytes(gzip.compress(member.tobuf() + bytes(1 << 20)))
    with pytest.raises(SourceError, match=r"unpacks to more than"):
        listed("docs.tar.gz", tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_one_file_over_the_size_limit_is_listed_and_not_unpacked(tmp_path, name):
    _pack(tmp_path / name, {"a.md": "one", "big.md": "0" * 2_000_000})
    found = listed(name, tmp_path, max_size_mb=1)
    assert (texts(found), found["big.md"].size_bytes) == ({"a.md": "one", "big.md": ""}, 2_000_000)
    assert list(problems(found)) == ["big.md"]
