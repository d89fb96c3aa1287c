"""workers: a document that hangs or kills its parser costs itself alone."""

import os
import threading

import psutil
import pytest

from knowledge.record import Parsed, Rejected
from pipelines.ingestion.parse import ParseSettings
from pipelines.ingestion.split import SplitSettings
from pipelines.ingestion.workers import parse_documents


@pytest.fixture
def write_pipe(write_document):
    """A document whose bytes never come, as on a network share that hangs."""

    def write(name):
        document = write_document(name, "some words")
        document.path.unlink()
        os.mkfifo(document.path)
        return document

    return write


def _outcomes(documents, **parsing):
    return list(parse_documents(documents, ParseSettings(**parsing), SplitSettings()))


def _short(outcome):
    return (outcome.doc_id, outcome.reason if isinstance(outcome, Rejected) else outcome.title)


def test_nothing_to_parse_gives_nothing():
    assert _outcomes([]) == []


def test_a_document_over_the_time_limit_is_rejected_and_the_others_come_in_their_order(write_document, write_pipe):
    documents = [
        write_pipe("1.txt"),
        write_document("2.html", "<h1>Two</h1><p>Some words.</p>"),
        write_document("3.txt", b""),
        write_document("4.html", "<h1>Four</h1>"),
    ]
    outcomes = _outcomes(documents, timeout_seconds=4, workers=2)
    assert [_short(outcome) for outcome in outcomes] == [
        ("docs/1.txt", "timeout"),
        ("docs/2.html", "Two"),
        ("docs/3.txt", "empty"),
        ("docs/4.html", "Four"),
    ]
    assert outcomes[0].detail == "the parser took longer than 4 seconds"
    assert outcomes[0].doc_sha == documents[0].doc_sha
    assert isinstance(outcomes[1], Parsed)
    assert [(passage.text, passage.headings) for passage in outcomes[1].passages] == [
        ("Two\n\nSome words.", ("Two",)),
    ]


def _kill_the_reader(pipe):
    """What the kernel does to a process that takes too much memory, at the moment the parser opens the pipe."""
    with pipe.open("wb"):
        for child in psutil.Process().children():
            if "spawn_main" in " ".join(child.cmdline()):
                child.kill()


def test_a_parser_that_dies_rejects_its_document_and_the_next_one_is_parsed(write_document, write_pipe):
    documents = [write_pipe("1.txt"), write_document("2.html", "<h1>Two</h1>")]
    killer = threading.Thread(target=_kill_the_reader, args=[documents[0].path])
    killer.start()
    outcomes = _outcomes(documents, workers=1)
    killer.join()
    assert [_short(outcome) for outcome in outcomes] == [("docs/1.txt", "crashed"), ("docs/2.html", "Two")]
    assert outcomes[0].detail == "the parser's process died (exit code -9)"
