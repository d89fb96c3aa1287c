"""index_page: a real web server on 127.0.0.1, with a proxy before it that can fail."""

import os
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from faulty_proxy import faulty_proxy
from listing import listed, problems, texts

from knowledge.errors import SourceError
from pipelines.ingestion.fetch import FAILED_IN_A_ROW
from pipelines.ingestion.sync import SyncSettings


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def site(tmp_path):
    """A folder, served; and the proxy before it."""
    folder = tmp_path / "site"
    (folder / "docs/sub").mkdir(parents=True)
    for name, text in {"docs/a.md": "one and two", "docs/sub/b c.md": "three", "up.md": "above"}.items():
        (folder / name).write_text(text)
        os.utime(folder / name, (1_767_323_045, 1_767_323_045))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=[0.02], daemon=True)
    thread.start()
    with faulty_proxy(("127.0.0.1", server.server_port)) as proxy:
        yield folder, proxy
    server.shutdown()
    server.server_close()
    thread.join()


def _change(path, text, *, moment):
    path.write_text(text)
    os.utime(path, (moment, moment))


def test_index_pages_are_followed_downwards_and_only_what_changed_is_fetched(site, tmp_path):
    folder, proxy = site
    found = listed(f"{proxy.url}/docs", tmp_path)
    assert texts(found) == {"a.md": "one and two", "sub/b c.md": "three"}
    assert found["a.md"].modified_at.timestamp() == 1_767_323_045
    assert found["sub/b c.md"].uri == f"{proxy.url}/docs/sub/b c.md"
    _change(folder / "docs/a.md", "other", moment=1_767_400_000)
    (folder / "docs/sub/b c.md").rename(folder / "docs/d.md")
    proxy.asked.clear()
    assert texts(listed(f"{proxy.url}/docs/", tmp_path)) == {"a.md": "other", "d.md": "three"}
    proxy.asked.clear()
    assert texts(listed(f"{proxy.url}/docs/", tmp_path)) == {"a.md": "other", "d.md": "three"}
    assert [asked for asked in proxy.asked if asked.startswith("GET") and asked.endswith(".md")] == []


def test_the_full_hash_fetches_what_only_looks_unchanged(site, tmp_path):
    folder, proxy = site
    listed(f"{proxy.url}/docs", tmp_path)
    _change(folder / "docs/a.md", "two and one", moment=1_767_323_045)
    assert texts(listed(f"{proxy.url}/docs", tmp_path))["a.md"] == "one and two"
    found = listed(f"{proxy.url}/docs", tmp_path, settings=SyncSettings(full_hash_days=0))
    assert texts(found)["a.md"] == "two and one"


def test_the_links_of_a_page_that_are_documents(site, tmp_path):
    folder, proxy = site
    links = ["a.md", "./a.md#part", "sub/../a.md", "/docs/sub/b%20c.md", "../up.md", "?C=N;O=D", "a.md?raw=1",
             "https://elsewhere.invalid/x.md", ".hidden.md", "mailto:x@y", "../docs/a.md"]  # fmt: skip
    page = "".join(f'<a class=x href="{link}">{link}</a>' for link in links)
    (folder / "docs/list.html").write_text(f"<html>{page}</html>")
    assert texts(listed(f"{proxy.url}/docs/list.html", tmp_path)) == {"a.md": "one and two", "sub/b c.md": "three"}


@pytest.mark.parametrize(("kind", "fault"), [("cut", 1), ("status", (500, 1))])
def test_a_failed_fetch_is_tried_again(site, tmp_path, kind, fault):
    _, proxy = site
    getattr(proxy, kind)["/docs/a.md"] = fault
    found = listed(f"{proxy.url}/docs", tmp_path)
    assert (texts(found)["a.md"], problems(found)) == ("one and two", {})


@pytest.mark.parametrize(("kind", "fault"), [("cut", 99), ("status", (404, 99))])
def test_a_broken_fetch_leaves_the_good_copy(site, tmp_path, kind, fault):
    folder, proxy = site
    listed(f"{proxy.url}/docs", tmp_path)
    _change(folder / "docs/a.md", "a longer text than before", moment=1_767_400_000)
    (folder / "docs/new.md").write_text("never had, and long enough to be cut")
    for name in ("a", "new"):
        getattr(proxy, kind)[f"/docs/{name}.md"] = fault
    found = listed(f"{proxy.url}/docs", tmp_path)
    assert texts(found) == {"a.md": "one and two", "new.md": "", "sub/b c.md": "three"}
    assert list(problems(found)) == ["a.md", "new.md"]
    proxy.heal()
    found = listed(f"{proxy.url}/docs", tmp_path)
    assert (texts(found)["a.md"], problems(found)) == ("a longer text than before", {})


def test_a_remote_that_goes_away_stops_the_listing_and_loses_no_copy(site, tmp_path):
    folder, proxy = site
    listed(f"{proxy.url}/docs", tmp_path)
    names = [f"n{number}.md" for number in range(FAILED_IN_A_ROW)]
    for name in names:
        (folder / "docs" / name).write_text("text")
    proxy.status = {f"/docs/{name}": (403, 99) for name in names}
    assert list(problems(listed(f"{proxy.url}/docs", tmp_path))) == sorted(names)  # forbidden is no outage
    proxy.heal()
    proxy.cut = {f"/docs/{name}": 99 for name in names}
    with pytest.raises(SourceError, match=f"{FAILED_IN_A_ROW} files in a row could not be fetched"):
        listed(f"{proxy.url}/docs", tmp_path, settings=SyncSettings(downloads=FAILED_IN_A_ROW))
    proxy.heal()
    found = listed(f"{proxy.url}/docs", tmp_path)
    assert (len(found), problems(found)) == (len(names) + 2, {})


@pytest.mark.parametrize("broken", ["/docs/", "/docs/sub/"])
@pytest.mark.parametrize("status", [404, 500])
def test_a_page_that_cannot_be_read_is_no_shorter_listing(site, tmp_path, broken, status):
    _, proxy = site
    listed(f"{proxy.url}/docs", tmp_path)
    proxy.status[broken] = (status, 99)
    with pytest.raises(SourceError, match=f"the index page {proxy.url}{broken} cannot be read"):
        listed(f"{proxy.url}/docs", tmp_path)


def test_a_server_that_is_down_is_no_empty_listing(tmp_path):
    with pytest.raises(SourceError, match=r"http://127.0.0.1:9/docs/ cannot be read"):
        listed("http://127.0.0.1:9/docs", tmp_path)
