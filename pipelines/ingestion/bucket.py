"""bucket: the files of an object store (S3, Google Cloud Storage, Azure) and single files on the web, by fsspec."""

import errno
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from email.utils import parsedate_to_datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from knowledge.errors import SourceError
from pipelines.ingestion.remote import FetchError, RemoteFile, in_words

CONNECT_SECONDS, READ_SECONDS = 10, 60
DISK_FULL = {errno.ENOSPC, errno.EDQUOT}
_VALIDATORS = ("ETag", "etag", "md5Hash", "content_md5", "Content-MD5")
_TIMES = ("LastModified", "last_modified", "Last-Modified", "updated", "mtime")
_PERMANENT_STATUS = range(400, 500)
_BUSY_STATUS = {408, 425, 429}


class Bucket:
    """Every object below a URL. Credentials and endpoint come from the environment, as for each cloud's own tools."""

    side_by_side = True

    def __init__(self, url: str, *, what: str):
        self._url, self._what = url, what
        self._files = FileSystem(url, what=what)

    def files(self) -> Iterable[RemoteFile]:
        """All objects below the URL. Raises SourceError."""
        root = self._files.root.rstrip("/")
        found = self._files.told("be listed", lambda vendor: vendor.find(root, detail=True))
        store = root.partition("/")[0]
        # adlfs lists nothing where there is no such container
        if not found and not self._files.told("be listed", lambda vendor: vendor.exists(store)):
            raise SourceError(f"{self._what}: {self._url}: there is no '{store}' here. Correct 'url'.")
        if set(found) == {root}:
            raise SourceError(f"{self._what}: {self._url} is one object, not a folder. Name the folder it is in.")
        listed = [(key.removeprefix(f"{root}/"), entry) for key, entry in found.items() if entry["type"] == "file"]
        return [self._files.describe(key_name(name), entry) for name, entry in listed if not name.endswith("/")]

    def fetch(self, file: RemoteFile, to: Path) -> None:
        """Fetch one object. Raises FetchError."""
        self._files.fetch(file, to)


class SingleFile:
    """One file behind a URL, under the name `name`."""

    side_by_side = True

    def __init__(self, url: str, *, name: str, what: str):
        self._name = name
        self._files = FileSystem(url, what=what)

    def files(self) -> Iterable[RemoteFile]:
        """That one file. Raises SourceError."""
        entry = self._files.told("be found", lambda vendor: vendor.info(self._files.root))
        return [self._files.describe(self._name, {**entry, "name": self._files.root})]

    def fetch(self, file: RemoteFile, to: Path) -> None:
        """Fetch it. Raises FetchError."""
        self._files.fetch(file, to)


class FileSystem:
    """fsspec's file system of a URL, with its failures as ours."""

    def __init__(self, url: str, *, what: str):
        from fsspec.core import url_to_fs

        self._url, self._what = url, what
        self._scheme = url.partition("://")[0]
        options = _options(self._scheme)
        self._problems = _problems(self._scheme)
        self._vendor, self.root = self.told(
            "be reached", lambda _: url_to_fs(url, skip_instance_cache=True, use_listings_cache=False, **options)
        )

    def told(self, what: str, ask: Any) -> Any:
        """Ask the vendor; whatever it raises becomes a SourceError."""
        try:
            return ask(getattr(self, "_vendor", None))
        except self._problems as problem:
            raise SourceError(
                f"{self._what}: {self._url} cannot {what} ({in_words(problem)}). Nothing was changed. "
                "Correct 'url', or the credentials and the endpoint in the environment."
            ) from None

    def read(self, address: str) -> bytes:
        """The bytes behind an address. Raises FetchError."""
        return bytes(self._fetching(lambda: self._vendor.cat_file(address)))

    def look(self, address: str) -> dict[str, Any]:
        """What the remote says of a file. Raises FetchError."""
        return dict(self._fetching(lambda: self._vendor.info(address)))

    def fetch(self, file: RemoteFile, to: Path) -> None:
        """Write a file's bytes to `to`. Raises FetchError."""
        self._fetching(lambda: self._vendor.get_file(file.address, str(to)))

    def _fetching(self, ask: Any) -> Any:
        try:
            return ask()
        except self._problems as problem:
            if getattr(problem, "errno", None) in DISK_FULL:
                raise
            raise FetchError(in_words(problem), transient=_is_transient(problem)) from None

    def describe(self, name: str, entry: dict[str, Any]) -> RemoteFile:
        """A file as the remote tells of it. A time and a size prove less than a checksum; so does what a web server
        calls its ETag, which most make of just those."""
        moment = _moment(next((entry[key] for key in _TIMES if entry.get(key)), None))
        checksum = next((str(entry[key]) for key in _VALIDATORS if entry.get(key)), "")
        size = entry.get("size")
        validator = checksum or (f"{size} {moment}" if moment else "")
        weak = not checksum or self._scheme in ("http", "https")
        return RemoteFile(name, str(entry["name"]), size, validator, weak, moment)


def key_name(key: str) -> str:
    """A key as the name of a document: the empty part of `a//b` is written as what it is, a second slash.

    `./a` is `a`. A name with `..` in it is hidden, as every name with a leading dot.
    """
    return "/".join(part or "%2F" for part in key.split("/") if part != ".")


def _moment(value: object) -> float | None:
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, int | float):
        return float(value)
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        with suppress(ValueError, TypeError):
            return read(str(value)).timestamp()
    return None


def _options(scheme: str) -> dict[str, Any]:
    if scheme in ("http", "https"):
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=READ_SECONDS)
        # with trust_env a login comes from ~/.netrc and a proxy from HTTPS_PROXY
        return {"client_kwargs": {"timeout": timeout, "trust_env": True}, "headers": {"Accept-Encoding": "identity"}}
    if scheme == "s3":
        retries = {"max_attempts": 2, "mode": "standard"}  # s3fs tries five times on top
        return {"config_kwargs": {"connect_timeout": CONNECT_SECONDS, "read_timeout": READ_SECONDS, "retries": retries}}
    return {}


def _problems(scheme: str) -> tuple[type[BaseException], ...]:
    """What the file system of a scheme raises when a remote fails, each with its vendor's own tree of errors."""
    import aiohttp

    own = {
        "s3": (("botocore.exceptions", "BotoCoreError"), ("botocore.exceptions", "ClientError")),
        "gs": (("gcsfs.retry", "HttpError"), ("google.auth.exceptions", "GoogleAuthError")),
        "az": (("azure.core.exceptions", "AzureError"),),
    }
    store = {"gcs": "gs", "abfs": "az", "abfss": "az"}.get(scheme, scheme)
    vendors = tuple(getattr(import_module(module), name) for module, name in own.get(store, ()))
    return (OSError, ValueError, ImportError, aiohttp.ClientError, *vendors)


def _is_transient(problem: BaseException) -> bool:
    if isinstance(problem, FileNotFoundError | PermissionError | ValueError):
        return False
    status = getattr(problem, "status", None)
    return not (isinstance(status, int) and status in _PERMANENT_STATUS and status not in _BUSY_STATUS)
