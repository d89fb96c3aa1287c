"""sync: list what a source holds, as documents with their digests."""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field

from knowledge.content import Content
from knowledge.digest import digest
from knowledge.errors import SourceError
from knowledge.record import Document
from knowledge.source import Source
from pipelines.ingestion.address import Kind, check_source, find_path, kind_of, scheme_of, uri_prefix
from pipelines.ingestion.archive import Archive
from pipelines.ingestion.bucket import Bucket, SingleFile
from pipelines.ingestion.fetch import mirror_remote
from pipelines.ingestion.folder import Found, list_folder
from pipelines.ingestion.index_page import IndexPage
from pipelines.ingestion.memory import Memory, open_memory
from pipelines.ingestion.remote import Remote
from pipelines.ingestion.repository import Repository


class SyncSettings(Content):
    """How sources are listed.

    full_hash_days: so often every file is read anew, whatever the quick check says. downloads: files of one remote
    source that are fetched side by side. max_archive_mb: an archive that unpacks to more is refused.
    """

    full_hash_days: float = Field(default=7.0, ge=0)
    downloads: int = Field(default=8, ge=1, le=64)
    max_archive_mb: float = Field(default=10_000.0, gt=0)


def list_documents(
    source: Source, *, project: Path, state: Path, settings: SyncSettings, max_size_mb: float
) -> list[Document]:
    """Every file of a source that its globs let through, in the order of their names.

    A file that cannot be read is listed with an empty digest, so that it is rejected by name, not lost.
    state: where the memory and the mirrors of sources are. max_size_mb: larger files are listed, not fetched.
    Raises SourceError when the source cannot be listed whole.
    """
    check_source(source, project)
    listing = _Listing(source, project, state, settings, max_size_mb)
    kind = kind_of(source)
    found: Iterable[Found] = listing.folder() if kind == "folder" else listing.mirrored(kind)
    prefix = uri_prefix(source)
    return [_document(source, each, prefix) for each in found]


class _Listing:
    """One listing of one source."""

    def __init__(self, source: Source, project: Path, state: Path, settings: SyncSettings, max_size_mb: float):
        self._source, self._project, self._settings = source, project, settings
        self._max_size_bytes = max_size_mb * 1e6
        self._what = f"source '{source.name}'"
        self._memories = state / "cache" / "sources"
        self._mirrors = state / "mirror" / source.name

    def folder(self) -> Iterator[Found]:
        folder = str(find_path(self._source, self._project, "folder"))
        with self._memory(about=folder) as memory:
            yield from list_folder(self._source, folder, memory)

    def mirrored(self, kind: Kind) -> list[Found]:
        mirror = self._mirrors / digest(self._source.url)  # an address that is corrected must not meet the old copies
        with self._memory(about=self._source.url) as memory:
            found = self._archived(mirror, memory) if kind == "archive" else self._fetched(kind, mirror, memory)
        for other in self._mirrors.iterdir():
            if other != mirror:
                shutil.rmtree(other)
        return found

    def _fetched(self, kind: Kind, mirror: Path, memory: Memory) -> list[Found]:
        url, what = self._source.url, self._what
        if kind == "repository":
            with closing(Repository(url, mirror / "repository", what=what)) as repository:
                return self._mirror(repository, mirror / "files", memory)
        remote = Bucket(url, what=what) if kind == "bucket" else IndexPage(url, what=what)
        return self._mirror(remote, mirror / "files", memory)

    def _archived(self, mirror: Path, memory: Memory) -> list[Found]:
        local = scheme_of(self._source) == "file"
        packed = None if local else self._fetch_archive(mirror)
        path = Path(packed.local_path) if packed else find_path(self._source, self._project, "archive")
        limit = self._settings.max_archive_mb * 1e6
        with closing(Archive(path, memory, what=self._what, max_bytes=limit)) as archive:
            found = self._mirror(archive, mirror / "files", memory)
        problem = f"the archive {packed.problem}" if packed and packed.problem else ""
        return [replace(each, problem=each.problem or problem) for each in found]

    def _fetch_archive(self, mirror: Path) -> Found:
        """The last good copy of an archive that is elsewhere. Raises SourceError when there is none."""
        url = self._source.url
        remote = SingleFile(url, name=url.rpartition("/")[2], what=self._what)
        with self._memory(about=url, of="archive") as memory:
            (found,) = mirror_remote(
                remote,
                mirror / "archive",
                memory,
                what=self._what,
                lists=lambda _: True,
                side_by_side=1,
                max_size_bytes=self._settings.max_archive_mb * 1e6,
            )
        if not found.sha:
            raise SourceError(f"{self._what}: {url} {found.problem}. Nothing was changed. Correct 'url', or run again.")
        return found

    def _mirror(self, remote: Remote, folder: Path, memory: Memory) -> list[Found]:
        return mirror_remote(
            remote,
            folder,
            memory,
            what=self._what,
            lists=self._source.lists,
            side_by_side=self._settings.downloads,
            max_size_bytes=self._max_size_bytes,
        )

    def _memory(self, *, about: str, of: str = "files") -> AbstractContextManager[Memory]:
        path = self._memories / self._source.name / f"{of}.jsonl"
        return open_memory(path, about=about, full_after_days=self._settings.full_hash_days)


def _document(source: Source, found: Found, prefix: str) -> Document:
    return Document(
        doc_id=f"{source.name}/{found.name}",
        doc_sha=found.sha,
        source=source.name,
        uri=f"{prefix}{found.name}",
        local_path=found.local_path,
        size_bytes=found.size_bytes,
        modified_at=datetime.fromtimestamp(found.modified, UTC),
        groups=source.readers(found.name),
        languages=source.languages,
        problem=found.problem,
        tags=source.tags_of(found.name),
        superseded_by=source.superseded_by(found.name),
    )
