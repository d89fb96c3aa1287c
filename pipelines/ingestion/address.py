"""address: what the URL of a source names, and whether it can be listed here at all."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from knowledge.errors import SourceError
from knowledge.source import Source, secret_in

Kind = Literal["folder", "archive", "bucket", "index page", "repository"]

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
_BUCKETS = {"s3": "s3", "gs": "gs", "gcs": "gs", "az": "az", "abfs": "az", "abfss": "az"}  # scheme: the extra it needs
_PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "az": "adlfs"}
_REPOSITORIES = ("git+https", "git+http", "git+ssh", "git+file")


def kind_of(source: Source) -> Kind:
    """What the URL of a source names. Raises SourceError."""
    scheme = scheme_of(source)
    if scheme in _REPOSITORIES:
        return "repository"
    if scheme not in ("file", "http", "https", *_BUCKETS):
        raise SourceError(
            f"source '{source.name}': {source.url} is of a kind that is not read here ('{scheme}'). "
            "Give a folder, s3://, gs://, az://, http(s)://, git+https://, or a .zip or .tar.gz."
        )
    if source.url.lower().endswith(ARCHIVES):
        return "archive"
    if scheme == "file":
        return "folder"
    return "bucket" if scheme in _BUCKETS else "index page"


def scheme_of(source: Source) -> str:
    """The scheme of its URL; a path has `file`. Raises SourceError."""
    if "://" not in source.url:
        return "file"
    try:
        return urlsplit(source.url).scheme
    except ValueError as problem:
        raise SourceError(f"source '{source.name}': {source.url} is no address ({problem}). Correct 'url'.") from None


def check_source(source: Source, project: Path) -> None:
    """Refuse, before anything runs, what could not be listed. Raises SourceError. Asks no other machine."""
    if held := secret_in(source.url):
        raise SourceError(f"source '{source.name}': its url holds {held}. Take it out; see docs/sources.md.")
    kind = kind_of(source)
    extra = _BUCKETS.get(scheme_of(source), "")
    if extra and find_spec(_PACKAGES[extra]) is None:
        raise SourceError(
            f"source '{source.name}': {source.url} needs a package that is not installed. "
            f"Run `pip install 'plumbline[{extra}]'`."
        )
    if kind in ("folder", "archive") and not extra and scheme_of(source) == "file":
        find_path(source, project, kind)


def find_path(source: Source, project: Path, kind: Kind) -> Path:
    """The folder or archive of a source on this machine. Raises SourceError when it is not there."""
    path = project / os.path.expanduser(source.url.removeprefix("file://"))
    if not (path.is_dir() if kind == "folder" else path.is_file()):
        other = "is a file, not a folder" if kind == "folder" else "is a folder, not an archive"
        what = other if path.exists() else f"no such {kind if kind == 'archive' else 'folder'}"
        remedy = f"create the {kind}"
        raise SourceError(f"source '{source.name}': {path}: {what}. Correct 'url', or {remedy}.")
    return path


def uri_prefix(source: Source) -> str:
    """What stands before a document's name in its address: inside a repository or an archive it ends with `#`."""
    inside = kind_of(source) in ("repository", "archive")
    return f"{source.url}#" if inside and "#" not in source.url else f"{source.url.rstrip('/')}/"
