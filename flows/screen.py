"""What a person sees while a run works: lines on stderr and in the run's log, a progress bar, a progress artifact."""

import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar, cast
from uuid import UUID

import click
from tqdm import tqdm

T = TypeVar("T")

EVERY_SECONDS = 2.0  # how often a progress artifact is brought up to date: each time is a request to the server


def say(line: str) -> None:
    """One line of progress, on stderr and in the log of the Prefect run we are in."""
    from prefect.context import FlowRunContext
    from prefect.logging import get_run_logger

    click.echo(line, err=True)
    if FlowRunContext.get():
        get_run_logger().info(line)


def watch(items: Iterable[T], label: str, total: int, *, beside: Callable[[], str] | None = None) -> Iterator[T]:
    """The items, with a progress bar where a terminal shows it and a progress artifact in the Prefect run.

    beside: what stands next to the bar.
    """
    from prefect.artifacts import create_progress_artifact, update_progress_artifact

    bar = tqdm(items, desc=label, total=total, disable=not sys.stderr.isatty() or not total, leave=False)
    shown_at = time.monotonic()
    artifact: UUID | None = None
    for done, item in enumerate(bar):
        if beside:
            bar.set_postfix_str(beside(), refresh=False)
        if time.monotonic() - shown_at > EVERY_SECONDS:
            shown_at, share = time.monotonic(), 100 * done / total
            if artifact is None:
                key = re.sub(r"[^a-z0-9]+", "-", f"progress-{label}".lower())
                described = f"{label}: {total} in all"
                artifact = cast(UUID, create_progress_artifact(progress=share, key=key, description=described))
            else:
                update_progress_artifact(artifact_id=artifact, progress=share)
        yield item
    if artifact is not None:
        update_progress_artifact(artifact_id=artifact, progress=100.0)
