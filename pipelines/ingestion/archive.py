"""archive: the files in a zip or tar archive. None of its names is ever used as a path."""

import gzip
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from posixpath import normpath
from typing import IO, Any

from knowledge.errors import SourceError
from pipelines.ingestion.bucket import DISK_FULL, key_name
from pipelines.ingestion.folder import file_mark
from pipelines.ingestion.memory import Memory
from pipelines.ingestion.remote import RemoteFile, in_words

BLOCK_BYTES = 1 << 20
MAX_READ_BYTES = 64 << 20  # more at once is asked only by a header that lies
_BROKEN = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError, ValueError, NotImplementedError, KeyError,
)  # fmt: skip


class _TooMuchError(Exception):
    """The archive unpacks to more than the limit."""


class Archive:
    """The files of an archive, which come out all or not at all: a broken one changes nothing."""

    side_by_side = False

    def __init__(self, path: Path, memory: Memory, *, what: str, max_bytes: float):
        self._path, self._what, self._max_bytes = path, what, max_bytes
        about = path.stat()
        mark = file_mark(about)
        # the bytes behind a mark that may be racy are unpacked again
        self._validator = "" if memory.is_racy(mark) else " ".join(map(str, mark))
        self._modified = about.st_mtime
        self._open: zipfile.ZipFile | tarfile.TarFile | None = None
        self._members: dict[str, Any] = {}
        self._closing = ExitStack()

    def files(self) -> Iterable[RemoteFile]:
        """Its regular files. Raises SourceError."""
        with self._told():
            found = list(self._zip() if self._path.name.lower().endswith(".zip") else self._tar())
            if sum(file.size_bytes or 0 for file in found) > self._max_bytes:
                raise _TooMuchError
        return found

    def fetch(self, file: RemoteFile, to: Path) -> None:
        """Unpack one file. Raises SourceError."""
        with self._told(), self._reader(self._members[file.name]) as packed, to.open("wb") as copy:
            while block := packed.read(BLOCK_BYTES):
                copy.write(block)

    def close(self) -> None:
        """Let go of the archive's file."""
        self._closing.close()

    def _zip(self) -> Iterator[RemoteFile]:
        self._open = opened = self._closing.enter_context(zipfile.ZipFile(self._path))
        for member in opened.infolist():
            kind = member.external_attr >> 16
            if member.is_dir() or stat.S_ISLNK(kind):
                continue
            if member.flag_bits & 1:
                raise SourceError(
                    f"{self._what}: {self._path} needs a password ({member.filename}). Nothing was changed. "
                    "Make the archive anew without one."
                )
            yield self._describe(member.filename, member, member.file_size, member.header_offset)

    def _tar(self) -> Iterator[RemoteFile]:
        packed: Any = self._closing.enter_context(self._path.open("rb"))
        if not self._path.name.lower().endswith(".tar"):
            packed = self._closing.enter_context(gzip.GzipFile(fileobj=packed))
        bounded: Any = _Bounded(packed, self._max_bytes)
        self._open = opened = tarfile.TarFile(fileobj=bounded)
        sizes: dict[str, int | None] = {}
        for member in opened:
            if member.isreg() or member.islnk():
                # the header of a hard link holds no size; it is that of what it stands for, each time it is unpacked
                size = member.size if member.isreg() else sizes.get(normpath(member.linkname))
                sizes[normpath(member.name)] = size
                yield self._describe(member.name, member, size, member.offset)
        while bounded.read(BLOCK_BYTES):
            pass  # the checksum of a compressed archive stands at its very end

    def _describe(self, name: str, member: Any, size: int | None, position: int) -> RemoteFile:
        shown = key_name(name)
        self._members[shown] = member
        return RemoteFile(shown, shown, size, self._validator, True, self._modified, position)

    def _reader(self, member: Any) -> IO[bytes]:
        if isinstance(self._open, zipfile.ZipFile):
            return self._open.open(member)
        reader = self._open.extractfile(member) if self._open else None
        if reader is None:
            raise tarfile.TarError(f"{member.name} has no content")
        return reader

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except _TooMuchError:
            raise SourceError(
                f"{self._what}: {self._path} unpacks to more than {self._max_bytes / 1e6:g} MB. Nothing was changed. "
                "Is that right? Then raise sources.max_archive_mb in params.yaml."
            ) from None
        except _BROKEN as problem:
            if isinstance(problem, OSError) and problem.errno in DISK_FULL:
                raise
            raise SourceError(
                f"{self._what}: {self._path} cannot be unpacked ({in_words(problem)}). Nothing was changed. "
                "Make the archive anew."
            ) from None


class _Bounded:
    """An unpacked stream that is not read beyond a limit, whatever the headers in it say."""

    def __init__(self, file: IO[bytes], max_bytes: float):
        self._file, self._max_bytes = file, max_bytes

    def read(self, size: int) -> bytes:
        if size > MAX_READ_BYTES or self._file.tell() > self._max_bytes:
            raise _TooMuchError
        return self._file.read(size)

    def seek(self, offset: int) -> int:
        if offset > self._max_bytes:
            raise _TooMuchError
        return self._file.seek(offset)

    def tell(self) -> int:
        return self._file.tell()
