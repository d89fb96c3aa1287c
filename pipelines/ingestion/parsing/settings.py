"""Limits of a document, and the refusal that every parser raises."""

from dataclasses import dataclass
from functools import cache
from importlib.metadata import version

from pydantic import Field

from knowledge.content import Content
from knowledge.digest import digest
from knowledge.record import Reason

CODE_VERSION = "3"
SENTENCIZER = "spacy.blank('en') + sentencizer"  # stands in for a model that unstructured would download
_LIBRARIES = (
    "unstructured", "lxml", "markdown-it-py", "docutils", "striprtf", "openpyxl", "xlrd", "python-docx",
    "python-pptx", "python-oxmsg", "pypdfium2", "charset-normalizer", "filetype",
)  # fmt: skip


class ParseSettings(Content):
    """Limits a document must stay within; `workers` parse side by side.

    max_expanded_mb: what a zipped file (docx, xlsx, pptx, odt, epub) may unpack to.
    max_nesting: levels of markup, of JSON or of mail in mail. pdf_layout: read PDF by a layout model (an extra).
    """

    timeout_seconds: float = Field(default=60.0, gt=0)
    max_size_mb: float = Field(default=50.0, gt=0)
    max_memory_mb: float = Field(default=2000.0, ge=50)
    max_expanded_mb: float = Field(default=500.0, gt=0)
    max_pages: int = Field(default=2000, ge=1)
    max_nesting: int = Field(default=150, ge=10, le=200)
    pdf_layout: bool = False
    workers: int = Field(default=2, ge=1, le=64)

    @property
    def attempt_id(self) -> str:
        """Fingerprint of a try: the parser and its limits. A rejected document is tried again when either changes."""
        return digest([self.parse_id, self.model_dump(exclude={"workers"})])

    @property
    def parse_id(self) -> str:
        """Fingerprint of everything that decides which elements come out."""
        return digest(["parse", CODE_VERSION, _versions(), SENTENCIZER, self.pdf_layout])


@cache
def _versions() -> dict[str, str]:
    return {name: version(name) for name in _LIBRARIES}


@dataclass  # not frozen: Python itself writes the traceback onto an exception
class DocumentError(Exception):
    """Raised inside a parser; becomes a `Rejected` at the edge."""

    reason: Reason
    detail: str
