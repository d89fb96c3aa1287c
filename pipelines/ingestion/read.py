"""read: one document's bytes become its passages, inside a worker."""

import hashlib
import resource
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from knowledge.record import Document, Element, Parsed, Rejected
from knowledge.terms import terms_of
from pipelines.ingestion.elements import ElementsCache
from pipelines.ingestion.hygiene.characters import normalise
from pipelines.ingestion.hygiene.examine import examine
from pipelines.ingestion.hygiene.near_duplicates import signature
from pipelines.ingestion.parsing import DocumentError, ParseSettings, parse_content, refuse_large
from pipelines.ingestion.split import SplitSettings, find_title, split
from pipelines.ingestion.stopwatch import Stopwatch


@dataclass(frozen=True, slots=True)
class Work:
    """What is done with every document. cache: where elements are kept; None: nowhere."""

    parsing: ParseSettings
    splitting: SplitSettings
    cache: Path | None = None

    @property
    def elements(self) -> ElementsCache | None:
        """The elements kept under this parser."""
        return ElementsCache(self.cache, self.parsing.parse_id) if self.cache else None


def read_document(document: Document, work: Work, watch: Stopwatch) -> Parsed | Rejected:
    """The passages of a document, or why there are none."""
    try:
        with watch("parse"):
            elements = _elements(document, work)
    except DocumentError as refusal:
        if refusal.reason == "corrupt" and _memory_ran_short():
            raise MemoryError from refusal  # which libraries in C tell in words of their own, or in none
        return Rejected(document.doc_id, document.doc_sha, work.parsing.attempt_id, refusal.reason, refusal.detail)
    try:
        return _passages(document, elements, work, watch)
    except MemoryError:
        raise
    except Exception as problem:  # noqa: BLE001 - whatever text a vendor stumbles over costs one document
        words = " ".join(str(problem).split())[:200]
        detail = f"its text cannot be split ({type(problem).__name__}: {words})"
        return Rejected(document.doc_id, document.doc_sha, work.parsing.attempt_id, "corrupt", detail)


def _passages(document: Document, elements: list[Element], work: Work, watch: Stopwatch) -> Parsed | Rejected:
    with watch("split"):
        passages = split(elements, work.splitting)
    with watch("hygiene"):
        passages = examine(passages)
        title = normalise(find_title(elements)).text
        sketch = signature("\n".join(passage.text for passage in passages))
    with watch("terms"):
        passages = tuple(replace(each, terms=terms_of(each.indexed_text, document.languages)) for each in passages)
    if not passages:
        detail = "nothing but characters that are never shown"
        return Rejected(document.doc_id, document.doc_sha, work.parsing.attempt_id, "empty", detail)
    return Parsed(document.doc_id, title, passages, sketch)


def _elements(document: Document, work: Work) -> list[Element]:
    kept = work.elements
    known = kept.read(document) if kept else None
    if known is not None:
        return known
    elements = parse_document(document, work.parsing)
    if kept:
        kept.write(document, elements)
    return elements


def parse_document(document: Document, settings: ParseSettings) -> list[Element]:
    """The elements of a document, from exactly the bytes that were listed. Raises DocumentError."""
    refuse_large(document.size_bytes, settings)
    if not document.doc_sha:  # there are no bytes, or none that may be read
        raise DocumentError("unreadable", document.problem or "cannot be opened")
    try:
        content = document.path.read_bytes()
    except OSError as problem:
        raise DocumentError("unreadable", f"cannot be opened: {problem.strerror}") from None
    if hashlib.sha256(content).hexdigest() != document.doc_sha:
        raise DocumentError("changing", "the file was written to after it was listed; the next run reads it again")
    return parse_content(content, PurePosixPath(document.doc_id).name, document.languages, settings)


def _memory_ran_short() -> bool:
    """Has this process, at its largest, held half of what it may? Then a failure may be one of memory."""
    most, _ = resource.getrlimit(resource.RLIMIT_DATA)
    return most != resource.RLIM_INFINITY and resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 > most / 2
