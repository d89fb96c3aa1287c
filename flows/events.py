"""What a run tells the world: Prefect events that automations.yaml turns into notifications."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from prefect.events import emit_event

from evals.freshness import Freshness
from flows.changes import counted
from flows.params import AlarmSettings
from flows.results import CheckResult, FreshnessResult, IngestResult

EventName = Literal[
    "night-finished", "drift", "gate-failed", "freshness-missed", "quarantine-over-share", "over-budget"
]


@dataclass(frozen=True, slots=True)
class Event:
    """`about` is `assistant.NAME` or `collection.NAME`; headline and text are what people are sent."""

    name: EventName
    about: str
    headline: str
    text: str


def events_of_ingest(result: IngestResult, alarms: AlarmSettings) -> list[Event]:
    """Too many documents newly kept out."""
    new, listed = result.newly_quarantined, result.documents.listed
    if not listed or len(new) / listed <= alarms.quarantine_share:
        return []
    kept_out = [f"{each.doc_id}: {each.reason}" for each in result.quarantine if each.doc_id in new]
    return [
        Event(
            "quarantine-over-share",
            f"collection.{result.collection}",
            f"{result.collection}: {len(new)} of {listed} documents are newly in quarantine",
            f"The limit is {alarms.quarantine_share:.0%}. Kept out: {'; '.join(kept_out[:20])}",
        )
    ]


def events_of_check(result: CheckResult) -> list[Event]:
    """A gate that failed; sources whose changes wait too long."""
    about = f"collection.{result.collection}"
    found = []
    if result.verdict == "fail":
        serves = result.production_version
        still = f"version {serves} still serves" if serves is not None else "nothing serves"
        still = f"version {serves} serves again" if result.rolled_back else still
        found.append(
            Event(
                "gate-failed",
                about,
                f"{result.collection}: version {result.version} failed its gate, {still}",
                result.reason,
            )
        )
    return found + _missed(result.collection, [each for each in result.freshness if not each.met])


def events_of_freshness(result: FreshnessResult) -> list[Event]:
    """Sources that met their target when they were last looked at, and miss it now."""
    return _missed(result.collection, [each for each in result.freshness if each.source in result.newly_missed])


def _missed(collection: str, missed: Sequence[Freshness]) -> list[Event]:
    if not missed:
        return []
    waits = [f"{each.source} {each.oldest_pending_hours:.1f} h of {each.target_hours:g} h" for each in missed]
    late = [doc_id for each in missed for doc_id in each.late]
    return [
        Event(
            "freshness-missed",
            f"collection.{collection}",
            f"{collection}: {', '.join(each.source for each in missed)} missed its freshness target",
            f"Oldest change not served: {'; '.join(waits)}. Documents: {', '.join(late[:20])}",
        )
    ]


def events_of_night(summary: dict[str, Any], alarms: AlarmSettings) -> list[Event]:
    """That it is finished; drift; a cost over its limit, or a budget that ended it early."""
    about = f"assistant.{summary['assistant']}"
    night = f"{summary['assistant']} {summary['night']}"
    text = f"{summary['verdict_reason']}. {summary.get('changed', '')}".strip()
    found = [Event("night-finished", about, f"night {night}: {summary['verdict']}", text)]
    if summary["verdict"] == "drift":
        found.append(Event("drift", about, f"DRIFT in night {night}", text))
    if summary["cost_usd"] > alarms.cost_usd:
        spent = f"night {night} cost {summary['cost_usd']:.2f} USD"
        found.append(Event("over-budget", about, spent, f"The limit is {alarms.cost_usd:g} USD."))
    missing = (summary.get("evaluate") or {}).get("missing", [])
    if over := [each for each in missing if each["over_budget"]]:
        stopped = f"night {night} stopped asking: {counted(len(over), 'case')} over budget"
        named = ", ".join(f"{each['suite']}/{each['case']}" for each in over[:20])
        found.append(Event("over-budget", about, stopped, f"{over[0]['reason']} Missing: {named}"))
    return found


def announce(events: Iterable[Event], **links: str | None) -> None:
    """Emit events; links are what the notification points to."""
    for event in events:
        emit_event(
            event=f"plumbline.{event.name}",
            resource={
                "prefect.resource.id": f"plumbline.{event.about}",
                "prefect.resource.name": event.about.partition(".")[2],
            },
            payload={"headline": event.headline, "text": event.text, **links},
        )
