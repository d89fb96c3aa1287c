"""sync: list what a source holds, as documents with their digests."""

import os
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import fsspec
from fsspec.implementations.local import LocalFileSystem

from knowledge.digest import file_sha
from knowledge.errors import SourceError
from knowledge.record import Document
from knowledge.source import Source


def list_documents(source: Source, *, project: Path) -> list[Document]:
    """Every file of a source that its globs let through, by doc_id.

    A file that cannot be opened is listed with an empty digest, so that it is rejected by name, not lost.
    Hidden files and folders (a leading dot) are left out. Raises SourceError when the folder is not there.
    """
    folder = find_folder(source, project)
    wanted = [_glob(pattern) for pattern in source.include]
    unwanted = [_glob(pattern) for pattern in source.exclude]
    found = []
    for path in sorted(folder.rglob("*")):
        # a name that is no UTF-8 is shown with its bytes escaped, as no store could hold it
        name = os.fsencode(path.relative_to(folder).as_posix()).decode("utf-8", "backslashreplace")
        if path.is_dir() or any(part.startswith(".") for part in PurePosixPath(name).parts):
            continue
        if _matches(wanted, name) and not _matches(unwanted, name):
            found.append(_document(source, path, name))
    return found


def find_folder(source: Source, project: Path) -> Path:
    """The folder of a source. Raises SourceError when it is not there or not local."""
    try:
        filesystem, place = fsspec.core.url_to_fs(source.url)
    except (ValueError, ImportError, OSError) as problem:
        raise SourceError(f"source '{source.name}': {source.url} cannot be reached ({problem}).") from None
    if not isinstance(filesystem, LocalFileSystem):
        raise SourceError(
            f"source '{source.name}': {source.url} is not a local folder, and this version reads no other. "
            "Copy the documents into a folder and name that."
        )
    folder = Path(place) if "://" in source.url else project / os.path.expanduser(source.url)
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "no such folder"
        raise SourceError(f"source '{source.name}': {folder}: {what}. Correct 'url', or create the folder.")
    return folder


def _document(source: Source, path: Path, name: str) -> Document:
    try:
        sha, about = file_sha(path), path.stat()
    except OSError:
        sha, about = "", path.lstat()
    return Document(
        doc_id=f"{source.name}/{name}",
        doc_sha=sha,
        source=source.name,
        uri=f"{source.url.rstrip('/')}/{name}",
        path=path,
        size_bytes=about.st_size,
        modified_at=datetime.fromtimestamp(about.st_mtime, UTC),
        groups=source.groups,
        languages=source.languages,
    )


def _glob(pattern: str) -> re.Pattern[str]:
    """A glob as a pattern: `**/` is any number of folders, `*` stays inside one."""
    parts = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    pieces = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    return re.compile("".join(parts.get(piece, re.escape(piece)) for piece in pieces), re.DOTALL)


def _matches(patterns: Iterable[re.Pattern[str]], name: str) -> bool:
    return any(pattern.fullmatch(name) for pattern in patterns)
