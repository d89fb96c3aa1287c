"""A night's calls that can wait: bought through the Batch API before the cases are put."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from evals.case import Case
from flows.connect import Connections
from flows.exam import Exam, Examiner
from flows.nights import TONIGHT
from flows.screen import say
from knowledge.call import Purchase
from pipelines.calling.till import Tally


@dataclass(frozen=True, slots=True)
class Ahead:
    """What stands in the ledger now, bought in batches by this run."""

    paid: int = 0
    cost_usd: float = 0.0

    def cost_with(self, tally: Tally) -> str:
        """What all calls of the run cost so far, for a person."""
        return f"{self.cost_usd + tally.cost_usd:.4f} USD"

    def calls_with(self, tally: Tally, *, read: int) -> dict[str, int]:
        """All calls of the run. What a batch brought is read from the ledger later: paid, and not reused as well."""
        return {"paid": tally.paid + self.paid, "reused": max(tally.reused - self.paid, 0) + read}


def buy_ahead(
    connections: Connections,
    exam: Exam,
    cases: Sequence[tuple[str, Case]],
    examiner: Examiner,
) -> Ahead:
    """Let the ledger have every reply that a batch can bring in time. Raises BatchError.

    Only within a night: what is asked by hand has a name of its own each time, so its batch could not be resumed.
    """
    settings = connections.settings.models.batch
    jobs = connections.batch_jobs
    night = TONIGHT.get()
    if night is None or not (settings.enabled or jobs.unfinished(exam.assistant)):
        return Ahead()
    from pipelines.deferred import BatchBuyer

    # from its beginning: a night that goes on in the morning must not wait for the next one
    began = night.started_at or datetime.now(UTC)
    deadline = next_time(settings.deadline, began.astimezone(connections.settings.zone))
    buyer = BatchBuyer(
        connections.project.providers,
        connections.ledger,
        jobs,
        settings=connections.settings.models,
        assistant=exam.assistant,
        night=exam.night,
        deadline=deadline if settings.enabled else datetime.now(UTC),
        say=say,
    )
    with closing(buyer):
        buyer.go_on()
        while not buyer.late:
            if not buyer.buy(_still_to_buy(connections, cases, examiner)):
                break
    return Ahead(buyer.paid, buyer.cost_usd)


def _still_to_buy(connections: Connections, cases: Sequence[tuple[str, Case]], examiner: Examiner) -> list[Purchase]:
    """The next call of each case that the ledger has no reply to."""
    from pipelines.calling.collector import Collector

    collector = Collector(connections.calls, connections.ledger)
    collecting = examiner.buying_at(collector)
    for _ in connections.calls.each(cases, lambda case: collector.collect(collecting.examine(case))):
        pass
    return list(collector.purchases.values())


def next_time(clock: str, now: datetime) -> datetime:
    """When it is next this time of day (HH:MM), in the zone of `now`."""
    hour, minute = map(int, clock.split(":"))
    today = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    return today if today > now else today + timedelta(days=1)
