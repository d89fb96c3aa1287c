"""The commands `plumbline ledger …`: what the paid calls cost, and their audit trail. No flow, no Prefect."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from flows import summaries
from flows.doors import GOOD, json_option, show


def _moment(_: click.Context, __: click.Parameter, days: int | None) -> datetime | None:
    return None if days is None else datetime.now(UTC) - timedelta(days=days)


since_option = click.option(
    "--since",
    metavar="DAYS",
    type=click.IntRange(1, 36500),
    callback=_moment,
    help="Only calls of the last DAYS days; all if left out.",
)


@click.group()
def ledger() -> None:
    """Every paid call: what it cost, and what was asked and answered."""


@ledger.command("show")
@since_option
@json_option
def ledger_show(since: datetime | None, as_json: bool) -> int:
    """Calls, tokens and cost by assistant, purpose and model."""
    from flows.connect import connect
    from knowledge.spending import read_spending

    rows = read_spending(connect().history, since=since)
    content = {
        "since": since.isoformat(timespec="seconds") if since else None,
        "calls": sum(each.calls for each in rows),
        "cost_usd": sum(each.cost_usd for each in rows),
        "spending": [asdict(each) for each in rows],
    }
    show(content, summaries.spending, as_json)
    return GOOD


@ledger.command("export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@since_option
@json_option
def ledger_export(file: Path, since: datetime | None, as_json: bool) -> int:
    """Write every attempt to FILE as parquet, one row each."""
    from flows.connect import connect
    from knowledge.ledger_export import export_ledger

    path = file.expanduser().absolute()
    calls = export_ledger(connect().history, path, since=since)
    show({"file": str(path), "calls": calls, "bytes": path.stat().st_size}, summaries.exported, as_json)
    return GOOD
