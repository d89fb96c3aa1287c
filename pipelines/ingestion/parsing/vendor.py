"""unstructured's elements as ours; its partitioners read docx, pptx and plain text."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import lxml.html

from knowledge.record import Element
from pipelines.ingestion.parsing.markup import link_text, tree_elements
from pipelines.ingestion.parsing.settings import ParseSettings

_MOST_TITLES_TOGETHER = 2  # a longer run of short lines is a list, an address or a table
_FURNITURE = {"PageBreak", "Header", "Footer", "Image", "PageNumber"}


def docx_elements(content: bytes, languages: Sequence[str], settings: ParseSettings) -> list[Element]:
    """The elements of a Word document, without its running heads."""
    from unstructured.partition.docx import partition_docx

    return _elements(partition_docx(file=io.BytesIO(content), languages=list(languages)), settings)


def pptx_elements(content: bytes, languages: Sequence[str], settings: ParseSettings) -> list[Element]:
    """The elements of a presentation, its notes included; every slide is a part and a page."""
    from unstructured.partition.pptx import partition_pptx

    parts = partition_pptx(file=io.BytesIO(content), languages=list(languages), include_slide_notes=True)
    # what is no slide's title is only guessed to be a heading
    return [
        replace(element, part=element.page or 0, kind="text" if _is_guessed(element) else element.kind)
        for element in _elements(parts, settings)
    ]


def _is_guessed(element: Element) -> bool:
    return element.kind == "title" and element.depth > 0


def text_elements(text: str, languages: Sequence[str], settings: ParseSettings) -> list[Element]:
    """The paragraphs, list items and what reads like headings of a plain text."""
    from unstructured.partition.text import partition_text

    if not text.strip():
        return []
    found = _elements(partition_text(text=text, languages=list(languages)), settings)
    for run in _runs_of_titles(found):
        if len(run) > _MOST_TITLES_TOGETHER or any("://" in found[place].text for place in run):
            for place in run:
                found[place] = replace(found[place], kind="text")
    return found


def _runs_of_titles(elements: Sequence[Element]) -> Iterable[list[int]]:
    for is_title, run in groupby(range(len(elements)), key=lambda place: elements[place].kind == "title"):
        if is_title:
            yield list(run)


def layout_elements(content: bytes, languages: Sequence[str], settings: ParseSettings) -> list[Element]:
    """The elements of a PDF by a layout model, which also reads images of pages. Raises ImportError."""
    from unstructured.partition.pdf import partition_pdf

    parts = partition_pdf(
        file=io.BytesIO(content), strategy="hi_res", languages=list(languages), infer_table_structure=True
    )
    return _elements(parts, settings)


def _elements(parts: Iterable[Any], settings: ParseSettings) -> list[Element]:
    """A table becomes one element a row, and a guessed heading that is a sentence becomes text."""
    found: list[Element] = []
    for part in parts:
        page, kind = part.metadata.page_number, part.category
        text = _linked(part)
        if kind == "Table" and part.metadata.text_as_html:
            rows = tree_elements(lxml.html.fromstring(part.metadata.text_as_html), settings)
            found += [replace(row, page=page) for row in rows]
        elif kind == "Title" and not part.text.rstrip().endswith((".", "!", ";", ",")):
            found.append(Element("title", text, depth=part.metadata.category_depth or 0, page=page))
        elif kind == "CodeSnippet":
            found.append(Element("code", text, page=page))
        elif kind == "ListItem":
            found.append(Element("item", text, page=page))
        elif kind not in _FURNITURE:
            found.append(Element("text", text, page=page))
    return found


def _linked(part: Any) -> str:
    """The element's text with the targets of its links behind their words; a heading stays as it is."""
    text: str = part.text
    if part.category == "Title":
        return text
    for link in reversed(part.metadata.links or []):
        start = link["start_index"]
        words = link["text"] or ""
        if text[start : start + len(words)] == words:
            text = text[:start] + link_text(words, link["url"]) + text[start + len(words) :]
    return text
