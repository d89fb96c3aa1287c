"""folder: the files of a local folder with their digests. What is remembered from last time is not read again."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from knowledge.digest import file_sha
from knowledge.errors import SourceError
from knowledge.source import Source, is_hidden
from pipelines.ingestion.memory import Memory, Remembered

NAME_ERRORS = "backslashreplace"


@dataclass(frozen=True, slots=True)
class Found:
    """One file of a source. sha: empty when there are no bytes that may be read, and then there is no local path.

    problem: why the newest bytes could not be had.
    """

    name: str
    local_path: str
    sha: str
    size_bytes: int
    modified: float
    problem: str = ""


def list_folder(source: Source, folder: str, memory: Memory) -> Iterator[Found]:
    """The files of a folder that a source lists, in the order of their names. Raises SourceError.

    A folder that is a link is not entered. A file that is a link is read when that shows nobody what is not theirs.
    """
    for path, entry in _walk(folder, source):
        name = shown_name(path[len(folder) + 1 :])
        if not source.lists(name):
            continue
        problem = _why_not_followed(source, folder, name, path) if entry.is_symlink() else ""
        try:
            about = entry.stat(follow_symlinks=not problem)
            if not (problem or stat.S_ISREG(about.st_mode)):
                problem = "it is no regular file"
        except OSError as error:
            about, problem = entry.stat(follow_symlinks=False), f"cannot be opened: {error.strerror}"
        yield _found(name, path, about, problem, memory)


def shown_name(name: str) -> str:
    """A name as a store can hold it: bytes that are no UTF-8 are escaped."""
    return name if name.isascii() else os.fsencode(name).decode("utf-8", NAME_ERRORS)


def file_mark(about: os.stat_result) -> tuple[int, ...]:
    """What changes whenever a file's bytes do, as far as its file system knows."""
    return about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino


def _found(name: str, path: str, about: os.stat_result, problem: str, memory: Memory) -> Found:
    mark = file_mark(about)
    known = memory.recall(name)
    if problem:
        return Found(name, "", "", about.st_size, about.st_mtime, problem)
    if known is None or known.mark != mark or memory.all_read:
        try:
            known = Remembered(file_sha(path), mark)
        except OSError as error:
            return Found(name, "", "", about.st_size, about.st_mtime, f"cannot be opened: {error.strerror}")
    if not memory.is_racy(mark):
        memory.keep(name, known)
    return Found(name, path, known.sha, about.st_size, about.st_mtime)


def _walk(folder: str, source: Source) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Every file below a folder, without the hidden ones. Raises SourceError: a folder that is passed over would
    delete its documents."""
    waiting = _entries(folder, source)
    while waiting:
        entry = waiting.pop()
        if entry.is_dir(follow_symlinks=False):
            waiting += _entries(entry.path, source)
        elif not (entry.is_symlink() and os.path.isdir(entry.path)):
            yield entry.path, entry


def _entries(folder: str, source: Source) -> list[os.DirEntry[str]]:
    """What a folder holds, the last name first."""
    try:
        with os.scandir(folder) as found:
            shown = [entry for entry in found if not is_hidden(entry.name)]
    except OSError as error:
        raise SourceError(
            f"source '{source.name}': {folder} cannot be listed ({error.strerror}). Nothing was changed. "
            "Make it readable, or take it out of the source's folder."
        ) from None
    return sorted(shown, key=lambda entry: entry.name, reverse=True)


def _why_not_followed(source: Source, folder: str, name: str, link: str) -> str:
    """A link may lead neither out of the source's folder nor to what other groups may read."""
    root, target = os.path.realpath(folder), os.path.realpath(link)
    if not target.startswith(f"{root}{os.sep}"):
        return "it is a link that leads out of the source's folder"
    behind = shown_name(target[len(root) + 1 :])
    # also where the target is left out of the documents: its rule still says who may read it
    if source.readers(behind) != source.readers(name):
        return f"it is a link to {behind}, which other groups may read"
    return ""
