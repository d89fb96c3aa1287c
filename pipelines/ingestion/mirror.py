"""mirror: a folder that holds the listed documents, each with exactly the bytes that were listed."""

import errno
import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from knowledge.digest import file_sha
from knowledge.record import Document

BLOCK_BYTES = 1 << 20
DISK_FULL = {errno.ENOSPC, errno.EDQUOT}


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A listed document that is not in the mirror, and why."""

    doc_id: str
    reason: Literal["unreadable", "changed"]
    detail: str


@dataclass(frozen=True, slots=True)
class Mirrored:
    """How many documents the mirror holds, how many were copied and removed, and those it could not take."""

    documents: int
    copied: int
    removed: int
    left_out: tuple[LeftOut, ...]


def mirror_documents(documents: Iterable[Document], folder: Path, *, memory: Path) -> Mirrored:
    """Make `folder` hold these documents under their doc_ids, and nothing else.

    memory: a file that spares reading the mirror again; without it every mirrored file is hashed.
    A file is copied aside and renamed, so that none ever stands half under its name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {document.doc_id: document for document in documents}
    present = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if not path.is_dir()}
    removed = [path for name, path in present.items() if name not in wanted or not wanted[name].doc_sha]
    for path in removed:
        path.unlink()
    _remove_empty_folders(folder)  # a folder's name may be a file's now
    known = _recall(memory)
    copied, left_out = 0, []
    for doc_id, document in wanted.items():
        target = folder / doc_id
        if document.doc_sha and doc_id in present and _holds(target, document, known.get(doc_id)):
            continue
        refused = _copy(document, target, aside=folder.with_name(f".{folder.name}.part"))
        if refused:
            target.unlink(missing_ok=True) if doc_id in present else None
            left_out.append(refused)
        else:
            copied += 1
    out = {each.doc_id for each in left_out}
    kept = {doc_id: document for doc_id, document in wanted.items() if doc_id not in out}
    memory.parent.mkdir(parents=True, exist_ok=True)
    memory.write_text(json.dumps({name: _mark(folder / name, each.doc_sha) for name, each in kept.items()}))
    return Mirrored(len(kept), copied, len(removed), tuple(left_out))


def _copy(document: Document, target: Path, *, aside: Path) -> LeftOut | None:
    """Copy one document, unless its bytes are no longer those that were listed."""
    if not document.doc_sha:
        return LeftOut(document.doc_id, "unreadable", "the file could not be read when it was listed")
    sha = hashlib.sha256()
    try:
        with document.path.open("rb") as source, aside.open("wb") as copy:
            while block := source.read(BLOCK_BYTES):
                sha.update(block)
                copy.write(block)
        if sha.hexdigest() != document.doc_sha:
            return LeftOut(document.doc_id, "changed", "the file changed after it was listed; the next run keeps it")
        target.parent.mkdir(parents=True, exist_ok=True)
        aside.replace(target)
    except OSError as problem:
        if problem.errno in DISK_FULL:
            raise
        return LeftOut(document.doc_id, "unreadable", problem.strerror or type(problem).__name__)
    return None


def _holds(path: Path, document: Document, known: object) -> bool:
    """Does the mirror hold these bytes? What is remembered counts as long as the file's size and time stand."""
    return _mark(path, document.doc_sha) == known or file_sha(path) == document.doc_sha


def _mark(path: Path, doc_sha: str) -> list[object]:
    about = path.stat()
    return [doc_sha, about.st_size, about.st_mtime_ns]


def _recall(memory: Path) -> dict[str, object]:
    try:
        known = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # a time saver only: without it the mirror is hashed
    return known if isinstance(known, dict) else {}


def _remove_empty_folders(folder: Path) -> None:
    for inner, _, _ in os.walk(folder, topdown=False):
        if inner != str(folder) and not os.listdir(inner):
            os.rmdir(inner)
