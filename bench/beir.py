"""A labelled collection in the layout of BEIR: corpus.jsonl, queries.jsonl and qrels/test.tsv, plain or .gz."""

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from knowledge.errors import ContentError
from knowledge.record import Passage


@dataclass(frozen=True, slots=True)
class Beir:
    """What is searched, what is asked and what would be right.

    passages: by the document's id; its title is the heading. queries: those with a relevant document, by id.
    qrels: the grade of each judged document, by query. left_out: counts of what cannot be used, by reason.
    """

    passages: dict[str, Passage]
    queries: dict[str, str]
    qrels: dict[str, dict[str, int]]
    left_out: dict[str, int]


def read_beir(folder: Path) -> Beir:
    """Read a folder. Raises ContentError, naming the file and the line."""
    qrels = _read_qrels(_there(folder, "qrels/test.tsv"))
    queries = dict(_read_texts(_there(folder, "queries.jsonl")))
    passages = {name: _passage(*fields) for name, fields in _read_entries(_there(folder, "corpus.jsonl"))}
    labelled = {name for name, grades in qrels.items() if any(grade > 0 for grade in grades.values())}
    found = Beir(
        passages={name: passage for name, passage in passages.items() if passage.indexed_text},
        queries={name: text for name, text in queries.items() if name in labelled},
        qrels={name: grades for name, grades in qrels.items() if name in labelled & queries.keys()},
        left_out={
            "documents without text": sum(not passage.indexed_text for passage in passages.values()),
            "queries without a relevant document": len(queries.keys() - labelled),
            "labelled queries without a text": len(labelled - queries.keys()),
        },
    )
    if not (found.passages and found.queries):
        raise ContentError(
            f"{folder}: no document with text, or no query with a relevant document. Nothing to measure."
        )
    return found


def _passage(title: str, text: str) -> Passage:
    """A document as one passage; a title alone is its text."""
    title, text = title.strip(), text.strip()
    return Passage(text, (title,)) if title and text else Passage(text or title, ())


def _read_texts(path: Path) -> Iterator[tuple[str, str]]:
    return ((name, text) for name, (_, text) in _read_entries(path) if text.strip())


def _read_entries(path: Path) -> Iterator[tuple[str, tuple[str, str]]]:
    """Of each line the id, and title and text."""
    seen: dict[str, int] = {}
    for number, line in _lines(path):
        entry = _loaded(path, number, line)
        name = str(entry["_id"])
        if name in seen:
            raise ContentError(f"{path}:{number}: _id {name!r} stands in line {seen[name]} already. Keep one of them.")
        seen[name] = number
        title, text = entry.get("title") or "", entry.get("text") or ""
        if not (isinstance(title, str) and isinstance(text, str)):
            raise ContentError(f"{path}:{number}: 'title' and 'text' must be strings. Correct that line.")
        yield name, (title, text)


def _loaded(path: Path, number: int, line: str) -> dict[str, object]:
    try:
        entry = json.loads(line)
    except ValueError as problem:
        raise ContentError(f"{path}:{number}: not JSON ({problem}). Correct that line.") from None
    if not isinstance(entry, dict) or entry.get("_id") in (None, ""):
        raise ContentError(f"{path}:{number}: expected an object with '_id' and 'text'. Correct that line.")
    return entry


def _read_qrels(path: Path) -> dict[str, dict[str, int]]:
    qrels: dict[str, dict[str, int]] = {}
    for number, line in _lines(path):
        fields = line.split("\t")
        if len(fields) != 3:
            raise ContentError(
                f"{path}:{number}: {len(fields)} fields between tabs, expected query-id, corpus-id and score. "
                "Correct that line."
            )
        query, document, score = (field.strip() for field in fields)
        try:
            qrels.setdefault(query, {})[document] = int(score)
        except ValueError:
            if number == 1:
                continue  # the header
            raise ContentError(f"{path}:{number}: score {score!r} is no integer. Correct that line.") from None
    return qrels


def _there(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise ContentError(
        f"{folder / name}: no such file, nor {Path(name).name}.gz. A folder in BEIR's layout holds corpus.jsonl, "
        "queries.jsonl and qrels/test.tsv."
    )


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, with their numbers from 1."""
    number = 0
    try:
        with _open(path) as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as problem:
        raise ContentError(f"{path}:{number + 1}: cannot be read ({problem}). Fetch the file again.") from None


def _open(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig")
    return path.open(encoding="utf-8-sig")
