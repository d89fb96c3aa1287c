"""The reference: `unstructured` alone, parse and split in two processes, as quick as it can be asked to be."""

import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from types import TracebackType

from pipelines.ingestion.split import CHARACTERS_PER_TOKEN, SplitSettings
from pipelines.ingestion.workers import PARSERS, prepare_worker

PROCESSES = 2
_AT_ONCE = 32  # documents handed to a process together, as ours are
_MARKDOWN = (".md", ".mdx")


@dataclass(frozen=True, slots=True)
class Bare:
    """What the reference needed. seconds: on the clock; cpu_seconds: of both processes."""

    seconds: float
    cpu_seconds: float
    chunks: int


def mean(one: Bare, other: Bare) -> Bare:
    """The mean of two runs over the same documents."""
    return Bare((one.seconds + other.seconds) / 2, (one.cpu_seconds + other.cpu_seconds) / 2, one.chunks)


class BareParser:
    """Two processes that have imported everything and wait for documents."""

    def __enter__(self) -> "BareParser":
        context = get_context("forkserver")
        context.set_forkserver_preload(list(PARSERS))
        self._pool = ProcessPoolExecutor(PROCESSES, mp_context=context, initializer=_warm)
        for ready in [self._pool.submit(time.sleep, 0.2) for _ in range(PROCESSES)]:
            ready.result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()

    def parse(self, paths: Sequence[Path]) -> Bare:
        """Parse and split the documents."""
        started = time.perf_counter()
        batches = [paths[start : start + _AT_ONCE] for start in range(0, len(paths), _AT_ONCE)]
        done = list(self._pool.map(_parse, batches))
        return Bare(time.perf_counter() - started, sum(cpu for cpu, _ in done), sum(count for _, count in done))


def _warm() -> None:
    prepare_worker()
    from unstructured.chunking import title  # noqa: F401
    from unstructured.partition import auto, md, text  # noqa: F401


def _parse(paths: Sequence[Path]) -> tuple[float, int]:
    from unstructured.chunking.title import chunk_by_title
    from unstructured.partition.auto import partition
    from unstructured.partition.md import partition_md

    started, settings, chunks = time.process_time(), SplitSettings(), 0
    limit = settings.max_tokens * CHARACTERS_PER_TOKEN
    for path in paths:
        parse = partition_md if path.suffix in _MARKDOWN else partition
        elements = parse(filename=str(path), languages=["eng"])
        chunks += len(
            chunk_by_title(
                elements,
                max_characters=limit,
                new_after_n_chars=limit,
                combine_text_under_n_chars=settings.min_tokens * CHARACTERS_PER_TOKEN,
            )
        )
    return time.process_time() - started, chunks
