"""Listing the sources of a collection, and saying what a person should know of it."""

from collections.abc import Sequence

from flows.connect import Connections
from flows.screen import say
from knowledge.record import Document
from knowledge.source import Source, unmatched_rules, unused_rules

SHOWN = 5


def list_sources(connections: Connections, sources: Sequence[Source]) -> list[Document]:
    """Every document of the sources. Raises SourceError.

    Said: which documents could not be had as they are now, which rules are about none, and what replaces others
    without being listed.
    """
    listing = []
    for source in sources:
        found = connections.list_documents(source)
        problems = [document for document in found if document.problem]
        for document in problems[:SHOWN]:
            say(f"ingest: {document.doc_id}: {document.problem}")
        if len(problems) > SHOWN:
            say(f"ingest: {len(problems) - SHOWN} more of source '{source.name}' could not be had as they are now")
        names = [document.doc_id.removeprefix(f"{source.name}/") for document in found]
        for glob in unused_rules(source, names):
            say(f"ingest: source '{source.name}': access rule '{glob}' decides for no document. Is it misspelt?")
        for glob in unmatched_rules(source, names):
            say(f"ingest: source '{source.name}': the rule for '{glob}' matches no document. Is it misspelt?")
        listing += found
    replacing = {document.superseded_by for document in listing if document.superseded_by}
    for name in sorted(replacing - {document.doc_id for document in listing})[:SHOWN]:
        say(f"ingest: '{name}' replaces other documents but is not listed. Is it misspelt?")
    return listing
