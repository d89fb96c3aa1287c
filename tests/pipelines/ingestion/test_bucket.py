"""bucket: a real S3 server on 127.0.0.1, with a proxy before it that can fail."""

import http.client
import io
import zipfile

import pytest
from faulty_proxy import faulty_proxy
from listing import listed, problems, texts

from knowledge.errors import SourceError
from pipelines.ingestion.sync import SyncSettings

URL = "s3://bucket/docs"
# the server looks at whose request it is, not at the signature
OWNER = {"Authorization": "AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/s3/aws4_request, Signature=none"}


@pytest.fixture(scope="module")
def server():
    """The address of an S3 server."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    with faulty_proxy(server.get_host_and_port()) as proxy:
        yield proxy
    server.stop()


def _ask(server, method, path, body=None):
    connection = http.client.HTTPConnection(*server.upstream)
    connection.request(method, path, body, OWNER)
    status = connection.getresponse().status
    connection.close()
    assert status < 400


@pytest.fixture
def bucket(server, monkeypatch):
    """Put objects into an empty bucket, or delete one (None)."""
    environment = {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "hush-hush",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": server.url,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    server.heal()
    _ask(server, "POST", "/moto-api/reset")
    _ask(server, "PUT", "/bucket")

    def put(**objects):
        for name, content in objects.items():
            key = f"/bucket/docs/{name.replace('__', '/')}.md"
            _ask(server, "DELETE" if content is None else "PUT", key, content)

    return put


def test_only_what_changed_is_fetched(bucket, server, tmp_path):
    bucket(a="one", sub__b="two", sub__c="three")
    assert texts(listed(URL, tmp_path)) == {"a.md": "one", "sub/b.md": "two", "sub/c.md": "three"}
    bucket(a="ONE", sub__b=None, d="four")
    server.asked.clear()
    found = listed(URL, tmp_path)
    assert texts(found) == {"a.md": "ONE", "d.md": "four", "sub/c.md": "three"}
    assert found["sub/c.md"].uri == "s3://bucket/docs/sub/c.md"
    assert sorted(asked for asked in server.asked if asked.endswith(".md")) == [
        "GET /bucket/docs/a.md",
        "GET /bucket/docs/d.md",
    ]
    files = [path for path in (tmp_path / "state/mirror").rglob("*") if path.is_file()]
    assert sorted(path.read_text() for path in files) == ["ONE", "four", "three"]


def test_a_lost_memory_costs_time_alone(bucket, server, tmp_path):
    bucket(a="one")
    before = listed(URL, tmp_path)
    (tmp_path / "state/cache/sources/help/files.jsonl").unlink()
    server.asked.clear()
    assert listed(URL, tmp_path) == before
    assert server.asked["GET /bucket/docs/a.md"] == 1


def test_a_copy_that_somebody_edited_is_fetched_again(bucket, tmp_path):
    bucket(a="one")
    listed(URL, tmp_path)["a.md"].path.write_text("forged")
    assert texts(listed(URL, tmp_path)) == {"a.md": "one"}


def test_the_full_hash_reads_the_copies_and_fetches_none_that_is_whole(bucket, server, tmp_path):
    bucket(a="one")
    listed(URL, tmp_path)
    server.asked.clear()
    assert texts(listed(URL, tmp_path, settings=SyncSettings(full_hash_days=0))) == {"a.md": "one"}
    assert server.asked["GET /bucket/docs/a.md"] == 0


@pytest.mark.parametrize("fault", ["cut", "status"])
def test_a_failed_fetch_is_tried_again(bucket, server, tmp_path, fault):
    bucket(a="one and two")
    path = "/bucket/docs/a.md"
    getattr(server, fault)[path] = 1 if fault == "cut" else (503, 1)
    found = listed(URL, tmp_path)
    assert (texts(found), problems(found)) == ({"a.md": "one and two"}, {})


def test_a_broken_fetch_leaves_the_good_copy_and_is_told(bucket, server, tmp_path):
    bucket(a="one", b="two")
    listed(URL, tmp_path)
    bucket(a="a longer one", c="new")
    server.status["/bucket/docs/a.md"] = server.status["/bucket/docs/c.md"] = (403, 99)
    found = listed(URL, tmp_path)
    assert texts(found) == {"a.md": "one", "b.md": "two", "c.md": ""}
    assert list(problems(found)) == ["a.md", "c.md"]
    assert all(problem.startswith("could not be fetched: ") for problem in problems(found).values())
    server.heal()
    found = listed(URL, tmp_path)
    assert (texts(found)["a.md"], texts(found)["c.md"], problems(found)) == ("a longer one", "new", {})


def test_an_object_over_the_limit_is_listed_and_not_fetched(bucket, server, tmp_path):
    bucket(a="x" * 3000)
    found = listed(URL, tmp_path, max_size_mb=0.002)
    assert (found["a.md"].size_bytes, found["a.md"].doc_sha) == (3000, "")
    assert "over the limit of 0.002 MB" in found["a.md"].problem
    assert server.asked["GET /bucket/docs/a.md"] == 0


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("s3://nobucket/docs", "s3://nobucket/docs cannot be listed (The specified bucket does not exist)"),
        ("s3://bucket/docs/a.md", "is one object, not a folder"),
    ],
)
def test_a_wrong_address_is_one_clear_line(bucket, tmp_path, url, told):
    bucket(a="one")
    with pytest.raises(SourceError) as error:
        listed(url, tmp_path)
    assert told in str(error.value)
    assert "hush-hush" not in str(error.value)


def test_an_empty_folder_of_a_bucket_lists_nothing(bucket, tmp_path):
    assert listed("s3://bucket/nothing", tmp_path) == {}


def test_wrong_credentials_are_told_without_showing_them(bucket, server, tmp_path):
    bucket(a="one")
    _ask(server, "POST", "/moto-api/reset-auth", "0")
    try:
        with pytest.raises(SourceError, match=r"the credentials and the endpoint in the environment") as error:
            listed(URL, tmp_path)
    finally:
        _ask(server, "POST", "/moto-api/reset-auth", "inf")
    assert "hush-hush" not in str(error.value)


def test_a_server_that_is_down_is_no_empty_listing(bucket, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(SourceError, match="cannot be listed"):
        listed(URL, tmp_path)


def test_a_key_with_two_slashes_and_one_that_climbs_stay_what_they_are(bucket, server, tmp_path):
    _ask(server, "PUT", "/bucket/docs//twice.md", "one")
    _ask(server, "PUT", "/bucket/docs/%2E%2E/up.md", "two")
    assert texts(listed(URL, tmp_path)) == {"%2F/twice.md": "one"}


def test_an_archive_in_a_bucket_is_fetched_when_it_changed(bucket, server, tmp_path):
    for content in ("one", "two"):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("a.md", content)
        _ask(server, "PUT", "/bucket/docs.zip", packed.getvalue())
        server.asked.clear()
        for _ in range(2):
            found = listed("s3://bucket/docs.zip", tmp_path)
            assert texts(found) == {"a.md": content}
        assert found["a.md"].uri == "s3://bucket/docs.zip#a.md"
        assert server.asked["GET /bucket/docs.zip"] == 1
    server.status["/bucket/docs.zip"] = (403, 99)
    with pytest.raises(SourceError, match=r"s3://bucket/docs.zip cannot be found"):
        listed("s3://bucket/docs.zip", tmp_path)
