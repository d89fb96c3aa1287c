"""How a job becomes a provider's batch, once: uploaded, begun, and looked for where it may have begun unseen."""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TypeVar

from knowledge.batch_job import BatchJob, BatchJobs
from knowledge.call import Purchase
from knowledge.errors import BatchError
from pipelines.batch_api import BatchDesk, RemoteBatch, write_line
from pipelines.calling.request import Kind, ModelError, read_chat_request
from pipelines.calling.settings import ModelSettings

T = TypeVar("T")

MOST_CALLS, MOST_BYTES = 50_000, 190_000_000  # of one file; the API takes 200 MB
FRAME_BYTES = 500  # of a line, around what is asked
NOT_BEGUN: frozenset[Kind] = frozenset(("rejected", "connection", "rate_limit"))  # after these there is surely no batch


class Submitter:
    """Submits jobs while it is not too late; each step is written down before the next."""

    def __init__(self, jobs: BatchJobs, settings: ModelSettings, *, late: Callable[[], bool]):
        self._jobs = jobs
        self._retries = settings.retries
        self._poll_seconds = settings.batch.poll_seconds
        self._late = late

    def submit(self, desk: BatchDesk, job: BatchJob) -> BatchJob | str:
        """The job with its batch, or why it surely has none. Raises BatchError when nobody can tell."""
        fresh = job.status == "reserved"
        if fresh:
            if self._late():
                return "its time is over"
            model = job.model.partition("/")[2]
            lines = [
                write_line(str(call.entry), model, read_chat_request(call.request), desk.provider)
                for call in self._jobs.open_calls(job)
            ]
            try:
                file_id = self._retried(lambda: desk.upload(f"plumbline-{job.id}.jsonl", lines))
            except ModelError as problem:
                return str(problem)
            job = replace(job, status="uploaded", file_id=file_id)
            self._jobs.note(job)
        remote = self._begin(desk, job, unsure=not fresh)
        if isinstance(remote, str):
            return remote
        job = replace(job, status=remote.status, batch_id=remote.id)
        self._jobs.note(job)
        return job

    def _begin(self, desk: BatchDesk, job: BatchJob, *, unsure: bool) -> RemoteBatch | str:
        """The batch of an uploaded file. unsure: one may have begun already, so it is looked for."""
        failed = 0
        while True:
            if unsure and (found := self._find(desk, job)):
                return found
            if self._late():
                return "its time is over"
            try:
                return desk.create(job.file_id or "", job=job.id)
            except ModelError as problem:
                failed += 1
                unsure = unsure or problem.kind not in NOT_BEGUN
                wait = self._retries.wait_seconds(failed, problem)
                if wait is None or failed >= self._retries.attempts:
                    return (self._find(desk, job) if unsure else None) or str(problem)
                time.sleep(wait)

    def _find(self, desk: BatchDesk, job: BatchJob) -> RemoteBatch | None:
        """Looked for twice, as a provider's list may lag behind. Raises BatchError when nobody can tell."""
        try:
            if found := self._retried(lambda: desk.find(job.id, since=job.opened_at)):
                return found
            time.sleep(self._poll_seconds)
            return self._retried(lambda: desk.find(job.id, since=job.opened_at))
        except ModelError as problem:
            raise BatchError(
                f"batch job {job.id} of {job.provider}: whether it was submitted cannot be found out ({problem}). "
                "Run the same command again when the provider answers; it goes on."
            ) from None

    def _retried(self, work: Callable[[], T]) -> T:
        """What a request gives, tried as often as a call. Raises ModelError."""
        failed = 0
        while True:
            try:
                return work()
            except ModelError as problem:
                failed += 1
                wait = self._retries.wait_seconds(failed, problem)
                if wait is None or failed >= self._retries.attempts:
                    raise
                time.sleep(wait)


def split(
    purchases: Iterable[Purchase], *, calls: int = MOST_CALLS, size: int = MOST_BYTES
) -> Iterator[list[Purchase]]:
    """Groups of one model each, none longer or larger than a file may be."""
    by_model: dict[str, list[Purchase]] = {}
    for each in purchases:
        by_model.setdefault(each.model, []).append(each)
    for same in by_model.values():
        group: list[Purchase] = []
        left = size
        for each in same:
            needed = len(json.dumps(each.request)) + FRAME_BYTES
            if group and (len(group) == calls or needed > left):
                yield group
                group, left = [], size
            group.append(each)
            left -= needed
        yield group
