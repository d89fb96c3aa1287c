"""workers: a document that hangs or kills its parser costs itself alone."""

import contextlib
import multiprocessing
import os
import signal
import threading
import time

import psutil
import pytest

from knowledge.record import Parsed, Rejected
from pipelines.ingestion.parsing import ParseSettings
from pipelines.ingestion.read import Work
from pipelines.ingestion.split import SplitSettings
from pipelines.ingestion.workers import parse_documents, read_batch


@pytest.fixture
def write_pipe(write_document):
    """A document whose bytes never come, as on a network share that hangs."""

    def write(name):
        document = write_document(name, "some words")
        document.path.unlink()
        os.mkfifo(document.path)
        return document

    return write


def _outcomes(documents, *, workers=2, **parsing):
    return list(parse_documents(documents, Work(ParseSettings(**parsing), SplitSettings()), workers=workers))


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
    outcomes = _outcomes(documents, timeout_seconds=1.5)
    assert [_short(outcome) for outcome in outcomes] == [
        ("docs/1.txt", "timeout"),
        ("docs/2.html", "Two"),
        ("docs/3.txt", "empty"),
        ("docs/4.html", "Four"),
    ]
    assert outcomes[0].detail == "the parser took longer than 1.5 seconds"
    assert outcomes[0].doc_sha == documents[0].doc_sha
    assert isinstance(outcomes[1], Parsed)
    assert [(passage.text, passage.headings) for passage in outcomes[1].passages] == [
        ("Two\n\nSome words.", ("Two",)),
    ]


def _kill_readers(pipe, kills, over):
    """Kill who opens the pipe, as the kernel does with a process that takes too much memory; then end the pipe."""
    killed: set[int] = set()
    while not over.wait(timeout=0.05):
        try:
            end = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)  # refused while nobody reads
        except OSError:
            continue
        for child in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if len(killed) < kills and child.pid not in killed and child.ppid() != os.getpid():
                    child.kill()
                    killed.add(child.pid)
        os.close(end)


@pytest.mark.parametrize(
    ("kills", "outcome"),
    [(3, ("docs/1.txt", "crashed")), (1, ("docs/1.txt", "changing"))],
    ids=["each time", "once"],
)
def test_a_document_is_rejected_only_if_its_parser_dies_each_time(write_document, write_pipe, kills, outcome):
    documents = [write_pipe("1.txt"), write_document("2.html", "<h1>Two</h1>")]
    over = threading.Event()
    killer = threading.Thread(target=_kill_readers, args=[documents[0].path, kills, over])
    killer.start()
    try:
        outcomes = _outcomes(documents, workers=1)
    finally:
        over.set()
        killer.join()
    assert [_short(each) for each in outcomes] == [outcome, ("docs/2.html", "Two")]
    if kills == 3:
        assert outcomes[0].detail == "the parser's process died (exit code -9)"


def _kill_workers():
    for child in psutil.Process().children(recursive=True):
        if child.ppid() != os.getpid():
            child.kill()
            child.wait()


def test_a_worker_that_is_killed_while_it_has_nothing_to_do_costs_no_document(write_document):
    documents = [write_document(f"{number}.html", f"<h1>{number}</h1>" + " " * 300_000) for number in range(8)]
    outcomes = []
    for outcome in parse_documents(documents, Work(ParseSettings(), SplitSettings()), workers=1):
        outcomes.append(outcome.title)
        if len(outcomes) == 2:
            time.sleep(1)  # the batches that were handed over are done by now, and are lost with their pool
            _kill_workers()
    assert outcomes == [str(number) for number in range(8)]


def test_a_parser_that_hangs_ends_also_where_nobody_is_left_to_stop_it(write_pipe):
    work = Work(ParseSettings(timeout_seconds=0.1), SplitSettings())
    alone = multiprocessing.get_context("forkserver").Process(target=read_batch, args=[[write_pipe("1.txt")], work])
    alone.start()
    alone.join(60)
    assert alone.exitcode == -signal.SIGALRM


def test_a_document_that_wants_too_much_memory_is_rejected_and_its_neighbours_are_not(write_document):
    documents = [
        write_document("1.html", "<h1>One</h1>"),
        write_document("2.html", "<p>" + "<b>x</b>" * 1_500_000),
        write_document("3.html", "<h1>Three</h1>"),
    ]
    outcomes = _outcomes(documents, max_memory_mb=150)
    assert outcomes[1].detail == "the parser wanted more than 150 MB of memory"
    assert [_short(each) for each in outcomes] == [
        ("docs/1.html", "One"),
        ("docs/2.html", "memory"),
        ("docs/3.html", "Three"),
    ]


def test_a_file_that_changed_after_it_was_listed_waits_for_the_next_run(write_document):
    document = write_document("1.txt", "some words")
    document.path.write_text("other words")
    (outcome,) = _outcomes([document], workers=1)
    assert (outcome.reason, outcome.doc_sha) == ("changing", document.doc_sha)


def test_many_small_documents_come_back_in_their_order(write_document):
    documents = [write_document(f"{number:03}.html", f"<h1>Page {number}</h1>") for number in range(150)]
    assert [outcome.title for outcome in _outcomes(documents)] == [f"Page {number}" for number in range(150)]


def test_what_was_parsed_once_is_read_from_the_cache_and_a_damaged_cache_costs_only_time(write_document, tmp_path):
    documents = [write_document("1.html", "<h1>One</h1>"), write_document("2.html", "<h1>Two</h1>")]
    work = Work(ParseSettings(), SplitSettings(), tmp_path / "elements")
    first = list(parse_documents(documents, work, workers=1))
    kept = sorted((tmp_path / "elements").rglob("*.json"))
    assert len(kept) == 2
    for document in documents:
        document.path.unlink()  # nothing is left to parse
    assert list(parse_documents(documents, work, workers=1)) == first
    other_splitter = Work(ParseSettings(), SplitSettings(min_tokens=0), tmp_path / "elements")
    assert [each.title for each in parse_documents(documents, other_splitter, workers=1)] == ["One", "Two"]
    kept[0].write_bytes(b"[[")
    outcomes = list(parse_documents(documents, work, workers=1))
    assert sorted(each.reason if isinstance(each, Rejected) else each.title for each in outcomes) in (
        ["One", "unreadable"],
        ["Two", "unreadable"],
    )
