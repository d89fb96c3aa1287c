"""split: passages of about the same length that keep to the document's sections."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from pydantic import Field

from knowledge.content import Content
from knowledge.digest import digest
from knowledge.record import Element, Passage

CODE_VERSION = "1"
CHARACTERS_PER_TOKEN = 4  # the usual estimate for English; a tokenizer would tie the index to one model


class SplitSettings(Content):
    """max_tokens: the longest passage, counted as characters / 4. Sections shorter than min_tokens are joined."""

    max_tokens: int = Field(default=200, ge=20, le=2000)
    min_tokens: int = Field(default=40, ge=0, le=1000)

    @property
    def split_id(self) -> str:
        """Fingerprint of everything that decides where a document is cut."""
        return digest(["split", CODE_VERSION, version("unstructured"), self.model_dump()])


def count_tokens(text: str) -> int:
    """Estimated tokens of a text: its characters / 4, at least 1."""
    return max(1, len(text) // CHARACTERS_PER_TOKEN)


def find_title(elements: Sequence[Element]) -> str:
    """The document's first title; empty where it has none (its file's name is not its content)."""
    return next((element.text for element in elements if element.kind == "title"), "")


def split(elements: Sequence[Element], settings: SplitSettings) -> tuple[Passage, ...]:
    """Passages of a document, in its order.

    Cut by title (unstructured's `chunk_by_title`): a passage never crosses from one section into the next,
    unless both are short.
    """
    from unstructured.chunking.title import chunk_by_title

    parts, headings = _parts(elements, find_title(elements))
    limit = settings.max_tokens * CHARACTERS_PER_TOKEN
    pieces = chunk_by_title(
        parts,
        max_characters=limit,
        new_after_n_chars=limit,
        combine_text_under_n_chars=min(settings.min_tokens * CHARACTERS_PER_TOKEN, limit),
    )
    passages = []
    for piece in pieces:
        first = (piece.metadata.orig_elements or [piece])[0]
        passages.append(Passage(piece.text.strip(), headings.get(first.id, ()), first.metadata.page_number))
    return tuple(passage for passage in passages if passage.text)


def _parts(elements: Sequence[Element], title: str) -> tuple[list[Any], dict[str, tuple[str, ...]]]:
    """unstructured's elements, and for each the path of headings it stands under, the document's title first."""
    from unstructured.documents import elements as vendor

    kinds = {"title": vendor.Title, "text": vendor.NarrativeText, "item": vendor.ListItem}
    parts: list[Any] = []
    headings: dict[str, tuple[str, ...]] = {}
    path: list[tuple[int, str]] = []
    for place, element in enumerate(elements):
        if element.kind == "title":
            path = [entry for entry in path if entry[0] < element.depth] + [(element.depth, element.text)]
        metadata = vendor.ElementMetadata(page_number=element.page, category_depth=element.depth)
        kind = kinds.get(element.kind, vendor.NarrativeText)
        parts.append(kind(text=element.text, element_id=str(place), metadata=metadata))
        texts = [text for _, text in path]
        headings[str(place)] = tuple(texts if not title or texts[:1] == [title] else [title, *texts])
    return parts, headings
