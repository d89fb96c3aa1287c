"""examine: passages without hidden characters, each with what the answering policy should know of it."""

from collections.abc import Iterable
from dataclasses import replace
from importlib.metadata import version
from typing import Literal

from pydantic import Field

from knowledge.content import Content
from knowledge.digest import digest
from knowledge.record import Passage
from pipelines.ingestion.hygiene import characters, findings, near_duplicates


class HygieneSettings(Content):
    """near_duplicates: `collapse` leaves all but one of a group out of searches, `report` only names them.

    similarity: from which Jaccard index on two documents are near-duplicates.
    """

    near_duplicates: Literal["report", "collapse"] = "report"
    similarity: float = Field(default=0.9, ge=0.8, le=1.0)


def hygiene_id() -> str:
    """Fingerprint of everything that decides texts, findings and signatures; a part of the `split_id`."""
    codes = [characters.CODE_VERSION, findings.CODE_VERSION, near_duplicates.CODE_VERSION]
    return digest(["hygiene", codes, version("rensa"), version("phonenumberslite")])


def examine(passages: Iterable[Passage]) -> tuple[Passage, ...]:
    """The passages in NFC and without hidden characters, with their findings; one that has nothing else goes."""
    examined = (_examine(passage) for passage in passages)
    return tuple(passage for passage in examined if passage.text)


def _examine(passage: Passage) -> Passage:
    text = characters.normalise(passage.text)
    headings = [characters.normalise(heading) for heading in passage.headings]
    hidden = {kind for each in (text, *headings) for kind in each.findings}
    plain = replace(passage, text=text.text.strip(), headings=tuple(each.text for each in headings))
    return replace(plain, findings=tuple(sorted({*passage.findings, *hidden, *findings.find(plain.indexed_text)})))
