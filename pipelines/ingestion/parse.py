"""parse: the elements of one document, by the type of its content. Every refusal carries a reason."""

import email
import email.policy
import io
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import filetype
import lxml.html
from lxml.etree import LxmlError
from pydantic import Field

from knowledge.content import Content
from knowledge.digest import digest
from knowledge.record import Document, Element, Reason

CODE_VERSION = "1"
SENTENCIZER = "spacy.blank('en') + sentencizer"  # stands in for a model that unstructured would download


class ParseSettings(Content):
    """Limits a document must stay within; `workers` parse side by side."""

    timeout_seconds: float = Field(default=60.0, gt=0)
    max_size_mb: float = Field(default=50.0, gt=0)
    workers: int = Field(default=2, ge=1, le=64)

    @property
    def attempt_id(self) -> str:
        """Fingerprint of a try: the parser and its limits. A rejected document is tried again when either changes."""
        return digest([self.parse_id, self.timeout_seconds, self.max_size_mb])

    @property
    def parse_id(self) -> str:
        """Fingerprint of everything that decides which elements come out."""
        libraries = {name: version(name) for name in ("unstructured", "pypdfium2")}
        return digest(["parse", CODE_VERSION, libraries, SENTENCIZER])


@dataclass(frozen=True, slots=True)
class DocumentError(Exception):
    """Raised inside a parser; becomes a `Rejected` at the edge."""

    reason: Reason
    detail: str


_TEXT_KINDS = {
    ".md": "md", ".markdown": "md", ".mdx": "md", ".html": "html", ".htm": "html",
    ".txt": "txt", ".text": "txt", ".csv": "csv", ".eml": "eml",
}  # fmt: skip
_BINARY_KINDS = {"docx", "pptx", "xlsx", "pdf"}
_NEVER_SHOWN = "//script|//style|//template|//nav|//footer|//aside|//*[@hidden]|//*[@aria-hidden='true']|//comment()"
_HIDING_STYLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?![.\d])|opacity\s*:\s*0(?![.\d])"
)


def parse(document: Document, settings: ParseSettings) -> list[Element]:
    """The elements of a document in reading order. Raises DocumentError."""
    if document.size_bytes > settings.max_size_mb * 1e6:
        raise DocumentError(
            "too_large", f"{document.size_bytes / 1e6:.1f} MB, the limit is {settings.max_size_mb:g} MB"
        )
    try:
        content = document.path.read_bytes()
    except OSError as problem:
        raise DocumentError("unreadable", f"cannot be opened: {problem.strerror}") from None
    if not content.strip():
        raise DocumentError("empty", "the file has no content")
    kind = _kind(document.path, content)
    elements = _trying(kind, content, document.languages)
    kept = [element for element in elements if element.text.strip()]
    if not any(re.search(r"\w", element.text) for element in kept):
        raise DocumentError("empty", f"the {kind} holds no text")
    return kept


def _kind(path: Path, content: bytes) -> str:
    """What the content is. The name decides only between kinds of plain text."""
    suffix = path.suffix.lower()
    found = filetype.guess(content)
    if found is not None and found.extension in _BINARY_KINDS:
        return str(found.extension)
    if content.startswith(b"\xd0\xcf\x11\xe0") and suffix.removeprefix(".") in _BINARY_KINDS:
        raise DocumentError("encrypted", f"the {suffix} file needs a password")
    if suffix in _TEXT_KINDS and b"\0" not in content[:4096]:
        return _TEXT_KINDS[suffix]  # prose may begin with the letters that mark a bitmap or a program
    if found is not None:
        raise DocumentError(
            "unsupported", f"the content is {found.mime}, whatever the name {suffix or 'without ending'} says"
        )
    if suffix.removeprefix(".") in _BINARY_KINDS:
        raise DocumentError("corrupt", f"the content is not that of a {suffix} file")
    if suffix not in _TEXT_KINDS:
        raise DocumentError("unsupported", f"files ending in {suffix or 'nothing'} are not read")
    return _TEXT_KINDS[suffix]


def _decode(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings: tuple[str, ...] = ("utf-16",)
    else:
        if b"\0" in content:
            raise DocumentError("unsupported", "the content is binary, not text")
        encodings = ("utf-8-sig", "cp1252")
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise DocumentError("encoding", f"the text is in none of {', '.join(encodings)}")


def _markdown(content: bytes, languages: tuple[str, ...]) -> list[Element]:
    from markdown import markdown

    return _page(markdown(_decode(content), extensions=["tables", "fenced_code"]), languages)


def _html(content: bytes, languages: tuple[str, ...]) -> list[Element]:
    return _page(_decode(content), languages)


def _page(html: str, languages: tuple[str, ...]) -> list[Element]:
    from unstructured.partition.html import partition_html

    if not html.strip():
        return []
    return _elements(partition_html(text=visible_html(html), languages=list(languages)), headings_marked=True)


def visible_html(text: str) -> str:
    """The page without what a reader never sees (hidden elements, scripts) and without navigation."""
    try:
        page = lxml.html.document_fromstring(re.sub(r"^\s*<\?xml[^>]*\?>", "", text))
    except (LxmlError, ValueError) as problem:
        raise DocumentError("corrupt", f"no readable HTML ({problem})") from None
    hidden = page.xpath(_NEVER_SHOWN)
    hidden += [each for each in page.xpath("//*[@style]") if _HIDING_STYLE.search(each.get("style").lower())]
    for each in hidden:
        if each.getparent() is not None:
            each.drop_tree()
    return str(lxml.html.tostring(page, encoding="unicode"))


def _text(content: bytes, languages: tuple[str, ...]) -> list[Element]:
    from unstructured.partition.text import partition_text

    return _elements(partition_text(text=_decode(content), languages=list(languages)))


def _csv(content: bytes, languages: tuple[str, ...]) -> list[Element]:
    from unstructured.partition.csv import partition_csv

    return _elements(partition_csv(file=io.BytesIO(_decode(content).encode()), languages=list(languages)))


def _office(kind: str) -> Callable[[bytes, tuple[str, ...]], list[Element]]:
    def parse_office(content: bytes, languages: tuple[str, ...]) -> list[Element]:
        partition = getattr(import_module(f"unstructured.partition.{kind}"), f"partition_{kind}")
        return _elements(partition(file=io.BytesIO(content), languages=list(languages)))

    return parse_office


def _email(content: bytes, languages: tuple[str, ...]) -> list[Element]:
    from unstructured.partition.email import partition_email

    mail = email.message_from_bytes(content, policy=email.policy.default)
    for part in mail.walk():
        if isinstance(part, EmailMessage) and part.get_content_type() == "text/html" and not part.is_attachment():
            part.set_content(visible_html(part.get_content()), subtype="html")
    parts = partition_email(file=io.BytesIO(mail.as_bytes()), languages=list(languages))
    subject = [Element("title", str(mail["subject"]))] if mail["subject"] else []
    return [*subject, *_elements(parts)]


def _pdf(content: bytes, languages: tuple[str, ...]) -> list[Element]:
    import pypdfium2
    from unstructured.partition.text import partition_text

    try:
        pages = [page.get_textpage().get_text_bounded() for page in pypdfium2.PdfDocument(content)]
    except pypdfium2.PdfiumError as problem:
        if "password" in str(problem).lower():
            raise DocumentError("encrypted", "the PDF needs a password") from None
        raise DocumentError("corrupt", f"the PDF cannot be read ({problem})") from None
    found = []
    for number, paragraphs in enumerate(pdf_paragraphs(pages), start=1):
        text = "\n\n".join(paragraphs)
        if text:
            found += _elements(partition_text(text=text, languages=list(languages)), page=number)
    return found


def pdf_paragraphs(pages: Sequence[str]) -> list[list[str]]:
    """The paragraphs of each page: a PDF knows only lines, so a line as long as the others runs on into the next.

    Lines that stand on most pages, but for their numbers, are running heads and are dropped.
    """
    lines = [[line.strip() for line in page.splitlines() if line.strip()] for page in pages]
    seen = Counter(key for page in lines for key in {re.sub(r"\d+", "#", line) for line in page})
    running = {key for key, count in seen.items() if len(pages) > 1 and count > len(pages) / 2}
    found = []
    for page in lines:
        kept = [line for line in page if re.sub(r"\d+", "#", line) not in running]
        full = 0.7 * max(map(len, kept), default=0)
        paragraphs: list[str] = []
        runs_on = False
        for line in kept:
            if runs_on:
                paragraphs[-1] += f" {line}"
            else:
                paragraphs.append(line)
            runs_on = len(line) >= full
        found.append(paragraphs)
    return found


_PARSERS: dict[str, Callable[[bytes, tuple[str, ...]], list[Element]]] = {
    "md": _markdown, "html": _html, "txt": _text, "csv": _csv, "eml": _email, "pdf": _pdf,
    "docx": _office("docx"), "pptx": _office("pptx"), "xlsx": _office("xlsx"),
}  # fmt: skip


def _trying(kind: str, content: bytes, languages: tuple[str, ...]) -> list[Element]:
    """Call a parser; whatever a vendor raises on a broken file becomes a reason, so that it costs one document."""
    try:
        return _PARSERS[kind](content, languages)
    except (DocumentError, MemoryError):
        raise
    except Exception as problem:  # noqa: BLE001 - vendors let zlib's, lxml's and their own types through
        words = " ".join(str(problem).split())[:200]
        raise DocumentError("corrupt", f"the {kind} cannot be read ({type(problem).__name__}: {words})") from None


def _elements(parts: Iterable[Any], *, page: int | None = None, headings_marked: bool = False) -> list[Element]:
    """Our elements from unstructured's; a table becomes one element a row, so that a row is never torn apart.

    Where headings are not marked as such, unstructured guesses; a short sentence is not one.
    """
    found: list[Element] = []
    for part in parts:
        number = page or part.metadata.page_number
        kind = part.category
        if kind == "Table" and part.metadata.text_as_html:
            found += [Element("row", row, page=number) for row in table_rows(part.metadata.text_as_html)]
        elif kind == "Title" and (headings_marked or not part.text.rstrip().endswith((".", "!", ";", ","))):
            found.append(Element("title", part.text, depth=part.metadata.category_depth or 0, page=number))
        elif kind == "CodeSnippet":
            found.append(Element("code", part.text, page=number))
        elif kind == "ListItem":
            found.append(Element("item", part.text, page=number))
        elif kind not in ("PageBreak", "Header", "Footer", "Image", "PageNumber"):
            found.append(Element("text", part.text, page=number))
    return found


def table_rows(html: str) -> list[str]:
    """A table as one line a row, every cell with the name of its column: `Plan: Team; Price: 19 EUR`."""
    cells = [
        [" ".join(" ".join(cell.itertext()).split()) for cell in row.xpath("./td|./th")]
        for row in lxml.html.fromstring(html).xpath("//tr")
    ]
    if len(cells) < 2:
        return ["; ".join(filter(None, row)) for row in cells]
    head, *body = cells
    lines = []
    for row in body:
        named = zip(head, row, strict=False) if len(row) <= len(head) else (("", cell) for cell in row)
        lines.append("; ".join(f"{name}: {cell}" if name else cell for name, cell in named if cell))
    return lines
