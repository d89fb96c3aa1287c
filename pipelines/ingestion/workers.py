"""Parse and split in worker processes that can be killed: a document that hangs or crashes costs itself alone."""

import logging
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import TimeoutError as TimedOut

from pebble import ProcessExpired, ProcessPool

from knowledge.record import Document, Parsed, Rejected
from pipelines.ingestion.parse import DocumentError, ParseSettings, parse
from pipelines.ingestion.split import SplitSettings, find_title, split


def parse_documents(
    documents: Sequence[Document], parsing: ParseSettings, splitting: SplitSettings
) -> Iterator[Parsed | Rejected]:
    """Parse and split every document, in the order given; what cannot be parsed comes back as a `Rejected`."""
    if not documents:
        return
    pool = ProcessPool(
        max_workers=min(parsing.workers, len(documents)),
        context=multiprocessing.get_context("spawn"),  # Lance's runtime does not survive a fork
        initializer=prepare_worker,
    )
    with pool:
        futures = [
            pool.schedule(parse_and_split, args=[document, parsing, splitting], timeout=parsing.timeout_seconds)
            for document in documents
        ]
        try:
            for document, future in zip(documents, futures, strict=True):
                try:
                    yield future.result()
                except TimedOut:
                    detail = f"the parser took longer than {parsing.timeout_seconds:g} seconds"
                    yield Rejected(document.doc_id, document.doc_sha, parsing.attempt_id, "timeout", detail)
                except ProcessExpired as problem:
                    detail = f"the parser's process died (exit code {problem.exitcode})"
                    yield Rejected(document.doc_id, document.doc_sha, parsing.attempt_id, "crashed", detail)
        except BaseException:  # also an interrupt: the workers must not outlive the run
            pool.stop()
            raise


def parse_and_split(document: Document, parsing: ParseSettings, splitting: SplitSettings) -> Parsed | Rejected:
    """What a worker does with one document; a pure function of its bytes and the settings."""
    try:
        elements = parse(document, parsing)
    except DocumentError as refusal:
        return Rejected(document.doc_id, document.doc_sha, parsing.attempt_id, refusal.reason, refusal.detail)
    except MemoryError:
        return Rejected(document.doc_id, document.doc_sha, parsing.attempt_id, "crashed", "out of memory")
    return Parsed(document.doc_id, find_title(elements), split(elements, splitting))


def prepare_worker() -> None:
    """Make unstructured quiet, offline and deterministic in this process."""
    os.environ.update(UNSTRUCTURED_DISABLE_NOTICE="1", DO_NOT_TRACK="1")
    import spacy
    from unstructured.nlp import tokenize

    logging.getLogger("unstructured").setLevel(logging.CRITICAL)
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    # its own choice is a model that it downloads from a code host at run time
    tokenize._get_nlp = lambda: nlp
