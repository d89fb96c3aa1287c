"""The frozen records that pass between steps."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from knowledge.digest import digest

Reason = Literal[
    "empty",  # no bytes, or nothing but white space
    "encrypted",  # needs a password
    "unsupported",  # content of a kind that no parser here reads
    "corrupt",  # the parser cannot make sense of it
    "encoding",  # text in an encoding that cannot be decoded
    "too_large",  # over the size limit
    "timeout",  # the parser took longer than the limit
    "crashed",  # the parser's process died
    "unreadable",  # the file could not be opened
]
Change = Literal["added", "changed", "renamed", "copied", "unchanged", "quarantined"]


@dataclass(frozen=True, slots=True)
class Document:
    """One listed file.

    doc_id: source name + "/" + path inside the source. doc_sha: SHA-256 of the bytes, hexadecimal.
    modified_at: the file's own time, UTC. groups: who may read it.
    """

    doc_id: str
    doc_sha: str
    source: str
    uri: str
    path: Path
    size_bytes: int
    modified_at: datetime
    groups: tuple[str, ...]
    languages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Element:
    """One thing found in a document: a title (with its depth), a paragraph, a list item, a table row."""

    kind: Literal["title", "text", "item", "row", "code"]
    text: str
    depth: int = 0
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """What splitting yields: the text of a chunk, under which headings and on which page it stands."""

    text: str
    headings: tuple[str, ...]
    page: int | None = None

    @property
    def indexed_text(self) -> str:
        """What is embedded and searched: the headings give a passage the context it was written in."""
        return "\n".join((" > ".join(self.headings), self.text)) if self.headings else self.text


@dataclass(frozen=True, slots=True)
class Rejected:
    """A document kept out, and why. attempt_id: the parser and the limits it was tried with."""

    doc_id: str
    doc_sha: str
    attempt_id: str
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Parsed:
    """A document's passages and its title."""

    doc_id: str
    title: str
    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What shapes a chunk row: the fingerprints of the three steps (code version, library version, settings)."""

    parse_id: str
    split_id: str
    embed_id: str

    @property
    def recipe_id(self) -> str:
        """One fingerprint of all three."""
        return digest([self.parse_id, self.split_id, self.embed_id])


@dataclass(frozen=True, slots=True)
class IndexedDocument:
    """What the index holds of one document."""

    doc_id: str
    doc_sha: str
    recipe: Recipe
    source: str
    uri: str
    groups: tuple[str, ...]
    chunks: int


@dataclass(frozen=True, slots=True)
class DocumentCounts:
    """Every listed document is in exactly one of the counts; `deleted` ones are no longer listed."""

    added: int = 0
    changed: int = 0
    renamed: int = 0
    copied: int = 0
    deleted: int = 0
    unchanged: int = 0
    quarantined: int = 0

    @property
    def listed(self) -> int:
        """How many documents the sources list."""
        return self.added + self.changed + self.renamed + self.copied + self.unchanged + self.quarantined


@dataclass(frozen=True, slots=True)
class Hit:
    """One passage found by a search; score is between 0 and 1, relative to the query's best."""

    chunk_id: str
    doc_id: str
    doc_sha: str
    uri: str
    title: str
    text: str
    score: float
