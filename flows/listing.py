"""Listing the sources of a collection, and saying what a person should know of it."""

from collections.abc import Sequence

from flows.connect import Connections
from flows.screen import say
from knowledge.record import Document
from knowledge.source import Source, unused_rules

SHOWN = 5


def list_sources(connections: Connections, sources: Sequence[Source]) -> list[Document]:
    """Every document of the sources. Raises SourceError.

    Said: which documents could not be had as they are now, and which access rules protect none.
    """
    listing = []
    for source in sources:
        found = connections.list_documents(source)
        problems = [document for document in found if document.problem]
        for document in problems[:SHOWN]:
            say(f"ingest: {document.doc_id}: {document.problem}")
        if len(problems) > SHOWN:
            say(f"ingest: {len(problems) - SHOWN} more of source '{source.name}' could not be had as they are now")
        names = (document.doc_id.removeprefix(f"{source.name}/") for document in found)
        for glob in unused_rules(source, names):
            say(f"ingest: source '{source.name}': access rule '{glob}' decides for no document. Is it misspelt?")
        listing += found
    return listing
