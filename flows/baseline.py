"""The commands `plumbline baseline …`: which nights an assistant is held against. No flow, no Prefect."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from flows import drift_summaries
from flows.doors import GOOD, can_evaluate, json_option, open_flow, show
from knowledge.errors import ContentError

if TYPE_CHECKING:
    from flows.connect import Connections
    from knowledge.baseline import Baseline

LEAST_RUNS = 3
assistant_option = click.option("--assistant", default="support", show_default=True)
reason_option = click.option("--reason", default="", help="Why, for the audit.")


@click.group()
def baseline() -> None:
    """What nights are held against: the results of some nights of one release, frozen."""


@baseline.command("make")
@assistant_option
@click.option("--runs", type=click.IntRange(LEAST_RUNS, 100), help="How many nights; baseline_nights if left out.")
@click.option("--now", is_flag=True, help="Take the runs that are missing at once: every case is asked as often.")
@json_option
def baseline_make(assistant: str, runs: int | None, now: bool, as_json: bool) -> int:
    """Freeze the last finished nights of this release; the one before ends."""
    from flows.connect import connect

    connections = connect()
    runs = runs or connections.settings.baseline_nights
    if now:
        return _show(
            open_flow("take_runs", lambda to: can_evaluate(to, assistant))(assistant=assistant, runs=runs), as_json
        )
    from flows.collecting import make_baseline

    return _show(make_baseline(connections, assistant, runs=runs, by="person"), as_json)


@baseline.command("accept")
@assistant_option
@reason_option
@json_option
def baseline_accept(assistant: str, reason: str, as_json: bool) -> int:
    """Say that a change is meant: the baseline ends, and the nights from now on make the next one."""
    from flows.connect import connect

    connections = connect()
    standing = _standing(connections, assistant)
    return _show(connections.baselines.end(standing, by="person", reason=reason), as_json)


@baseline.command("reset")
@assistant_option
@reason_option
@json_option
def baseline_reset(assistant: str, reason: str, as_json: bool) -> int:
    """Say that an alarm was false: evidence begins anew after the last night, the results stay."""
    from flows.connect import connect
    from flows.drift import nights_since

    connections = connect()
    standing = _standing(connections, assistant)
    nights = nights_since(connections, standing)
    if not nights:
        raise ContentError(f"baseline of '{assistant}': no night has run since, so there is no evidence to reset.")
    return _show(connections.baselines.reset(standing, after=nights[-1].name, by="person", reason=reason), as_json)


@baseline.command("show")
@assistant_option
@json_option
def baseline_show(assistant: str, as_json: bool) -> int:
    """The baseline that nights are held against."""
    from flows.connect import connect

    return _show(_standing(connect(), assistant), as_json)


def _standing(connections: "Connections", assistant: str) -> "Baseline":
    connections.manifest(assistant)
    standing = connections.baselines.standing(assistant)
    if standing is None:
        raise ContentError(
            f"baseline of '{assistant}': there is none. The first {connections.settings.baseline_nights} nights of a "
            "release become one, or `plumbline baseline make` freezes those there are."
        )
    return standing


def _show(found: "Baseline", as_json: bool) -> int:
    content: dict[str, Any] = {**asdict(found), "made_at": found.made_at.isoformat(timespec="seconds")}
    content["ended_at"] = found.ended_at.isoformat(timespec="seconds") if found.ended_at else None
    show(content, drift_summaries.baseline, as_json)
    return GOOD
