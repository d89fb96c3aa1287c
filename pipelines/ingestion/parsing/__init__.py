"""parse: the elements of one document, by the type of its content. Every refusal carries a reason."""

import io
import re
from collections.abc import Callable, Sequence

from knowledge.record import Element
from pipelines.ingestion.parsing.books import epub_elements, odt_elements
from pipelines.ingestion.parsing.data import json_elements, ndjson_elements, xml_elements
from pipelines.ingestion.parsing.encoding import decode
from pipelines.ingestion.parsing.kinds import is_image, kind_of_bytes, kind_of_text, refuse_binary
from pipelines.ingestion.parsing.mail import eml_elements, msg_elements
from pipelines.ingestion.parsing.markdown import markdown_elements, mdx_elements
from pipelines.ingestion.parsing.markup import page_elements
from pipelines.ingestion.parsing.pdf import pdf_elements
from pipelines.ingestion.parsing.plain import code_elements, org_elements, rst_elements, rtf_elements
from pipelines.ingestion.parsing.settings import DocumentError, ParseSettings
from pipelines.ingestion.parsing.sheets import csv_elements, xls_elements, xlsx_elements
from pipelines.ingestion.parsing.tools import convert_office, read_images
from pipelines.ingestion.parsing.vendor import docx_elements, pptx_elements, text_elements

__all__ = ["DocumentError", "ParseSettings", "parse_content", "refuse_large"]

_BY_TEXT: dict[str, Callable[[str, ParseSettings], list[Element]]] = {
    "md": markdown_elements, "mdx": mdx_elements, "html": page_elements, "rst": rst_elements, "csv": csv_elements,
    "json": json_elements, "ndjson": ndjson_elements, "xml": xml_elements,
}  # fmt: skip
_BY_BYTES: dict[str, Callable[[bytes, ParseSettings], list[Element]]] = {
    "odt": odt_elements, "epub": epub_elements, "xlsx": xlsx_elements, "xls": xls_elements,
}  # fmt: skip
_IN_LANGUAGES: dict[str, Callable[[bytes, Sequence[str], ParseSettings], list[Element]]] = {
    "docx": docx_elements, "pptx": pptx_elements, "pdf": pdf_elements, "eml": eml_elements, "msg": msg_elements,
    "rtf": rtf_elements,
}  # fmt: skip


def refuse_large(size_bytes: int, settings: ParseSettings) -> None:
    """Refuse a file over the size limit, before it is read. Raises DocumentError."""
    if size_bytes > settings.max_size_mb * 1e6:
        raise DocumentError("too_large", f"{size_bytes / 1e6:.1f} MB, the limit is {settings.max_size_mb:g} MB")


def parse_content(content: bytes, name: str, languages: Sequence[str], settings: ParseSettings) -> list[Element]:
    """The elements of a file's content in reading order; the name tells kinds of text apart. Raises DocumentError."""
    refuse_large(len(content), settings)
    if not content.strip():
        raise DocumentError("empty", "the file has no content")
    kind, found = _read(content, name, languages, settings)
    kept = [element for element in found if element.text and not element.text.isspace()]
    if not any(re.search(r"\w", element.text) for element in kept):
        raise DocumentError("empty", f"the {kind} holds no text")
    return kept


def _read(content: bytes, name: str, languages: Sequence[str], settings: ParseSettings) -> tuple[str, list[Element]]:
    """What the file is, and its elements."""
    kind = kind_of_bytes(content, name, settings)
    if kind in ("doc", "ppt"):
        content, kind = convert_office(content, kind, f"{kind}x", settings), f"{kind}x"
    text = ""
    if kind is None:
        text = _text(content, name)
        kind = kind_of_text(text, name) if text else "image"
        if kind == "eml" and content.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
            content = text.encode()  # a mail that was saved as a text
    return kind, _trying(kind, lambda: _elements(kind, content, text, languages, settings))


def _text(content: bytes, name: str) -> str:
    """The content as text; empty where it is an image. Raises DocumentError."""
    try:
        return decode(content)
    except DocumentError as refusal:
        if is_image(content, name):
            return ""
        raise (refuse_binary(content, name) or refusal) from None


def _elements(kind: str, content: bytes, text: str, languages: Sequence[str], settings: ParseSettings) -> list[Element]:
    if kind in _BY_TEXT:
        return _BY_TEXT[kind](text, settings)
    if kind in _BY_BYTES:
        return _BY_BYTES[kind](content, settings)
    if kind in _IN_LANGUAGES:
        return _IN_LANGUAGES[kind](content, languages, settings)
    if kind == "image":
        return _image(content, languages, settings)
    if kind == "txt":
        return text_elements(text, languages, settings)
    return org_elements(text) if kind == "org" else code_elements(text)


def _image(content: bytes, languages: Sequence[str], settings: ParseSettings) -> list[Element]:
    from PIL import Image

    texts = read_images([Image.open(io.BytesIO(content))], languages, settings, thing="the content is an image")
    return text_elements("\n\n".join(texts), languages, settings)


def _trying(kind: str, read: Callable[[], list[Element]]) -> list[Element]:
    """Call a parser; whatever a vendor raises on a broken file becomes a reason, so that it costs one document."""
    try:
        return read()
    except (DocumentError, MemoryError):
        raise
    except RecursionError:
        raise DocumentError("nested", f"the {kind} is nested deeper than its parser can follow") from None
    except Exception as problem:  # noqa: BLE001 - vendors let zlib's, lxml's and their own types through
        words = " ".join(str(problem).split())[:200]
        raise DocumentError("corrupt", f"the {kind} cannot be read ({type(problem).__name__}: {words})") from None
