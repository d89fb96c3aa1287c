"""Listing a source as the flow does, into a state folder of the test's own."""

from collections.abc import Mapping
from pathlib import Path

from knowledge.record import Document
from knowledge.source import Source
from pipelines.ingestion.sync import SyncSettings, list_documents

WEEKLY = SyncSettings()


def listed(
    url: str, folder: Path, *, settings: SyncSettings = WEEKLY, max_size_mb: float = 50, **values: object
) -> dict[str, Document]:
    """What a source called `help` lists, by name inside the source; state is kept between calls."""
    source = Source.model_validate({"name": "help", "collection": "c", "url": url, "owner": "tests", **values})
    found = list_documents(source, project=folder, state=folder / "state", settings=settings, max_size_mb=max_size_mb)
    return {document.doc_id.removeprefix("help/"): document for document in found}


def texts(found: Mapping[str, Document]) -> dict[str, str]:
    """What the copies of listed documents hold; None stands for no copy."""
    return {name: document.path.read_text() if document.doc_sha else "" for name, document in found.items()}


def problems(found: Mapping[str, Document]) -> dict[str, str]:
    """What is told of those documents that something is told of."""
    return {name: document.problem for name, document in found.items() if document.problem}
