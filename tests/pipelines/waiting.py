"""A night of cases that can wait, each an answer and its judgement, and how it can be killed at any step."""

import os
import signal
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import select

from knowledge import tables
from knowledge.batch_job import BatchJob, BatchJobs
from knowledge.call import Account, Answered, Purchase, Settlement
from knowledge.database import Database
from knowledge.ledger import Ledger
from pipelines.batch import Calls, Door
from pipelines.calling.budget import Budget, Budgets
from pipelines.calling.collector import Collector
from pipelines.calling.prices import Price
from pipelines.calling.request import CallError, ChatRequest
from pipelines.calling.retries import Retries
from pipelines.calling.settings import BatchSettings, ModelSettings, Provider
from pipelines.deferred import BatchBuyer

CASES = 12
ROUTE = ("openai/small",)
PRICE = Price(input_usd_per_million=0.15, output_usd_per_million=0.60)  # the server's own
STEPS = ("reserved", "not noted", "uploaded", "not found", "begun", "in_progress", "half settled", "settled")


def not_yet() -> bool:
    return False


@dataclass(frozen=True)
class Night:
    """Where it buys. over: is it time to buy directly? dies_at: the step after which it kills itself."""

    base_url: str
    database_url: str
    name: str = "2026-11-21"
    over: Callable[[], bool] = not_yet
    cancel_wait_minutes: float = 1.0
    min_calls: int = 1
    budget_usd: float | None = None
    dies_at: str | None = None

    @property
    def database(self) -> Database:
        return Database(self.database_url)

    def rows(self) -> list[dict[str, Any]]:
        return [dict(row._mapping) for row in self.database.rows(select(tables.ledger).order_by(tables.ledger.c.id))]

    def jobs(self) -> list[dict[str, Any]]:
        query = select(tables.batch_job).order_by(tables.batch_job.c.opened_at)
        return [dict(row._mapping) for row in self.database.rows(query)]


@dataclass
class Morning:
    """What came of it. answers: by case, or why there is none."""

    answers: dict[int, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    paid_in_batches: int = 0
    paid_directly: int = 0


async def put(door: Door, night: str, number: int) -> str:
    """One case: answered, then judged."""
    account = Account("answer", "support", night, run=f"support {night}")
    asked = ChatRequest(({"role": "user", "content": f"Question {number}: what does it cost?"},), 50)
    answer = await door.buy(asked, route=ROUTE, account=account)
    judging = ChatRequest(({"role": "user", "content": f"Is this right? {answer.payload['text']}"},), 50)
    account = Account("judge", "support", night, run=f"support {night}")
    said = await door.buy(judging, route=ROUTE, account=account)
    return str(said.payload["text"])


def sleep_over(night: Night) -> Morning:
    """The night: in batches as long as there is time, then directly."""
    database = night.database
    ledger = DyingLedger(database, night.dies_at)
    jobs = DyingJobs(database, ledger, night.dies_at)
    provider = Provider("openai", night.base_url, "any")
    batch = BatchSettings(
        enabled=True,
        direct_minutes=0,
        poll_seconds=0.02,
        cancel_wait_minutes=night.cancel_wait_minutes,
        min_calls=night.min_calls,
    )
    settings = ModelSettings(prices={ROUTE[0]: PRICE}, batch=batch, retries=Retries(attempts=2))
    budgets = Budgets(run=Budget(cost_usd=night.budget_usd))
    calls = Calls([provider], ledger, settings=settings, budgets=budgets, today=lambda: night.name)
    morning = Morning()
    buyer = HurriedBuyer(
        [provider],
        ledger,
        jobs,
        settings=settings,
        assistant="support",
        night=night.name,
        deadline=datetime.now(UTC) + timedelta(hours=1),
        say=morning.said.append,
    )
    buyer.over = night.over
    with closing(calls), closing(buyer):
        buyer.go_on()
        while buyer.buy(_lacking(calls, ledger, night.name)):
            pass
        for number, text in calls.each(range(CASES), partial(_answered, calls, night.name)):
            morning.answers[number] = text
        morning.paid_in_batches, morning.paid_directly = buyer.paid, calls.tally.paid
    return morning


def _lacking(calls: Calls, ledger: Ledger, night: str) -> Sequence[Purchase]:
    collector = Collector(calls, ledger)
    for _ in calls.each(range(CASES), lambda number: collector.collect(put(collector, night, number))):
        pass
    return list(collector.purchases.values())


async def _answered(calls: Calls, night: str, number: int) -> tuple[int, str]:
    try:
        return number, await put(calls, night, number)
    except CallError as problem:
        return number, f"missing: {problem}"


class HurriedBuyer(BatchBuyer):
    """For it the deadline is near when something has happened, not at a time."""

    over: Callable[[], bool] = not_yet

    @property
    def late(self) -> bool:
        return self.over()


def die() -> None:
    """As a power cut does it."""
    os.kill(os.getpid(), signal.SIGKILL)


class DyingLedger(Ledger):
    """Its process ends where calls of a batch are half settled."""

    def __init__(self, database: Database, dies_at: str | None):
        super().__init__(database)
        self._dies_at = dies_at

    def commit(self, purchases: Sequence[Purchase], settlements: Sequence[Settlement]) -> list[Answered]:
        if self._dies_at == "half settled" and settlements:
            super().commit([], settlements[: len(settlements) // 2])
            die()
        return super().commit(purchases, settlements)


class DyingJobs(BatchJobs):
    """Its process ends before or after a step is written down."""

    def __init__(self, database: Database, ledger: Ledger, dies_at: str | None):
        super().__init__(database, ledger)
        self._dies_at = dies_at

    def open(self, job: BatchJob, purchases: Sequence[Purchase]) -> list[Answered]:
        answers = super().open(job, purchases)
        if self._dies_at == "reserved":
            die()
        return answers

    def note(self, job: BatchJob) -> None:
        if (self._dies_at, job.status) in {("not noted", "uploaded"), ("not found", "validating")}:
            die()
        super().note(job)
        if self._dies_at == ("begun" if job.status == "validating" else job.status):
            die()

    def end(self, job: BatchJob) -> None:
        if self._dies_at == "settled":
            die()
        super().end(job)
