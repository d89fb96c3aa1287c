"""repository: a git repository made on the spot, read from the disk and from a real server on 127.0.0.1."""

import threading
from wsgiref.simple_server import make_server

import pytest
from dulwich import porcelain
from dulwich.repo import Repo
from dulwich.server import DictBackend
from dulwich.web import WSGIRequestHandlerLogger, WSGIServerLogger, make_wsgi_chain
from listing import listed, problems, texts

from knowledge.errors import SourceError


@pytest.fixture
def work(tmp_path):
    """A repository with two files, and a way to commit more."""
    folder = tmp_path / "work"
    folder.mkdir()
    porcelain.init(str(folder)).close()

    def commit(**files):
        for name, text in files.items():
            path = folder / f"{name.replace('__', '/')}.md"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
            porcelain.add(str(folder), [str(path)])
        who = b"tests <tests@localhost>"
        return porcelain.commit(str(folder), message=b"x", author=who, committer=who, commit_timestamp=1_767_323_045)

    commit.url = f"git+file://{folder}"
    commit.first = commit(a="one", docs__b="two").decode()
    return commit


def test_the_files_of_a_revision(work, tmp_path):
    work(a="ONE")
    porcelain.branch_create(str(tmp_path / "work"), "feature/x", work.first)
    porcelain.tag_create(
        str(tmp_path / "work"), "v1", objectish=work.first, annotated=True, message=b"1", author=b"t <t>"
    )
    for revision, text in {
        "": "ONE",
        "@master": "ONE",
        "@feature/x": "one",
        "@v1": "one",
        f"@{work.first}": "one",
    }.items():
        found = listed(work.url + revision, tmp_path)
        assert texts(found) == {"a.md": text, "docs/b.md": "two"}, revision
        assert found["a.md"].uri == f"{work.url}{revision}#a.md"
    assert found["a.md"].modified_at.timestamp() == 1_767_323_045


def test_a_folder_of_it(work, tmp_path):
    found = listed(f"{work.url}@master#docs", tmp_path)
    assert texts(found) == {"b.md": "two"}
    assert found["b.md"].uri == f"{work.url}@master#docs/b.md"


def test_a_commit_changes_what_it_changed_alone(work, tmp_path):
    before = {name: each.path.stat() for name, each in listed(work.url, tmp_path).items()}
    work(a="ONE")
    found = listed(work.url, tmp_path)
    assert texts(found) == {"a.md": "ONE", "docs/b.md": "two"}
    same = [name for name, each in found.items() if each.path.stat() == before[name]]
    assert same == ["docs/b.md"]


def test_links_are_not_followed_and_large_files_that_are_elsewhere_are_told(work, tmp_path):
    (tmp_path / "work/link.md").symlink_to("/etc/hostname")
    porcelain.add(str(tmp_path / "work"), [str(tmp_path / "work/link.md")])
    work(big="version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    found = listed(work.url, tmp_path)
    assert texts(found) == {"a.md": "one", "big.md": "", "docs/b.md": "two"}
    assert problems(found) == {"big.md": "could not be fetched: it is a Git LFS pointer, and LFS is not fetched"}


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("@nobranch", "it has no branch and no tag nobranch"),
        ("#nowhere", "it has no folder nowhere"),
        ("#a.md", "it has no folder a.md"),
        ("@" + "0" * 40, "cannot be read"),
        ("/nowhere", "cannot be read"),
    ],
)
def test_what_is_not_there_is_one_clear_line(work, tmp_path, more, told):
    with pytest.raises(SourceError) as error:
        listed(work.url + more, tmp_path)
    assert told in str(error.value)
    assert "source 'help'" in str(error.value)


def test_over_http_only_what_is_new_is_fetched_and_a_server_that_is_down_loses_nothing(work, tmp_path):
    opened = Repo(str(tmp_path / "work"))
    chain = make_wsgi_chain(DictBackend({"/r.git": opened}))
    server = make_server("127.0.0.1", 0, chain, WSGIServerLogger, WSGIRequestHandlerLogger)
    thread = threading.Thread(target=server.serve_forever, args=[0.02], daemon=True)
    thread.start()
    url = f"git+http://127.0.0.1:{server.server_port}/r.git@master"
    try:
        assert texts(listed(url, tmp_path)) == {"a.md": "one", "docs/b.md": "two"}
        work(a="ONE")
        found = listed(url, tmp_path)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        opened.close()
    assert texts(found) == {"a.md": "ONE", "docs/b.md": "two"}
    with pytest.raises(SourceError, match="cannot be read"):
        listed(url, tmp_path)
    assert texts(found) == {"a.md": "ONE", "docs/b.md": "two"}
