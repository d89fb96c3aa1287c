"""Kept documents: what DVC holds after a night, and what comes back."""

import os
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from flows.params import Project
from flows.snapshots import Kept, keep_documents, push_documents, restore_documents, revision
from knowledge.errors import CorpusError
from knowledge.record import Document
from knowledge.snapshot import Snapshot
from knowledge.source import Source
from pipelines.ingestion.sync import SyncSettings, list_documents

ODD = {
    "plain.md": b"# Plain",
    "deep/er/page.md": b"deep",
    "dvc.yaml": b"stages: {x: {cmd: [",  # DVC's own file names
    "params.yaml": b"a: 1",
    "notes.dvc": b"\x00 not a dvc file",
    "Dvcfile": b"no",
    "with space ' and \" quotes.txt": b"quotes",
    "new\nline.txt": b"line",
    "[glob]*?.md": b"glob",
    "back\\slash.md": b"slash",
    "Gr\u00fc\u00dfe \u65e5\u672c.md": b"unicode",
    "empty.txt": b"",
    "same-1.txt": b"twice",
    "same-2.txt": b"twice",
    "__pycache__/x.pyc": b"cache",
    "tmp~": b"back-up",
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "params.yaml").write_text("min_free_mb: 0\n")
    (tmp_path / "docs").mkdir()
    return Project(tmp_path, tmp_path / "state", "sqlite://", None)


def write(project: Project, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = project.folder / "docs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def listing(project: Project) -> list[Document]:
    source = Source(name="docs", collection="support", url="docs", owner="tests", versioned=True)
    return list_documents(source, project=project.folder, state=project.state, settings=SyncSettings(), max_size_mb=50)


def keep(project: Project) -> Kept:
    return keep_documents(project, "support", listing(project))


def restored(project: Project, kept: Kept, name: str = "back") -> dict[str, bytes]:
    folder = project.folder / name
    restore_documents(project, snapshot(kept), folder)
    return {path.relative_to(folder / "docs").as_posix(): path.read_bytes() for path in files_in(folder)}


def snapshot(kept: Kept | None) -> Snapshot:
    text = kept.text if kept else None
    return Snapshot("support", "2026-11-02", 3, "recipe", 1, 1, text, datetime(2026, 11, 2, tzinfo=UTC))


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if not path.is_dir()]


def test_documents_come_back_byte_for_byte_whatever_they_are_called(project: Project) -> None:
    write(project, ODD)
    kept = keep(project)
    assert (kept.documents, kept.copied, kept.left_out) == (len(ODD), len(ODD), ())
    assert restored(project, kept) == ODD
    assert keep(project) == Kept(kept.text, len(ODD), 0, ())


def test_every_night_has_its_own_documents(project: Project) -> None:
    write(project, {"a.md": b"one", "b.md": b"b", "folder": b"a file"})
    first = keep(project)
    (project.folder / "docs/b.md").unlink()
    (project.folder / "docs/folder").unlink()
    write(project, {"a.md": b"two", "c/d.md": b"d", "folder/page.md": b"inside"})
    second = keep(project)
    assert (second.documents, second.copied) == (3, 3)
    assert restored(project, first, "first") == {"a.md": b"one", "b.md": b"b", "folder": b"a file"}
    assert restored(project, second, "second") == {"a.md": b"two", "c/d.md": b"d", "folder/page.md": b"inside"}
    shutil.rmtree(project.folder / "docs")
    (project.folder / "docs").mkdir()
    assert restored(project, keep(project), "third") == {}


def test_a_name_that_is_no_utf8_and_a_link_are_kept_as_they_are_listed(project: Project) -> None:
    write(project, {"real.md": b"real"})
    (project.folder / "docs/link.md").symlink_to("real.md")
    (project.folder / "docs/broken.md").symlink_to("nowhere.md")
    with open(os.fsencode(project.folder / "docs") + b"/caf\xe9.md", "wb") as file:
        file.write(b"coffee")
    with open(os.fsencode(project.folder / "docs") + b"/" + b"\xe9" * 200, "wb") as file:
        file.write(b"its escaped name is longer than a file system takes")
    kept = keep(project)
    assert [(each.doc_id[:15], each.reason) for each in kept.left_out] == [
        ("docs/broken.md", "unreadable"),
        ("docs/\\xe9\\xe9\\x", "unreadable"),
    ]
    assert restored(project, kept) == {"real.md": b"real", "link.md": b"real", "caf\\xe9.md": b"coffee"}


def test_a_document_that_changed_after_it_was_listed_is_left_out(project: Project) -> None:
    write(project, {"a.md": b"one", "b.md": b"b"})
    keep(project)
    write(project, {"a.md": b"two"})
    seen = listing(project)
    write(project, {"a.md": b"three"})
    kept = keep_documents(project, "support", seen)
    assert [(each.doc_id, each.reason) for each in kept.left_out] == [("docs/a.md", "changed")]
    assert restored(project, kept) == {"b.md": b"b"}
    assert restored(project, keep(project), "later") == {"a.md": b"three", "b.md": b"b"}


def test_what_may_be_deleted_costs_only_time(project: Project) -> None:
    write(project, {"a.md": b"one", "b.md": b"b"})
    first = keep(project)
    for place in ("cache", "corpus/documents/support", "corpus/documents", "corpus/.dvc/cache"):
        shutil.rmtree(project.state / place)
        assert keep(project).text == first.text
    assert restored(project, first) == {"a.md": b"one", "b.md": b"b"}


def test_an_edit_of_the_mirror_or_of_what_was_restored_changes_nothing_that_is_kept(project: Project) -> None:
    write(project, {"a.md": b"one"})
    kept = keep(project)
    restored(project, kept)
    for path in (project.folder / "back/docs/a.md", project.state / "corpus/documents/support/docs/a.md"):
        path.write_bytes(b"rubbish")
    assert keep(project) == Kept(kept.text, 1, 1, ())
    assert restored(project, kept, "again") == {"a.md": b"one"}


def test_a_damaged_cache_is_told_and_not_restored(project: Project) -> None:
    write(project, {"a.md": b"one"})
    kept = keep(project)
    (cached,) = [path for path in files_in(project.state / "corpus/.dvc/cache") if path.suffix != ".dir"]
    cached.chmod(0o644)
    cached.write_bytes(b"owe")
    cached.chmod(0o444)
    with pytest.raises(CorpusError, match=r"docs/a\.md is damaged in the corpus cache"):
        restored(project, kept)
    assert not (project.folder / "back").exists()


def test_what_is_lost_here_is_fetched_from_the_remote(project: Project) -> None:
    (project.folder / "params.yaml").write_text("min_free_mb: 0\ncorpus: {remote: back-up}\n")
    write(project, {"a.md": b"one"})
    first = keep(project)
    write(project, {"a.md": b"two"})
    second = keep(project)
    push_documents(project, [first.text, second.text])
    shutil.rmtree(project.state)
    assert restored(project, first, "first") == {"a.md": b"one"}
    assert restored(project, second, "second") == {"a.md": b"two"}


@pytest.mark.parametrize("remote", ["params.yaml/inside", "http://127.0.0.1:9/x", "s3://bucket/x", "nonsense://x"])
def test_a_remote_that_cannot_be_used_is_one_line_and_gets_it_later(project: Project, remote: str) -> None:
    (project.folder / "params.yaml").write_text(f"min_free_mb: 0\ncorpus: {{remote: '{remote}'}}\n")
    write(project, {"a.md": b"one"})
    kept = keep(Project(project.folder, project.state, "sqlite://", None))
    with pytest.raises(CorpusError, match=r"corpus remote .*cannot be sent") as caught:
        push_documents(Project(project.folder, project.state, "sqlite://", None), [kept.text])
    assert len(str(caught.value).splitlines()) == 1
    (project.folder / "params.yaml").write_text("min_free_mb: 0\ncorpus: {remote: back-up}\n")
    push_documents(Project(project.folder, project.state, "sqlite://", None), [kept.text])
    assert len(files_in(project.folder / "back-up")) == 2


def test_a_night_that_is_not_kept_and_a_folder_that_is_not_empty_are_refused(project: Project) -> None:
    with pytest.raises(CorpusError, match="kept no documents"):
        restore_documents(project, snapshot(None), project.folder / "back")
    write(project, {"a.md": b"one"})
    kept = keep(project)
    for place in ("docs", "params.yaml"):
        with pytest.raises(CorpusError, match="not an empty folder"):
            restore_documents(project, snapshot(kept), project.folder / place)
    shutil.rmtree(project.state / "corpus/.dvc/cache")
    with pytest.raises(CorpusError, match="cannot be restored"):
        restore_documents(project, snapshot(kept), project.folder / "back")


@pytest.mark.parametrize(
    "moments",
    [
        pytest.param([0.3], id="once"),
        pytest.param([step / 20 for step in range(24)], id="everywhere", marks=pytest.mark.nightly),
    ],
)
def test_a_keep_that_is_killed_anywhere_is_made_good_by_the_next(project: Project, moments: list[float]) -> None:
    write(project, {f"{number:03}.md": f"text {number}".encode() * 500 for number in range(300)})
    code = "\n".join(
        [
            "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[2])",
            "import test_snapshots as t; from flows.params import Project",
            "folder = Path(sys.argv[1]); project = Project(folder, folder / 'state', 'sqlite://', None)",
            "import dvc.repo; seen = t.listing(project); print('ready', flush=True)",
            "t.keep_documents(project, 'support', seen)",
        ]
    )
    for moment in moments:
        command = [sys.executable, "-c", code, str(project.folder), str(Path(__file__).parent)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            try:
                process.wait(timeout=moment)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
    kept = keep(project)
    assert kept.documents == 300
    assert len(restored(project, kept)) == 300
    assert yaml.safe_load(kept.text)["outs"][0]["nfiles"] == 300
    assert revision(keep(project).text) == revision(kept.text)
