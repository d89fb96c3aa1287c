"""fetch: a folder that holds the last good copy of every file of a remote source. Only what changed is fetched."""

import hashlib
import os
import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from knowledge.digest import file_sha
from knowledge.errors import SourceError
from pipelines.ingestion.folder import Found, file_mark, shown_name
from pipelines.ingestion.memory import Memory, Remembered, order
from pipelines.ingestion.remote import FetchError, Remote, RemoteFile

ATTEMPTS = 3
PAUSE_SECONDS = 0.25
FAILED_IN_A_ROW = 20  # so many mean that the remote is gone, not these files


@dataclass(frozen=True, slots=True)
class Copy:
    """Where the copy of a remote file is, and what is remembered of it."""

    file: RemoteFile
    path: Path
    known: Remembered | None


def mirror_remote(
    remote: Remote,
    folder: Path,
    memory: Memory,
    *,
    what: str,
    lists: Callable[[str], bool],
    side_by_side: int,
    max_size_bytes: float,
) -> list[Found]:
    """Bring the copies in `folder` up to date and list them, in the order of their names.

    A file that cannot be fetched is listed as its earlier copy, or empty, with the problem; one over the size limit is
    not fetched. Raises SourceError, and then every copy stands as it stood or is whole and new.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {file.name: file for file in remote.files() if lists(shown_name(file.name))}
    copies = [
        Copy(file, folder / filed_under(file.name), memory.recall(file.name))
        for file in sorted(files.values(), key=lambda file: order(file.name))
    ]
    fitting = [copy for copy in copies if (copy.file.size_bytes or 0) <= max_size_bytes]
    wanted = [copy for copy in fitting if not _is_current(copy, memory)]
    workers = side_by_side if remote.side_by_side else 1
    tried = Fetches(remote, what).fetch_all(sorted(wanted, key=lambda copy: copy.file.position), workers)
    fits = {copy.file.name for copy in fitting}
    found = [
        _found(copy, tried, memory) if copy.file.name in fits else _too_large(copy.file, max_size_bytes)
        for copy in copies
    ]
    kept = {copy.path.name for copy in fitting}
    for path in folder.iterdir():
        if path.name not in kept:
            path.unlink()
    return found


def filed_under(name: str) -> str:
    """The file name of a copy. A remote name is never used as a path: it may lead anywhere, or be no path at all."""
    ending = re.search(r"\.\w{1,12}$", name, re.ASCII)
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32] + (ending[0] if ending else "")


class Fetches:
    """The fetches of one listing, which give up together when the remote is gone."""

    def __init__(self, remote: Remote, what: str):
        self._remote, self._what = remote, what
        self._failed_in_a_row = 0

    def fetch_all(self, copies: Sequence[Copy], workers: int) -> dict[str, FetchError | None]:
        """Fetch every copy anew; by name, why that failed, where it did. Raises SourceError."""
        with ThreadPoolExecutor(workers) as pool:
            tasks = {copy.file.name: pool.submit(self._fetch, copy.file, copy.path) for copy in copies}
            try:
                return {name: task.result() for name, task in tasks.items()}
            except BaseException:  # also an interrupt: what has not begun must not begin
                pool.shutdown(cancel_futures=True)
                raise

    def _fetch(self, file: RemoteFile, path: Path) -> FetchError | None:
        """Replace a copy, whole or not at all."""
        aside = path.with_name(f"{path.name}.part")
        failure = self._try(file, aside)
        for attempt in range(1, ATTEMPTS):
            if not (failure and failure.transient):
                break
            time.sleep(PAUSE_SECONDS * 2**attempt)
            failure = self._try(file, aside)
        # of two threads that count at once one may be lost: the limit is a rough one
        self._failed_in_a_row = self._failed_in_a_row + 1 if failure and failure.transient else 0
        if failure and self._failed_in_a_row >= FAILED_IN_A_ROW:
            raise SourceError(
                f"{self._what}: {FAILED_IN_A_ROW} files in a row could not be fetched ({failure.detail}). "
                "Nothing was changed. Run again when it answers."
            )
        if failure is None:
            aside.replace(path)
        return failure

    def _try(self, file: RemoteFile, aside: Path) -> FetchError | None:
        try:
            self._remote.fetch(file, aside)
        except FetchError as failure:
            return failure
        arrived = aside.stat().st_size
        if file.size_bytes is not None and arrived != file.size_bytes:
            return FetchError(f"{arrived} of {file.size_bytes} bytes arrived", transient=True)
        return None


def _is_current(copy: Copy, memory: Memory) -> bool:
    """Is the copy what the remote holds? When everything is read anew, a weak validator proves nothing."""
    known = copy.known
    if known is None or not copy.file.validator or known.validator != copy.file.validator:
        return False
    if memory.all_read:
        return not copy.file.weak and copy.path.is_file() and file_sha(copy.path) == known.sha
    return _stands(copy)


def _stands(copy: Copy) -> bool:
    try:
        return copy.known is not None and file_mark(os.stat(copy.path)) == copy.known.mark
    except OSError:
        return False


def _found(copy: Copy, tried: dict[str, FetchError | None], memory: Memory) -> Found:
    """The listed file, which is remembered with what its copy is now."""
    file, known = copy.file, copy.known
    failure = tried.get(file.name)
    problem = f"could not be fetched: {failure.detail}" if failure else ""
    moment = file.modified or memory.started_ns / 1e9
    name = shown_name(file.name)
    if not copy.path.is_file():
        return Found(name, "", "", file.size_bytes or 0, moment, problem)
    about = os.stat(copy.path)
    sha = known.sha if known and file.name not in tried else file_sha(copy.path)
    if known and known.sha == sha:
        moment = known.modified
    # without a validator an earlier copy is fetched again next time
    memory.keep(file.name, Remembered(sha, file_mark(about), "" if failure else file.validator, moment))
    return Found(name, str(copy.path), sha, about.st_size, moment, problem)


def _too_large(file: RemoteFile, max_size_bytes: float) -> Found:
    size = file.size_bytes or 0
    problem = f"{size / 1e6:.1f} MB, over the limit of {max_size_bytes / 1e6:g} MB, so it was not fetched"
    return Found(shown_name(file.name), "", "", size, file.modified or 0.0, problem)
