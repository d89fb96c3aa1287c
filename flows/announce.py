"""The last step of each flow: what people see of it in the Prefect UI, and what they are told."""

from typing import Any

from flows import artifacts, events
from flows.connect import connect
from flows.results import CheckResult, EvaluateResult, FreshnessResult, IngestResult
from flows.step import step


@step
def announce_ingest(result: IngestResult) -> None:
    """Show counts and quarantine; an event when too many documents are newly kept out."""
    artifacts.show_ingest(result)
    events.announce(events.events_of_ingest(result, connect().settings.alarms))


@step
def announce_check(result: CheckResult) -> None:
    """Show gate and freshness; an event when the gate failed or a source missed its target."""
    artifacts.show_check(result)
    events.announce(events.events_of_check(result))


@step
def announce_freshness(result: FreshnessResult) -> None:
    """Show freshness; an event when a source has missed its target since the last look."""
    artifacts.show_freshness(result)
    events.announce(events.events_of_freshness(result))


@step
def announce_evaluate(result: EvaluateResult) -> None:
    """Show pass rates and flips."""
    artifacts.show_evaluate(result)


@step
def announce_night(summary: dict[str, Any]) -> None:
    """Show the night with its links; events: finished, drift, over budget."""
    links = {"report": summary["report"]}
    if url := summary["links"].get("mlflow"):
        links = {"report": f"{url}/artifacts/report.html", "mlflow": url}
    artifacts.show_night(summary, links)
    events.announce(events.events_of_night(summary, connect().settings.alarms), **links)
