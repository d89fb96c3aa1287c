"""Which night it is, and what the nights and pointers say; nothing here imports Prefect."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, datetime, timedelta
from typing import Any

from flows.connect import Connections
from flows.running import read_servers
from knowledge.history import Night
from knowledge.manifest import read_manifests

# the night that the flows of this process belong to; none when a flow runs by itself
TONIGHT: ContextVar[Night | None] = ContextVar("tonight", default=None)


@contextmanager
def within(night: Night) -> Iterator[None]:
    """Let the flows that run in here be part of a night."""
    token = TONIGHT.set(night)
    try:
        yield
    finally:
        TONIGHT.reset(token)


def finished_night(connections: Connections, assistant: str, night: date | None) -> dict[str, Any] | None:
    """What a finished night said; None when tonight's (or the one asked for) has still to run, or to go on."""
    connections.manifest(assistant)
    nights = connections.history.nights(assistant)
    wanted = night or tonight_of(connections, nights)
    same = [each for each in nights if each.scheduled_on == wanted]
    return same[-1].summary if same and same[-1].status == "finished" and not missing_cases(same[-1]) else None


def missing_cases(night: Night) -> int:
    """Cases of a finished night that no model answered, such as over budget; asked for again, it asks them."""
    evaluated = (night.summary or {}).get("evaluate") or {}
    return len(evaluated.get("missing", ()))


def night_or_now(connections: Connections) -> str:
    """The name of the night we are in; outside of any, the time by the clock of the settings' zone."""
    night = TONIGHT.get()
    return night.name if night else f"by hand {datetime.now(connections.settings.zone):%Y-%m-%d %H:%M:%S}"


def date_of(connections: Connections) -> date:
    """The date of the night we are in; outside of any, today in the settings' zone."""
    night = TONIGHT.get()
    return night.scheduled_on if night else datetime.now(connections.settings.zone).date()


def tonight_of(connections: Connections, nights: list[Night]) -> date:
    """Today in the settings' zone; an unfinished night of yesterday keeps its own date, also after midnight."""
    today = datetime.now(connections.settings.zone).date()
    unfinished = [each for each in nights if each.status == "running" and each.scheduled_on >= today - timedelta(1)]
    return unfinished[-1].scheduled_on if unfinished else today


def status_of(connections: Connections) -> dict[str, Any]:
    """Every pointer, and the last night of every assistant."""
    nights = []
    for assistant in read_manifests(connections.project.knowledge / "manifests"):
        for last in connections.history.nights(assistant, last=1):
            summary = last.summary or {}
            nights.append(
                {
                    "assistant": assistant,
                    "night": last.name,
                    "status": last.status,
                    "verdict": summary.get("verdict"),
                    "verdict_reason": summary.get("verdict_reason"),
                    "cost_usd": summary.get("cost_usd"),
                    "report": summary.get("report"),
                    "mlflow_run_id": last.mlflow_run_id,
                }
            )
    pointers = [
        {
            "assistant": each.assistant,
            "release": each.release,
            "versions": each.versions,
            "moved_by": each.moved_by,
            "reason": each.reason,
            "moved_at": each.moved_at.isoformat(timespec="seconds"),
        }
        for each in connections.history.pointers()
    ]
    servers = {name: each.url or "running" for name, each in read_servers(connections.project.state).items()}
    return {"pointers": pointers, "nights": nights, "servers": servers}
