"""split: passages of about the same length that keep to the document's sections."""

from collections.abc import Iterable, Iterator, Sequence
from textwrap import shorten

from pydantic import Field

from knowledge.content import Content
from knowledge.digest import digest
from knowledge.record import Element, Passage
from knowledge.terms import TERMS_VERSION
from pipelines.ingestion.boundaries import Piece, cut, joined, length
from pipelines.ingestion.hygiene.examine import hygiene_id

CODE_VERSION = "3"
CHARACTERS_PER_TOKEN = 4  # the usual estimate for English; a tokenizer would tie the index to one model
_LONGEST_HEADING = 100  # characters


class SplitSettings(Content):
    """max_tokens: the longest passage, counted as characters / 4; those of a longer section have about three quarters.

    min_tokens: a shorter section is joined with the next.
    """

    max_tokens: int = Field(default=200, ge=20, le=2000)
    min_tokens: int = Field(default=40, ge=0, le=1000)

    @property
    def split_id(self) -> str:
        """Fingerprint of what decides where a document is cut, what is found in the pieces and by which terms."""
        return digest(["split", CODE_VERSION, self.model_dump(), hygiene_id(), TERMS_VERSION])


def count_tokens(text: str) -> int:
    """Estimated tokens of a text: its characters / 4, at least 1."""
    return max(1, len(text) // CHARACTERS_PER_TOKEN)


def find_title(elements: Sequence[Element]) -> str:
    """The document's first title; empty where it has none (its file's name is not its content, nor is a sheet's)."""
    titles = (element for element in elements if element.kind == "title")
    return next((element.text for element in titles if not (element.part and element.depth)), "")


def split(elements: Sequence[Element], settings: SplitSettings) -> tuple[Passage, ...]:
    """Passages of a document, in its order.

    A section is one passage; one that is too long is cut into several of about the same length. A passage never goes
    from one section into the next unless the first is short, nor from one slide, sheet, chapter or mail into the next.
    So an edit changes passages of its own section alone, and of the short ones beside it.
    """
    # the place of a hidden text is gone with it, so every passage of the document is marked
    findings = ("hidden:markup",) if any(element.beside_hidden for element in elements) else ()
    passages = []
    for section in _with_short_joined(_sections(elements), settings):
        for run in cut(section, settings.max_tokens * CHARACTERS_PER_TOKEN):
            passages.append(Passage(joined(run).strip(), run[0].headings, run[0].element.page, findings))
    return tuple(passage for passage in passages if passage.text)


def _with_short_joined(sections: Iterable[list[Piece]], settings: SplitSettings) -> Iterator[list[Piece]]:
    """A short section goes with the next, unless that would cut what fits into one passage."""
    limit, least = settings.max_tokens * CHARACTERS_PER_TOKEN, settings.min_tokens * CHARACTERS_PER_TOKEN
    together: list[Piece] = []
    for section in sections:
        if together:
            short = length(together) < min(least, limit) and together[0].element.part == section[0].element.part
            if short and (length(together + section) <= limit or length(section) > limit):
                together = together + section
                continue
            yield together
        together = section
    if together:
        yield together


def _sections(elements: Sequence[Element]) -> Iterator[list[Piece]]:
    """The elements from one title to the next, each under its path of headings, the document's title first."""
    top = next((element for element in elements if element.kind == "title"), None)
    title: tuple[str, ...] = (_shown(top),) if top and not top.depth else ()
    section: list[Piece] = []
    path: list[Element] = []
    headings = title
    part = -1
    for element in elements:
        if section and (element.part != part or element.kind == "title"):
            yield section
            section = []
        if element.part != part or element.kind == "title":
            # what heads one slide or sheet heads no other; the book's title heads all chapters
            path = [heading for heading in path if heading.part in (0, element.part)]
            if element.kind == "title":
                path = [heading for heading in path if heading.depth < element.depth] + [element]
            part, headings = element.part, _path(path, title)
        text = element.text.rstrip() if element.kind == "code" else " ".join(element.text.split())
        if text:
            section.append(Piece(text, element, headings))
    if section:
        yield section


def _path(path: Sequence[Element], title: tuple[str, ...]) -> tuple[str, ...]:
    texts = tuple(_shown(element) for element in path)
    return texts if texts[:1] == title else title + texts


def _shown(heading: Element) -> str:
    """A heading is a line; what is set as one and is longer would outweigh the passages below it."""
    return shorten(heading.text, _LONGEST_HEADING, placeholder=" …")
