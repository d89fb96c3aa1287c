"""Calls that can wait, bought through the Batch API: submitted, awaited, settled. It knows no cases.

A batch fills the ledger; the ordinary door then reads it, and buys what the batch did not bring.
"""

import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from knowledge.batch_job import BatchJob, BatchJobs, OpenCall
from knowledge.call import Amount, Purchase, Reserved, Settlement
from knowledge.errors import BatchError
from knowledge.ledger import Ledger
from pipelines.batch_api import ENDED, BatchDesk, RemoteBatch, read_told
from pipelines.calling.prices import Prices
from pipelines.calling.request import RETRIED, ModelError, Reply
from pipelines.calling.settings import ModelSettings, Provider
from pipelines.calling.submitter import Submitter, split
from pipelines.calling.till import end_of

AT_ONCE = 1000  # calls whose ends are written in one transaction
GONE = "unknown to the provider"


class BatchBuyer:
    """Buys the calls of one night in batches. deadline: when all of them must be made, directly bought ones included.

    A kill at any moment loses and doubles nothing: `go_on`. paid, cost_usd: what came of its batches that ended here.
    """

    def __init__(
        self,
        providers: Iterable[Provider],
        ledger: Ledger,
        jobs: BatchJobs,
        *,
        settings: ModelSettings,
        assistant: str,
        night: str,
        deadline: datetime,
        say: Callable[[str], None],
    ):
        self._desks = {each.name: BatchDesk(each, settings.timeouts) for each in providers}
        self._ledger, self._jobs = ledger, jobs
        self._settings, self._prices = settings, Prices(settings.prices)
        self._assistant, self._night = assistant, night
        self._direct_at = deadline - timedelta(minutes=settings.batch.direct_minutes)
        self._submitter = Submitter(jobs, settings, late=lambda: self.late)
        self._late_since: float | None = None
        self._say = say
        self.paid = 0
        self.cost_usd = 0.0

    @property
    def late(self) -> bool:
        """Is it time to buy directly?"""
        return datetime.now(UTC) >= self._direct_at

    def go_on(self) -> None:
        """Finish what an earlier run of this night began, and cancel what nights before it left. Raises BatchError."""
        unfinished = self._jobs.unfinished(self._assistant)
        for job in unfinished:
            if job.night != self._night:
                self._wind_up(job)
        self._await([self._submit(self._claimed(job)) for job in unfinished if job.night == self._night])

    def buy(self, purchases: Iterable[Purchase]) -> bool:
        """Buy what no batch of this night had before; whether that was worth a batch. Raises BatchError."""
        if self.late:
            return False
        tried = self._jobs.keys(self._assistant, self._night)
        wanted = [self._at_batch_price(each) for each in purchases if each.key not in tried]
        if len(wanted) < self._settings.batch.min_calls:
            return False
        opened = [job for group in split(wanted) if (job := self._open(group))]
        self._await([self._submit(job) for job in opened])
        return bool(opened)

    def close(self) -> None:
        """Close the connections."""
        for desk in self._desks.values():
            desk.close()

    def _at_batch_price(self, purchase: Purchase) -> Purchase:
        worst = purchase.worst
        return replace(purchase, worst=Amount(worst.tokens, worst.cost_usd * self._settings.batch.price_share, 0.0))

    def _open(self, purchases: Sequence[Purchase]) -> BatchJob | None:
        """A job with its calls reserved; None where the ledger has them, or no budget has room for any."""
        model = purchases[0].model
        provider = model.partition("/")[0]
        job = BatchJob(uuid.uuid4().hex, provider, model, self._assistant, self._night, datetime.now(UTC))
        answers = self._jobs.open(job, purchases)
        return job if any(isinstance(each, Reserved) for each in answers) else None

    def _claimed(self, job: BatchJob) -> BatchJob:
        if job.batch_id:
            return job
        if claimed := self._jobs.claim(job.id):
            return claimed
        raise BatchError(
            f"batch job {job.id} of night {job.night}: another run is submitting it. Wait for that run, or end it."
        )

    def _submit(self, job: BatchJob) -> BatchJob | None:
        """The job with the provider's batch; None where there is none, so that its calls can be bought directly."""
        if job.batch_id:
            return job
        submitted = self._submitter.submit(self._desk(job), job)
        if isinstance(submitted, str):
            self._give_up(job, submitted)
            return None
        calls = len(self._jobs.open_calls(job))
        self._say(f"batch: {calls} calls to {job.model} submitted, batch {submitted.batch_id} is {submitted.status}")
        return submitted

    def _await(self, jobs: Iterable[BatchJob | None]) -> None:
        waiting = [job for job in jobs if job]
        while waiting := [left for job in waiting if (left := self._look(job))]:
            if self.late:
                self._late_since = self._late_since or time.monotonic()
                self._be_patient(waiting)
            until_late = (self._direct_at - datetime.now(UTC)).total_seconds()
            poll = self._settings.batch.poll_seconds
            time.sleep(min(poll, until_late) if until_late > 0 else poll)

    def _be_patient(self, waiting: Sequence[BatchJob]) -> None:
        minutes = self._settings.batch.cancel_wait_minutes
        if self._late_since is not None and time.monotonic() - self._late_since > minutes * 60:
            first = waiting[0]
            raise BatchError(
                f"batch {first.batch_id} of {first.provider}: it was to be cancelled, and after {minutes:g} minutes it "
                f"is still '{first.status}'. Bought directly now, its calls could be paid twice. "
                "Run the same command again; it goes on waiting."
            )

    def _look(self, job: BatchJob) -> BatchJob | None:
        """The job as it is now; None when it has ended and is settled."""
        desk = self._desk(job)
        try:
            remote = desk.look(job.batch_id or "") or _gone()
            if remote.status != job.status:
                self._say(f"batch: {job.batch_id} is {remote.status}")
                job = replace(job, status=remote.status)
                self._jobs.note(job)
            if remote.status in ENDED or remote.status == GONE:
                self._settle(desk, job, remote)
                return None
        except ModelError as problem:
            if problem.kind not in RETRIED:
                raise BatchError(
                    f"batch {job.batch_id} of {job.provider}: {problem}. Until it can be asked its calls cannot be "
                    "bought otherwise. Give the key it was submitted with, and run the same command again."
                ) from None
            self._say(f"batch: {job.batch_id} cannot be asked now ({problem})")
        if self.late and job.status != "cancelling":
            self._cancel(job)
        return job

    def _cancel(self, job: BatchJob) -> None:
        try:
            self._desk(job).cancel(job.batch_id or "")
        except ModelError as problem:  # it may have ended just now: the next look tells
            self._say(f"batch: {job.batch_id} cannot be cancelled now ({problem})")

    def _settle(self, desk: BatchDesk, job: BatchJob, remote: RemoteBatch) -> None:
        """End every call of the job as the batch's files tell. Raises ModelError when they cannot be read now."""
        calls = self._jobs.open_calls(job)
        outcomes: dict[str, Reply | ModelError] = {}
        doubtful = remote.status in {"completed", GONE}
        for file_id in (remote.error_file, remote.output_file) if calls else ():
            if file_id:
                told = read_told(desk.read(file_id), model=job.model.partition("/")[2])
                outcomes |= told.outcomes
                doubtful = doubtful or told.unreadable > 0
        # a batch that ended early tells all it has done; where its files cannot be trusted, so much may have been paid
        words = " ".join(f"batch {job.batch_id} is {remote.status} and does not tell. {remote.problems}".split())
        untold = ModelError("malformed" if doubtful else "rejected", words)
        ends = [(call, outcomes.get(str(call.entry), untold)) for call in calls]
        self._end(job, ends, files=[remote.output_file, remote.error_file])

    def _give_up(self, job: BatchJob, why: str) -> None:
        """Let the calls of a job without a batch be bought directly."""
        self._say(f"batch: none at {job.provider} ({why})")
        unsent = ModelError("rejected", f"not submitted as a batch: {why}")
        self._end(job, [(call, unsent) for call in self._jobs.open_calls(job)])

    def _end(
        self, job: BatchJob, ends: Sequence[tuple[OpenCall, Reply | ModelError]], *, files: Sequence[str | None] = ()
    ) -> None:
        """Write how each call ended, then forget the files, and only then the job."""
        share = self._settings.batch.price_share
        settlements = [
            end_of(call.entry, outcome, model=job.model, worst=call.worst, prices=self._prices, price_share=share)
            for call, outcome in ends
        ]
        for start in range(0, len(settlements), AT_ONCE):
            self._ledger.commit([], settlements[start : start + AT_ONCE])
        self._count(job, settlements)
        for file_id in (job.file_id, *files):
            try:
                if file_id:
                    self._desk(job).delete(file_id)
            except ModelError as problem:
                self._say(f"batch: file {file_id} stays at {job.provider} ({problem})")
        self._jobs.end(job)

    def _count(self, job: BatchJob, settlements: Sequence[Settlement]) -> None:
        settled = sum(each.status == "settled" for each in settlements)
        cost_usd = sum(each.charge.cost_usd for each in settlements)
        if job.night == self._night:
            self.paid += settled
            self.cost_usd += cost_usd
        left = len(settlements) - settled
        of = f"batch {job.batch_id}" if job.batch_id else "no batch"
        self._say(f"batch: {settled} replies from {of}, {cost_usd:.4f} USD; {left} calls left to buy directly")

    def _wind_up(self, job: BatchJob) -> None:
        """A job of a night that nobody finishes any more: what it brought is paid, the rest is cancelled."""
        claimed = self._jobs.claim(job.id) if job.provider in self._desks else None
        if claimed is None:
            return
        job, desk = claimed, self._desks[job.provider]
        try:
            if not job.batch_id:
                found = desk.find(job.id, since=job.opened_at) if job.file_id else None
                if found is None:
                    self._give_up(job, f"night {job.night} is over")
                    return
                job = replace(job, batch_id=found.id)
                self._jobs.note(job)
            remote = desk.look(job.batch_id or "") or _gone()
            if remote.status in ENDED or remote.status == GONE:
                self._settle(desk, replace(job, status=remote.status), remote)
            else:
                desk.cancel(remote.id)
        except ModelError as problem:
            self._say(f"batch: job {job.id} of night {job.night} stays open until the next night ({problem})")

    def _desk(self, job: BatchJob) -> BatchDesk:
        if job.provider not in self._desks:
            raise BatchError(
                f"batch job {job.id}: there is no endpoint for '{job.provider}' any more, so it cannot be finished. "
                f"Set its key, or its address under models.providers.{job.provider}, and run the same command again."
            )
        return self._desks[job.provider]


def _gone() -> RemoteBatch:
    return RemoteBatch("", GONE, None, None, "")
