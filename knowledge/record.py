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
    "too_long",  # over the limit of pages
    "expands",  # an archive or office file that unpacks to more than the limit
    "nested",  # deeper inside itself than the limit
    "missing_tool",  # needs a program of the system that is not here
    "timeout",  # the parser took longer than the limit
    "memory",  # the parser took more memory than the limit
    "crashed",  # the parser's process died
    "unreadable",  # the file could not be opened
    "changing",  # the file was written to between listing and parsing
]
QuarantineState = Literal[
    "held",  # tried again when it, the parser or the limits change; at once when its bytes could not be had
    "retry",  # somebody asked for another attempt: the next ingest makes it
    "dropped",  # somebody decided that it is left out, and its old rows with it, until it changes
]
Kind = Literal["title", "text", "item", "row", "code"]
Change = Literal["added", "changed", "renamed", "copied", "unchanged", "quarantined"]


def source_of(doc_id: str) -> str:
    """The source that a document is from."""
    return doc_id.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Document:
    """One listed file.

    doc_id: source name + "/" + path inside the source. doc_sha: SHA-256 of the bytes, hexadecimal; empty when there
    are none to read. local_path: where its bytes are. modified_at: the file's own time, UTC. groups: who may read it.
    problem: why its newest bytes could not be had, where they could not: it is listed as it last was, or empty.
    tags: what searches can filter it by. superseded_by: the doc_id of the document that replaces it.
    """

    doc_id: str
    doc_sha: str
    source: str
    uri: str
    local_path: str  # a Path is four times as large, and there are 100,000 of them
    size_bytes: int
    modified_at: datetime
    groups: tuple[str, ...]
    languages: tuple[str, ...]
    problem: str = ""
    tags: tuple[str, ...] = ()
    superseded_by: str | None = None

    @property
    def path(self) -> Path:
        """Where its bytes are, to be opened."""
        return Path(self.local_path)


@dataclass(frozen=True, slots=True)
class Element:
    """One thing found in a document: a title (with its depth), a paragraph, a list item, a table row, code.

    part: which slide, sheet, chapter or mail of the file it is in; no passage goes from one into the next.
    beside_hidden: does the page it is from also hold text that its readers never see?
    """

    kind: Kind
    text: str
    depth: int = 0
    page: int | None = None
    part: int = 0
    beside_hidden: bool = False


@dataclass(frozen=True, slots=True)
class Passage:
    """What splitting yields: the text of a chunk, under which headings and on which page it stands.

    findings: what the policy should know before it is shown, such as `secret:aws_key` or `hidden:zero_width`.
    terms: what it is found by, with spaces between.
    """

    text: str
    headings: tuple[str, ...]
    page: int | None = None
    findings: tuple[str, ...] = ()
    terms: str = ""

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
class Quarantined:
    """A document kept out, with its attempts and what people decided about it.

    accepted_at: since when a version serves without it; None while it is newly kept out.
    """

    rejected: Rejected
    attempts: int
    first_seen: datetime
    last_seen: datetime
    state: QuarantineState = "held"
    accepted_at: datetime | None = None

    def holds(self, document: Document, attempt_id: str) -> bool:
        """Is this document not to be tried now, with this parser and these limits?"""
        if self.state == "retry" or document.doc_sha != self.rejected.doc_sha:
            return False
        if self.state == "dropped":
            return True
        # the bytes that were listed could not be had: that they are the same says nothing
        missed = self.rejected.reason in ("changing", "unreadable") and document.doc_sha != ""
        return attempt_id == self.rejected.attempt_id and not missed


@dataclass(frozen=True, slots=True)
class Parsed:
    """A document's passages and its title. signature: its MinHash, by which near-duplicates are found."""

    doc_id: str
    title: str
    passages: tuple[Passage, ...]
    signature: bytes | None = None


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
    """What the index holds of one document. modified_at: its file's own time when this content was first indexed."""

    doc_id: str
    doc_sha: str
    recipe: Recipe
    source: str
    uri: str
    groups: tuple[str, ...]
    languages: tuple[str, ...]
    tags: tuple[str, ...] = ()
    superseded_by: str | None = None
    modified_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class IndexedContent:
    """Which bytes of a document are indexed, and for whom."""

    doc_id: str
    doc_sha: str
    groups: tuple[str, ...]


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
    """One passage found by a search, with what hygiene found in it.

    score: between 0 and 1, relative to the best of its question. text_score: BM25; None where its words did not find
    it. vector_score: the cosine of its vector and the question's. tokens: of its text, estimated. superseded_by: the
    doc_id of the document that replaces its own. collapsed: the near-duplicates it stands for. joined: the chunk_ids
    of the other passages of its document that its text holds as well.
    """

    chunk_id: str
    doc_id: str
    doc_sha: str
    uri: str
    title: str
    text: str
    score: float
    findings: tuple[str, ...] = ()
    text_score: float | None = None
    vector_score: float | None = None
    ordinal: int = 0
    tokens: int = 0
    superseded_by: str | None = None
    collapsed: int = 0
    joined: tuple[str, ...] = ()
