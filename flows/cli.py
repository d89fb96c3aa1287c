"""`plumbline …`: a thin door. `--json` prints one JSON object on stdout; everything else goes to stderr."""

import sys
import traceback
import warnings
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from faults.door import faults
from flows import lookups, summaries
from flows.baseline import baseline
from flows.collection import collection
from flows.contracts import contracts
from flows.corpus import corpus
from flows.doors import (
    COULD_NOT_RUN,
    FAILED,
    GOOD,
    INTERRUPTED,
    STOPPED,
    can_evaluate,
    json_option,
    open_flow,
    report_only,
    results_to,
    show,
)
from flows.ledger import ledger
from flows.params import find_project
from flows.quarantine import quarantine
from flows.queries import queries
from flows.vendors import quiet_vendors
from flows.watch import watch
from knowledge.errors import PlumblineError, StateError

if TYPE_CHECKING:
    from flows.connect import Connections


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="plumbline")
def cli() -> None:
    """Keeps a RAG assistant true: ingests, checks and evaluates it every night.

    Exit status: 0 good, 1 a gate failed or drift was found, 2 it could not run.
    """


@cli.command()
@click.option("--assistant", default="support", show_default=True, help="The manifest to run.")
@click.option("--night", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="The night's date; today if left out.")
@click.option("--new-night", is_flag=True, help="Run a second night on the same date.")
@report_only
@json_option
def nightly(assistant: str, night: datetime | None, new_night: bool, report_only: bool, as_json: bool) -> int:
    """Run the whole night of one assistant, resume it, or read it when it is finished."""
    wanted = night.date() if night else None
    summary = None if new_night else _finished(assistant, wanted)
    if summary:
        click.echo(f"night {summary['night']} of '{assistant}' is finished; this is its record", err=True)
    else:
        summary = open_flow("nightly", lambda to: _can_run(to, assistant))(
            assistant=assistant, night=wanted, new_night=new_night
        )
    show(summary, summaries.night, as_json)
    late = any(not each["met"] for each in summary["check"]["freshness"])
    return FAILED if (summary["gate_failed"] or late or summary["verdict"] == "drift") and not report_only else GOOD


def _can_run(connections: "Connections", assistant: str) -> None:
    manifest = connections.manifest(assistant)
    connections.check_models(manifest)
    connections.find_sources(manifest.collection)


def _finished(assistant: str, night: date | None) -> dict[str, Any] | None:
    from flows.connect import connect
    from flows.nights import finished_night

    return finished_night(connect(), assistant, night)


@cli.command()
@click.option("--collection", default="support", show_default=True)
@click.option("--source", metavar="DIR", help="A folder of documents, without writing YAML; it is remembered.")
@click.option("--allow-mass-delete", is_flag=True, help="Let this run delete more documents than the limit.")
@results_to
@report_only
@json_option
def ingest(
    *,
    collection: str,
    source: str | None,
    allow_mass_delete: bool,
    results_to: Path | None,
    report_only: bool,
    as_json: bool,
) -> int:
    """Bring a collection up to date with its sources; the new version is a candidate."""
    result = open_flow("ingest", lambda to: to.find_sources(collection, given=source))(
        collection=collection, source=source, allow_mass_delete=allow_mass_delete
    )
    if results_to:
        from flows.experiments import write_index

        write_index(results_to, result)
    show(result.as_row(), summaries.ingest, as_json)
    return GOOD


@cli.command()
@click.option("--collection", default="support", show_default=True)
@results_to
@report_only
@json_option
def check(collection: str, results_to: Path | None, report_only: bool, as_json: bool) -> int:
    """Measure freshness, retrieval and access of the candidate; let it serve when nothing forbids it."""
    result = open_flow("check", lambda to: to.store.open(collection))(collection=collection)
    if results_to:
        from flows.experiments import write_retrieval

        write_retrieval(results_to, result)
    show(result.as_row(), summaries.check, as_json)
    return FAILED if result.failed and not report_only else GOOD


@cli.command()
@click.option("--collection", default="support", show_default=True)
@report_only
@json_option
def freshness(collection: str, report_only: bool, as_json: bool) -> int:
    """Compare what the sources hold now with what serves, against their targets; nothing is ingested or moved."""
    result = open_flow("freshness", lambda to: to.serving_version(collection))(collection=collection)
    show(result.as_row(), summaries.freshness, as_json)
    return FAILED if result.verdict == "missed" and not report_only else GOOD


@cli.command()
@click.option("--assistant", default="support", show_default=True)
@click.option("--suite", "suites", multiple=True, metavar="S", help="Only this suite; repeat for more.")
@click.option("--candidate", is_flag=True, help="Ask the newest version, whether it serves or not.")
@results_to
@report_only
@json_option
def evaluate(
    *,
    assistant: str,
    suites: tuple[str, ...],
    candidate: bool,
    results_to: Path | None,
    report_only: bool,
    as_json: bool,
) -> int:
    """Put every case to the assistant and grade the answers, outside of any night."""
    result = open_flow("evaluate", lambda to: can_evaluate(to, assistant, candidate=candidate))(
        assistant=assistant, suites=list(suites) or None, candidate=candidate
    )
    if results_to:
        from flows.experiments import write_answers

        write_answers(results_to, result)
    show(result.as_row(), summaries.evaluate, as_json)
    return FAILED if result.verdict == "drift" and not report_only else GOOD


@cli.command()
@json_option
def up(as_json: bool) -> int:
    """Start the Prefect server, the MLflow server and a worker, and deploy every flow."""
    from flows.connect import connect
    from flows.state import end_left_over_servers, hold_state

    connections = connect()
    connections.read_all()
    # a run of its own has a server of its own, and two servers may not write one SQLite file
    with hold_state(connections.project, "up"):
        end_left_over_servers(connections.project)
        from flows.servers import bring_up

        servers = bring_up(connections.project)
    show({"servers": [asdict(each) for each in servers.values()]}, summaries.up, as_json)
    return GOOD


@cli.command()
@json_option
def down(as_json: bool) -> int:
    """Stop what `plumbline up` started; all state stays."""
    from flows.connect import connect
    from flows.servers import take_down

    show({"stopped": [each.name for each in take_down(connect().project)]}, summaries.down, as_json)
    return GOOD


for command in (
    baseline,
    collection,
    lookups.search,
    lookups.ask,
    lookups.status,
    quarantine,
    contracts,
    queries,
    corpus,
    ledger,
    watch,
    faults,
):
    cli.add_command(command)


def main() -> NoReturn:
    """Run a command; every error a person can mend is one line on stderr and exit status 2."""
    warnings.simplefilter("ignore")  # vendors' deprecations are for us, not for the people on duty
    project = find_project()
    quiet_vendors(project)
    try:
        status = cli.main(standalone_mode=False)
    except click.UsageError as problem:
        problem.show()
        status = COULD_NOT_RUN
    except click.exceptions.Exit as ending:
        status = ending.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo(STOPPED, err=True)
        status = INTERRUPTED
    except PlumblineError as problem:
        click.echo(f"{type(problem).__name__}: {problem}", err=True)
        status = COULD_NOT_RUN
    except Exception as problem:  # noqa: BLE001 - the edge: a person gets one line, the trace goes to a file
        click.echo(_unexpected(project.state, problem), err=True)
        status = COULD_NOT_RUN
    sys.exit(status or GOOD)


def _unexpected(state: Path, problem: Exception) -> str:
    from flows.state import disk_full, is_disk_full

    if is_disk_full(problem, state):
        return f"{StateError.__name__}: {disk_full(state, 'while writing')}"
    try:
        path = state / "last-error.txt"
        path.write_text("".join(traceback.format_exception(problem)), encoding="utf-8")
        where = f"The trace is in {path}."
    except OSError:
        where = "The trace could not be written."
    words = " ".join(str(problem).split())[:300]
    return f"unexpected {type(problem).__name__}: {words}. {where} Run the same command again; it goes on."


if __name__ == "__main__":
    main()
