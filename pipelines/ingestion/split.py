"""split: passages of about the same length that keep to the document's sections."""

import re
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any

from pydantic import Field

from knowledge.content import Content
from knowledge.digest import digest
from knowledge.record import Element, Passage
from knowledge.terms import TERMS_VERSION
from pipelines.ingestion.hygiene.examine import hygiene_id

CODE_VERSION = "2"
_LINE, _TAB, _SPACE = "\ufdd0", "\ufdd1", "\ufdd2"  # Unicode keeps them out of every text
_SHOWN = str.maketrans({_LINE: "\n", _TAB: "\t", _SPACE: " "})
CHARACTERS_PER_TOKEN = 4  # the usual estimate for English; a tokenizer would tie the index to one model


class SplitSettings(Content):
    """max_tokens: the longest passage, counted as characters / 4. Sections shorter than min_tokens are joined."""

    max_tokens: int = Field(default=200, ge=20, le=2000)
    min_tokens: int = Field(default=40, ge=0, le=1000)

    @property
    def split_id(self) -> str:
        """Fingerprint of what decides where a document is cut, what is found in the pieces and by which terms."""
        return digest(["split", CODE_VERSION, version("unstructured"), self.model_dump(), hygiene_id(), TERMS_VERSION])


def count_tokens(text: str) -> int:
    """Estimated tokens of a text: its characters / 4, at least 1."""
    return max(1, len(text) // CHARACTERS_PER_TOKEN)


def find_title(elements: Sequence[Element]) -> str:
    """The document's first title; empty where it has none (its file's name is not its content, nor is a sheet's)."""
    titles = (element for element in elements if element.kind == "title")
    return next((element.text for element in titles if not (element.part and element.depth)), "")


def split(elements: Sequence[Element], settings: SplitSettings) -> tuple[Passage, ...]:
    """Passages of a document, in its order.

    Cut by title (unstructured's `chunk_by_title`): a passage never crosses from one section into the next,
    unless both are short, and never from one slide, sheet, chapter or mail into the next.
    """
    from unstructured.chunking.title import chunk_by_title

    limit = settings.max_tokens * CHARACTERS_PER_TOKEN
    parts, headings = _parts(elements, limit)
    # the place of a hidden text is gone with it, so every passage of the document is marked
    findings = ("hidden:markup",) if any(element.beside_hidden for element in elements) else ()
    passages = []
    for together in parts:
        pieces = chunk_by_title(
            together,
            max_characters=limit,
            new_after_n_chars=limit,
            combine_text_under_n_chars=min(settings.min_tokens * CHARACTERS_PER_TOKEN, limit),
        )
        for piece in pieces:
            first = (piece.metadata.orig_elements or [piece])[0]
            text = piece.text.translate(_SHOWN).strip()
            passages.append(Passage(text, headings.get(first.id, ()), first.metadata.page_number, findings))
    return tuple(passage for passage in passages if passage.text)


def _parts(elements: Sequence[Element], limit: int) -> tuple[list[list[Any]], dict[str, tuple[str, ...]]]:
    """unstructured's elements by part, and for each its path of headings, the document's title first."""
    from unstructured.documents import elements as vendor

    kinds = {"title": vendor.Title, "text": vendor.NarrativeText, "item": vendor.ListItem}
    top = next((element for element in elements if element.kind == "title"), None)
    title = (top.text,) if top and not top.depth else ()
    parts: list[list[Any]] = []
    headings: dict[str, tuple[str, ...]] = {}
    path: list[Element] = []
    shown: tuple[str, ...] = ()
    part = -1
    for element in elements:
        if element.part != part:
            part = element.part
            parts.append([])
            # what heads one slide or sheet heads no other; the book's title heads all chapters
            path = [heading for heading in path if heading.part in (0, part)]
            shown = _path(path, title)
        if element.kind == "title":
            path = [heading for heading in path if heading.depth < element.depth] + [element]
            shown = _path(path, title)
        metadata = vendor.ElementMetadata(page_number=element.page, category_depth=element.depth)
        for text in _pieces(element, limit):
            name = str(len(headings))
            headings[name] = shown
            parts[-1].append(
                kinds.get(element.kind, vendor.NarrativeText)(text=text, element_id=name, metadata=metadata)
            )
    return parts, headings


def _path(path: Sequence[Element], title: tuple[str, ...]) -> tuple[str, ...]:
    texts = tuple(element.text for element in path)
    return texts if texts[:1] == title else title + texts


def _pieces(element: Element, limit: int) -> list[str]:
    """The element's text; code is cut between lines and a row between cells, where they are over the limit."""
    if element.kind not in ("code", "row"):
        return [element.text]
    if len(element.text) <= limit:
        return [_kept(element)]
    separator = "\n" if element.kind == "code" else "; "
    pieces: list[str] = []
    for word in element.text.split(separator):
        if pieces and len(pieces[-1]) + len(separator) + len(word) <= limit:
            pieces[-1] += separator + word
        else:
            pieces.append(word)
    return [_kept(replace(element, text=piece)) for piece in pieces if piece.strip()]


def _kept(element: Element) -> str:
    """Code with stand-ins for its white space; unstructured makes one space of any."""
    if element.kind != "code":
        return element.text
    return re.sub(" {2,}", lambda run: _SPACE * len(run[0]), element.text).replace("\n", _LINE).replace("\t", _TAB)
