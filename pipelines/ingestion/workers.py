"""Parse and split in worker processes that can be killed: a document that hangs or crashes costs itself alone."""

import logging
import os
import resource
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import TimeoutError as TimedOut
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from multiprocessing.context import ForkServerContext, ForkServerProcess
from types import ModuleType
from typing import Any

from pebble import ProcessExpired, ProcessPool

from knowledge.record import Document, Parsed, Reason, Rejected
from pipelines.ingestion.read import Work, read_document
from pipelines.ingestion.stopwatch import Stopwatch

OUT_OF_MEMORY = 77  # exit status of a worker that was refused more memory
_BATCH_DOCUMENTS, _BATCH_BYTES = 32, 256_000  # handed to a worker at once: each handing over takes half a millisecond
_AHEAD = 4  # batches that wait for each worker
_POOLS = 10  # in one run; if so many were given up, something kills every worker
_GRACE_SECONDS = 5

PARSERS = [
    "spacy",
    "lxml.html",
    "markdown_it",
    "snowballstemmer",
    *(f"unstructured.{name}" for name in ("partition.html", "partition.text")),
]

Outcome = Parsed | Rejected


@dataclass(frozen=True, slots=True)
class _Done:
    outcomes: list[Outcome]
    seconds: dict[str, float]


def parse_documents(
    documents: Iterable[Document],
    work: Work,
    *,
    workers: int,
    meanwhile: Callable[[], None] = lambda: None,
    stopwatch: Stopwatch | None = None,
) -> Iterator[Outcome]:
    """Parse and split every document, in the order given; what cannot be parsed comes back as a `Rejected`.

    Workers begin with the first document. Small documents are handed over together; where one of them breaks a limit,
    each is done again by itself, so that only the guilty one is rejected.
    meanwhile: what this process has to do anyway; it is done while the workers start, which takes two seconds.
    """
    batches = _batches(documents)
    waiting = deque(islice(batches, 1))
    watch = stopwatch or Stopwatch()
    for left in reversed(range(_POOLS)):
        if not waiting:
            return
        try:
            yield from _read_all(waiting, batches, work, workers=workers, meanwhile=meanwhile, watch=watch)
        except BrokenProcessPool:  # pebble gives a pool up when a worker that had nothing to do is killed
            if not left:
                raise


def _read_all(
    waiting: deque[list[Document]],
    batches: Iterator[list[Document]],
    work: Work,
    *,
    workers: int,
    meanwhile: Callable[[], None],
    watch: Stopwatch,
) -> Iterator[Outcome]:
    """The outcomes of the batches that wait, and of all others; a batch waits until its outcomes are known."""
    with _pool(work, workers) as pool:
        try:
            with watch("start workers"):
                starting = [pool.schedule(os.getpid) for _ in range(workers)]
                meanwhile()
                for each in starting:
                    each.result()
            given = deque(_give(pool, batch, work) for batch in waiting)
            while waiting:
                for batch in islice(batches, 1 + workers * _AHEAD - len(waiting)):
                    waiting.append(batch)
                    given.append(_give(pool, batch, work))
                outcomes = _collect(pool, work, waiting[0], given.popleft(), watch)
                waiting.popleft()
                yield from outcomes
        except BaseException:  # also an interrupt: the workers must not outlive the run
            pool.stop()
            raise


class _Worker(ForkServerProcess):
    """A process that does not run its parent's main module again: it needs none of it, and it can take a second."""

    def start(self) -> None:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")  # what the new process is told of its parent's
        try:
            super().start()
        finally:
            sys.modules["__main__"] = main


class _ForkServer(ForkServerContext):
    Process = _Worker


def _pool(work: Work, workers: int) -> ProcessPool:
    # Lance's runtime does not survive a fork: workers are forked from a process that has the parsers and nothing else,
    # so that one that had to be killed is replaced without importing them again
    context = _ForkServer()
    context.set_forkserver_preload([__name__, *PARSERS])
    return ProcessPool(
        max_workers=workers,
        context=context,
        initializer=prepare_worker,
        initargs=[work.parsing.max_memory_mb],
    )


def _batches(documents: Iterable[Document]) -> Iterator[list[Document]]:
    batch: list[Document] = []
    size = 0
    for document in documents:
        if batch and (len(batch) >= _BATCH_DOCUMENTS or size + document.size_bytes > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(document)
        size += document.size_bytes
    if batch:
        yield batch


def _give(pool: ProcessPool, batch: Sequence[Document], work: Work) -> Any:
    if not pool.active:
        raise BrokenProcessPool
    return pool.schedule(read_batch, args=[list(batch), work], timeout=work.parsing.timeout_seconds)


def _collect(pool: ProcessPool, work: Work, batch: Sequence[Document], given: Any, watch: Stopwatch) -> list[Outcome]:
    try:
        done = given.result()
    except (TimedOut, ProcessExpired) as problem:
        if len(batch) == 1:
            return [_again(pool, work, batch[0], problem)]
        apart = ([document] for document in batch)
        return [outcome for one in apart for outcome in _collect(pool, work, one, _give(pool, one, work), watch)]
    for stage, seconds in done.seconds.items():
        watch.seconds[stage] += seconds
    outcomes: list[Outcome] = done.outcomes
    return outcomes


def _again(pool: ProcessPool, work: Work, document: Document, problem: Exception) -> Outcome:
    """A document whose worker died has a second try in a fresh one: the first may have died of others' leavings."""
    if not isinstance(problem, TimedOut):
        try:
            return _give(pool, [document], work).result().outcomes[0]  # type: ignore[no-any-return]
        except (TimedOut, ProcessExpired) as second:
            problem = second
    reason, detail = _why(problem, work)
    return Rejected(document.doc_id, document.doc_sha, work.parsing.attempt_id, reason, detail)


def _why(problem: Exception, work: Work) -> tuple[Reason, str]:
    if isinstance(problem, ProcessExpired):
        if problem.exitcode == OUT_OF_MEMORY:
            return "memory", f"the parser wanted more than {work.parsing.max_memory_mb:g} MB of memory"
        return "crashed", f"the parser's process died (exit code {problem.exitcode})"
    return "timeout", f"the parser took longer than {work.parsing.timeout_seconds:g} seconds"


def read_batch(documents: Sequence[Document], work: Work) -> _Done:
    """What a worker does with some documents; a pure function of their bytes and the settings."""
    watch = Stopwatch()
    # where the run itself is killed, nobody is left to stop a parser that hangs; a signal needs nobody's help
    signal.setitimer(signal.ITIMER_REAL, 2 * work.parsing.timeout_seconds + _GRACE_SECONDS)
    try:
        return _Done([read_document(document, work, watch) for document in documents], dict(watch.seconds))
    except MemoryError:
        os._exit(OUT_OF_MEMORY)  # what is left of the memory is of no use to the next document
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def prepare_worker(max_memory_mb: float | None = None) -> None:
    """Make unstructured quiet, offline and deterministic in this process, and bound the memory it may ask for."""
    os.environ.update(UNSTRUCTURED_DISABLE_NOTICE="1", DO_NOT_TRACK="1")
    import spacy
    from unstructured.nlp import tokenize

    logging.getLogger("unstructured").setLevel(logging.CRITICAL)
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    # its own choice is a model that it downloads from a code host at run time
    tokenize._get_nlp = lambda: nlp
    if max_memory_mb is not None and sys.platform == "linux":
        # private memory, which Linux refuses from there on; files that are mapped do not count
        most = _private_bytes() + int(max_memory_mb * 1e6)
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def _private_bytes() -> int:
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmData"))
