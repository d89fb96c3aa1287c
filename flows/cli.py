"""`plumbline …`: a thin door. `--json` prints one JSON object on stdout; everything else goes to stderr."""

import json
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from flows import summaries
from flows.params import find_project, quiet_vendors
from knowledge.errors import PlumblineError, StateError

if TYPE_CHECKING:
    from flows.connect import Connections

STOPPED = "\nstopped; what was recorded is kept: the same command goes on from there"
GOOD, FAILED, COULD_NOT_RUN, INTERRUPTED = 0, 1, 2, 130

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
report_only = click.option("--report-only", is_flag=True, help="Exit 0 also when a gate failed.")
as_option = click.option(
    "--as", "groups", multiple=True, metavar="GROUP", help="A group of the reader; repeat for more."
)


def _not_empty(_: click.Context, parameter: click.Parameter, text: str) -> str:
    if not text.strip():
        raise click.BadParameter("it is empty; say what you look for.", param=parameter)
    return text


question_argument = click.argument("question", callback=_not_empty)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="plumbline")
def cli() -> None:
    """Keeps a RAG assistant true: ingests, checks and evaluates it every night.

    Exit status: 0 good, 1 a gate failed, 2 it could not run.
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
        summary = _flow("nightly", lambda to: to.find_sources(to.manifest(assistant).collection))(
            assistant=assistant, night=wanted, new_night=new_night
        )
    show(summary, summaries.night, as_json)
    return FAILED if summary["gate_failed"] and not report_only else GOOD


def _finished(assistant: str, night: date | None) -> dict[str, Any] | None:
    from flows.connect import connect
    from flows.nights import finished_night

    return finished_night(connect(), assistant, night)


@cli.command()
@click.option("--collection", default="support", show_default=True)
@click.option("--source", metavar="DIR", help="A folder of documents, without writing YAML; it is remembered.")
@click.option("--allow-mass-delete", is_flag=True, help="Let this run delete more documents than the limit.")
@report_only
@json_option
def ingest(collection: str, source: str | None, allow_mass_delete: bool, report_only: bool, as_json: bool) -> int:
    """Bring a collection up to date with its sources; the new version is a candidate."""
    result = _flow("ingest", lambda to: to.find_sources(collection, given=source))(
        collection=collection, source=source, allow_mass_delete=allow_mass_delete
    )
    show(result.as_row(), summaries.ingest, as_json)
    return GOOD


@cli.command()
@click.option("--collection", default="support", show_default=True)
@report_only
@json_option
def check(collection: str, report_only: bool, as_json: bool) -> int:
    """Measure freshness and retrieval of the candidate; let it serve when the floors hold."""
    result = _flow("check", lambda to: to.store.open(collection))(collection=collection)
    show(result.as_row(), summaries.check, as_json)
    return FAILED if result.verdict == "fail" and not report_only else GOOD


@cli.command()
@click.option("--assistant", default="support", show_default=True)
@click.option("--suite", "suites", multiple=True, metavar="S", help="Only this suite; repeat for more.")
@report_only
@json_option
def evaluate(assistant: str, suites: tuple[str, ...], report_only: bool, as_json: bool) -> int:
    """Put every case to the assistant and grade the answers, outside of any night."""
    result = _flow("evaluate", lambda to: to.serving(to.manifest(assistant).collection))(
        assistant=assistant, suites=list(suites) or None
    )
    show(result.as_row(), summaries.evaluate, as_json)
    return GOOD


@cli.command()
@question_argument
@click.option("--collection", default="support", show_default=True)
@click.option("--limit", type=click.IntRange(1, 100), default=5, show_default=True)
@as_option
@json_option
def search(question: str, collection: str, limit: int, groups: tuple[str, ...], as_json: bool) -> int:
    """The passages nearest to QUESTION among those the reader may see."""
    from flows.connect import connect
    from pipelines.answering.retrieve import retrieve

    reader = _groups(groups)
    connections = connect()
    serving = connections.serving(collection)
    hits = retrieve(question, serving, connections.embedder, groups=reader, limit=limit)
    content = {
        "collection": collection,
        "version": serving.version,
        "passages": [asdict(hit) for hit in hits],
    }
    show(content, summaries.search, as_json)
    return GOOD


@cli.command()
@question_argument
@click.option("--assistant", default="support", show_default=True)
@as_option
@json_option
def ask(question: str, assistant: str, groups: tuple[str, ...], as_json: bool) -> int:
    """One traced answer to QUESTION."""
    from flows.connect import connect
    from pipelines.answering.answer import answer

    connections = connect()
    manifest = connections.manifest(assistant)
    found = answer(
        question,
        manifest=manifest,
        policy=connections.policy(manifest),
        collection=connections.serving(manifest.collection),
        embedder=connections.embedder,
        groups=_groups(groups),
    )
    show(found.as_row(), summaries.answer, as_json)
    return GOOD


@cli.command()
@json_option
def status(as_json: bool) -> int:
    """What serves, since when, how the last night went, and where its report is."""
    from flows.connect import connect
    from flows.nights import status_of

    show(status_of(connect()), summaries.status, as_json)
    return GOOD


@cli.group()
def quarantine() -> None:
    """Documents that are kept out."""


@quarantine.command("list")
@click.option("--collection", default="support", show_default=True)
@json_option
def quarantine_list(collection: str, as_json: bool) -> int:
    """Which documents are kept out of a collection, why, and since when."""
    from flows.connect import connect

    connections = connect()
    connections.store.open(collection)
    entries = connections.history.quarantined(collection)
    rows = [
        {
            **asdict(each.rejected),
            "attempts": each.attempts,
            "first_seen": each.first_seen,
            "last_seen": each.last_seen,
        }
        for each in entries
    ]
    show({"collection": collection, "quarantine": rows}, summaries.quarantine, as_json)
    return GOOD


def show(content: dict[str, Any], words: Callable[[dict[str, Any]], str], as_json: bool) -> None:
    """Print for a program or for a person."""
    click.echo(json.dumps(content, ensure_ascii=False, default=str) if as_json else words(content))


def _flow(name: str, needs: Callable[["Connections"], object]) -> Callable[..., Any]:
    """A flow by its name. Prefect takes seconds to start, so what it needs and has not got is told before."""
    from importlib import import_module

    from flows.connect import connect, end_left_over_servers, hold_state

    connections = connect()
    connections.read_all()
    needs(connections)
    with hold_state(connections.project, name):
        end_left_over_servers(connections.project)
        flow: Callable[..., Any] = getattr(import_module(f"flows.{name}"), name)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    return flow


def _stop(number: int, _: object) -> NoReturn:
    """End at once: Ctrl-C has ended Prefect's server as well, so there is nobody left to tell about states.

    A run that is killed loses nothing, so this loses nothing either.
    """
    import psutil

    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            child.kill()
    os.write(2, STOPPED.encode() + b"\n")
    os._exit(128 + number)


def _groups(groups: tuple[str, ...]) -> tuple[str, ...]:
    from knowledge.source import check_group

    try:
        return tuple(check_group(group) for group in groups)
    except ValueError as problem:
        raise PlumblineError(f"--as: {problem}.") from None


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
    from flows.connect import disk_full, is_disk_full

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
