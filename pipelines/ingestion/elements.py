"""Parsed elements kept aside, so that a new splitter parses nothing again. The folder may be deleted at any time."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path, PurePosixPath

from knowledge.record import Document, Element
from pipelines.ingestion.parsing.kinds import suffix_of

_FIELDS = [field.name for field in fields(Element)]


@dataclass(frozen=True, slots=True)
class ElementsCache:
    """Elements of the documents of one collection under one `parse_id`, a file each."""

    folder: Path
    parse_id: str

    def read(self, document: Document) -> list[Element] | None:
        """The elements of a document; None where they are not kept, or cannot be read."""
        try:
            rows = json.loads(self._path(document).read_bytes())
            return [Element(**dict(zip(_FIELDS, row, strict=True))) for row in rows] or None
        except (OSError, ValueError, TypeError):
            return None  # a time saver only: without it the document is parsed

    def write(self, document: Document, elements: Sequence[Element]) -> None:
        """Keep the elements of a document; written aside and renamed, so that none is ever read half."""
        path = self._path(document)
        aside = path.with_suffix(f".{os.getpid()}")
        content = json.dumps([[getattr(each, name) for name in _FIELDS] for each in elements], ensure_ascii=False)
        try:
            aside.write_bytes(content.encode("utf-8", "surrogatepass"))
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            aside.write_bytes(content.encode("utf-8", "surrogatepass"))
        aside.replace(path)

    def keep_only(self, documents: Iterable[Document]) -> None:
        """Delete what belongs to no listed document, or to another parser."""
        wanted = {self._path(document) for document in documents}
        for parser in self.folder.glob("*"):
            if parser.name != self.parse_id:
                shutil.rmtree(parser)
        for path in (self.folder / self.parse_id).glob("*/*"):
            if path not in wanted:
                path.unlink(missing_ok=True)

    def _path(self, document: Document) -> Path:
        # the parser goes by the bytes, the ending of the name and the languages
        content = (document.doc_sha, suffix_of(PurePosixPath(document.doc_id).name), *document.languages)
        key = hashlib.sha256("\n".join(content).encode()).hexdigest()
        return self.folder / self.parse_id / key[:2] / f"{key}.json"
