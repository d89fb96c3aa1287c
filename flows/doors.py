"""What all commands share: options, exit statuses, how they print, and how they open a flow."""

import gc
import json
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from knowledge.errors import PlumblineError

if TYPE_CHECKING:
    from flows.connect import Connections
    from flows.params import Project

STOPPED = (
    "\nstopped; what was recorded is kept: a night or a baseline that is asked for again goes on from there, "
    "an evaluation by hand begins anew"
)
GOOD, FAILED, COULD_NOT_RUN, INTERRUPTED = 0, 1, 2, 130

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
report_only = click.option("--report-only", is_flag=True, help="Exit 0 also when a gate failed or drift was found.")
results_to = click.option(
    "--results-to",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write what an experiment compares into DIR, as JSON and CSV.",
)
as_option = click.option(
    "--as", "groups", multiple=True, metavar="GROUP", help="A group of the reader; repeat for more."
)


def show(content: dict[str, Any], words: Callable[[dict[str, Any]], str], as_json: bool) -> None:
    """Print for a program or for a person."""
    click.echo(json.dumps(content, ensure_ascii=False, default=str) if as_json else words(content))


def open_flow(name: str, needs: Callable[["Connections"], object]) -> Callable[..., Any]:
    """A flow by its name. Prefect takes seconds to start, so what it needs and has not got is told before.

    Only one run at a time uses the state folder: another is waited for, or StateError is raised (`hold_state`).
    """
    from flows.connect import connect
    from flows.state import end_left_over_servers, hold_state

    connections = connect()
    connections.read_all()
    needs(connections)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)

    def run(**parameters: object) -> Any:
        subject = parameters.get("assistant") or parameters.get("collection")
        # from before its server starts to the end: two servers may not write one SQLite file
        with hold_state(connections.project, f"{name.replace('_', ' ')} {subject}"):
            end_left_over_servers(connections.project)
            return load_flow(connections.project, name)(**parameters)

    return run


def load_flow(project: "Project", name: str) -> Callable[..., Any]:
    """A flow, with all it needs imported and started: Prefect's server, MLflow's database."""
    from importlib import import_module

    from flows.own_server import own_server
    from flows.tracking.runs import tracking

    with own_server(project):
        flow: Callable[..., Any] = getattr(import_module(f"flows.{name}"), name)
        tracking()  # MLflow needs seconds to open its database; so does the server to start
    gc.freeze()  # what is imported stays: to walk through it takes the garbage collector a quarter of a second
    return flow


def can_evaluate(connections: "Connections", assistant: str, *, candidate: bool = False) -> None:
    """Is there something to ask, and somebody who answers? Raises PlumblineError."""
    manifest = connections.manifest(assistant)
    connections.check_models(manifest)
    connections.asked(manifest.collection, candidate=candidate)


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


def check_groups(groups: tuple[str, ...]) -> tuple[str, ...]:
    """The groups of a reader, each a plain name. Raises PlumblineError."""
    from knowledge.source import check_group

    try:
        return tuple(check_group(group) for group in groups)
    except ValueError as problem:
        raise PlumblineError(f"--as: {problem}.") from None
