"""PDF: the text of its pages, with their numbers, by pypdfium2."""

import ctypes
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Any

from knowledge.record import Element
from pipelines.ingestion.parsing.markup import link_text
from pipelines.ingestion.parsing.settings import DocumentError, ParseSettings
from pipelines.ingestion.parsing.tools import read_images
from pipelines.ingestion.parsing.vendor import layout_elements, text_elements

_HYPHENS = ("\x02", "\ufffe", "\u00ad")  # what PDFium gives for a hyphen that only ends a line
_STARTS_ALONE = re.compile(r"(?:[•●▪◦‣–—*·-]|\d{1,3}[.)]|\(?[a-z]\))\s")
_NUMBERED = re.compile(r"(\d{1,2}(?:\.\d{1,2})*)\.?\s+\w.{1,78}[^\s.,;:!?]")
_OCR_DPI = 200


def pdf_elements(content: bytes, languages: Sequence[str], settings: ParseSettings) -> list[Element]:
    """The elements of a PDF. Raises DocumentError."""
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(content)
        try:
            if len(document) > settings.max_pages:
                detail = f"{len(document)} pages, the limit is {settings.max_pages}"
                raise DocumentError("too_long", detail)
            if settings.pdf_layout:
                return _by_layout(content, languages, settings)
            pages = [_page_text(document, page) for page in document]
            if not any(re.search(r"\w", page) for page in pages):
                pages = _read_scan(document, languages, settings)
            outline = {(_key(entry.get_title()), _page_of(entry)): entry.level for entry in document.get_toc()}
        finally:
            document.close()
    except pypdfium2.PdfiumError as problem:
        if "password" in str(problem).lower():
            raise DocumentError("encrypted", "the PDF needs a password") from None
        raise DocumentError("corrupt", f"the PDF cannot be read ({problem})") from None
    return list(_page_elements(pages, outline, languages, settings))


def _page_text(document: Any, page: Any) -> str:
    """The text of a page, with the targets of its links behind their words."""
    textpage = page.get_textpage()
    try:
        text, place = str(textpage.get_text_bounded()), 0
        for target, box in _links(document, page):
            words = str(textpage.get_text_bounded(*box)).strip()
            found = text.find(words, place) if words else -1
            if found >= 0:
                linked = link_text(words, target)
                text = text[:found] + linked + text[found + len(words) :]
                place = found + len(linked)
        return text
    finally:
        textpage.close()
        page.close()


def _links(document: Any, page: Any) -> Iterator[tuple[str, tuple[float, float, float, float]]]:
    """The links of a page that lead out of it, each with the box (left, bottom, right, top) it covers."""
    from pypdfium2 import raw

    number, link, box = ctypes.c_int(0), raw.FPDF_LINK(), raw.FS_RECTF()
    while raw.FPDFLink_Enumerate(page, number, link):
        action = raw.FPDFLink_GetAction(link)
        length = raw.FPDFAction_GetURIPath(document, action, None, 0)
        if length > 1 and raw.FPDFLink_GetAnnotRect(link, box):
            target = ctypes.create_string_buffer(length)
            raw.FPDFAction_GetURIPath(document, action, target, length)
            yield target.value.decode("utf-8", "replace"), (box.left, box.bottom, box.right, box.top)


def _page_of(entry: Any) -> int | None:
    place = entry.get_dest()
    number = place.get_index() if place else None
    return None if number is None else number + 1


def _key(text: str) -> str:
    return re.sub(r"^[\W\d_]+|\W+", "", text).lower()


def _page_elements(
    pages: Sequence[str], outline: dict[tuple[str, int | None], int], languages: Sequence[str], settings: ParseSettings
) -> Iterator[Element]:
    """The outline says what is a heading and how deep; without one, headings are guessed."""
    for number, paragraphs in enumerate(pdf_paragraphs(pages), start=1):
        elements = text_elements("\n\n".join(paragraphs), languages, settings)
        for element, following in zip_longest(elements, elements[1:]):
            level = outline.get((_key(element.text), number))
            if level is None and not outline and following and following.kind == "text":
                level = _numbered_depth(element)
            if level is not None:
                yield Element("title", element.text, depth=level, page=number)
            elif outline and element.kind == "title":
                yield Element("text", element.text, page=number)
            else:
                yield replace(element, page=number)


def _numbered_depth(element: Element) -> int | None:
    """`2. Encryption` above a paragraph is a heading; `2.1 Keys` stands one deeper. None: it is something else."""
    found = _NUMBERED.fullmatch(element.text)
    return found[1].count(".") + 1 if found and element.kind in ("item", "title") else None


def pdf_paragraphs(pages: Sequence[str]) -> list[list[str]]:
    """The paragraphs of each page: a PDF knows only lines, so a line as long as the others runs on into the next.

    Lines that stand on most pages, but for their numbers, are running heads and are dropped.
    """
    lines = [[line.strip() for line in re.split(r"\r?\n|\r", page) if line.strip()] for page in pages]
    edges = [{re.sub(r"\d+", "#", line) for line in (*page[:3], *page[-3:])} for page in lines]
    seen = Counter(key for page in edges for key in page)
    running = {key for key, count in seen.items() if len(pages) > 1 and count > len(pages) / 2}
    known = {word.lower() for page in pages for word in re.findall(r"[\w-]+", page)}
    found = []
    for page in lines:
        kept = [line for line in page if re.sub(r"\d+", "#", line) not in running] or page
        full = 0.7 * _usual_length(kept)
        paragraphs: list[str] = []
        runs_on = False
        for line in kept:
            if runs_on and not _STARTS_ALONE.match(line):
                paragraphs[-1] = _joined(paragraphs[-1], line, known)
            else:
                paragraphs.append(line)
            runs_on = len(line) >= full or line.endswith(_HYPHENS)
        found.append([re.sub("[\x02\ufffe\u00ad]", "", paragraph) for paragraph in paragraphs])
    return found


def _usual_length(lines: Sequence[str]) -> int:
    """How long a full line is; the few longest may be two that stand side by side."""
    lengths = sorted(map(len, lines))
    return lengths[-1 - len(lengths) // 10] if lengths else 0


def _joined(text: str, line: str, known: set[str]) -> str:
    """Two lines as one. A hyphen between them stays where the document writes the word with it elsewhere too."""
    if text.endswith(_HYPHENS):
        return text[:-1] + line
    before, after = re.search(r"(\w+)-$", text), re.match(r"[a-zß-ÿ]\w*", line)
    if before and after:
        whole = f"{before[1]}{after[0]}".lower()
        hyphened = f"{before[1]}-{after[0]}".lower()
        return text + line if hyphened in known and whole not in known else text[:-1] + line
    return f"{text} {line}"


def _by_layout(content: bytes, languages: Sequence[str], settings: ParseSettings) -> list[Element]:
    try:
        return layout_elements(content, languages, settings)
    except ImportError as problem:
        missing = problem.name or str(problem)
        raise DocumentError(
            "missing_tool", f"pdf_layout needs the package {missing}. Install 'unstructured[pdf]' or set it to false."
        ) from None


def _read_scan(document: Any, languages: Sequence[str], settings: ParseSettings) -> list[str]:
    """The texts of pages that are images; none where the pages are blank. Raises DocumentError."""
    import pypdfium2.raw

    images = pypdfium2.raw.FPDF_PAGEOBJ_IMAGE
    if not any(next(page.get_objects(filter=[images], max_depth=3), None) for page in document):
        return []
    rendered = (page.render(scale=_OCR_DPI / 72).to_pil() for page in document)
    return read_images(rendered, languages, settings, thing="the PDF holds only images of pages")
