"""The state folder: made, held by one run at a time, and whether its disk has room."""

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import click
from filelock import BaseFileLock, FileLock, Timeout

from flows.params import Project
from knowledge.errors import StateError

FULL_BYTES = 1_000_000  # with less room nothing here can be written
_POLL_SECONDS = 0.2
_LOOK, _LOOK_MINUTES = "freshness", 60  # a look at freshness waits so long for any run, and any run for it


def make_folder(folder: Path) -> Path:
    """The folder, made when it is not there. Raises StateError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise StateError(
            f"state folder {folder}: cannot be made ({problem.strerror}). "
            "Make it writable, or set PLUMBLINE_STATE to another folder."
        ) from None
    return folder


@contextmanager
def hold_state(project: Project, what: str) -> Iterator[None]:
    """Keep the state folder for this process while a run writes to it.

    While another has it, wait for `busy_wait_minutes`; StateError is raised when it is still busy then. A look at
    freshness, which comes every hour, is waited for and waits in any case. The operating system frees the lock when
    the process ends, however it ends.
    """
    state = make_folder(project.state)
    if not os.access(state, os.W_OK):
        raise StateError(f"state folder {state}: cannot be written. Make it writable, or set PLUMBLINE_STATE.")
    free_mb = shutil.disk_usage(state).free / 1e6
    if free_mb < project.settings.min_free_mb:
        raise disk_full(state, f"{free_mb:.0f} MB are free, {project.settings.min_free_mb:.0f} MB are needed")
    about = state / "run.json"
    lock = FileLock(state / "run.lock", is_singleton=True)
    _acquire(lock, state, about, wait_minutes=_patience(project, what, about))
    try:
        if lock.lock_counter == 1:
            entry = {
                "pid": os.getpid(),
                "run": what,
                "since": datetime.now(UTC).isoformat(timespec="seconds"),
            }
            about.write_text(json.dumps(entry), encoding="utf-8")
        yield
    finally:
        lock.release()


def _patience(project: Project, what: str, about: Path) -> float:
    """Minutes to wait for whoever holds the state folder."""
    if what.startswith(_LOOK) or _entry(about).get("run", "").startswith(_LOOK):
        return max(project.settings.busy_wait_minutes, _LOOK_MINUTES)
    return project.settings.busy_wait_minutes


def _acquire(lock: BaseFileLock, state: Path, about: Path, *, wait_minutes: float) -> None:
    with suppress(Timeout):
        lock.acquire(timeout=0)
        return
    if wait_minutes:
        click.echo(f"waiting up to {wait_minutes:g} minutes: {_holder(about)} is using {state}", err=True)
    try:
        lock.acquire(timeout=wait_minutes * 60, poll_interval=_POLL_SECONDS)
    except Timeout:
        still = f"still using it after {wait_minutes:g} minutes" if wait_minutes else "using it"
        raise StateError(
            f"state folder {state}: {_holder(about)} is {still}. Wait for it (busy_wait_minutes in params.yaml), or "
            "set PLUMBLINE_STATE."
        ) from None


def end_left_over_servers(project: Project) -> None:
    """End the Prefect servers that runs of this state folder started and, being killed, could not end themselves.

    A server is ours when it inherited our state folder and the number of a run that is no more.
    """
    import psutil

    home = str(project.state / "prefect")
    for process in psutil.process_iter():
        try:
            inherited = process.environ()
            ours = inherited.get("PREFECT_HOME") == home and "flows.own_server" in process.cmdline()
            run = int(inherited.get("PLUMBLINE_RUN", "0"))
            if ours and run and not psutil.pid_exists(run):
                process.terminate()
        except (psutil.Error, ValueError):
            continue  # it has ended meanwhile, or is somebody else's


def _holder(about: Path) -> str:
    entry = _entry(about)
    told = "({run}, process {pid}, since {since})".format_map(entry) if entry else ""
    return f"another run {told}".rstrip()


def _entry(about: Path) -> dict[str, str]:
    """Who holds the state folder, or held it last; empty where nobody has said."""
    try:
        entry = json.loads(about.read_text(encoding="utf-8"))
        return {name: str(entry[name]) for name in ("run", "pid", "since")}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def disk_full(state: Path, detail: str) -> StateError:
    """The error of a disk without room."""
    return StateError(
        f"state folder {state}: the disk is full ({detail}). Free some room and run the same command again; "
        "what serves is unchanged."
    )


def is_disk_full(problem: BaseException, state: Path) -> bool:
    """Does an error, ours or a vendor's, or what caused it, say that the disk is full? Or is it, whatever it says?"""
    with suppress(OSError):
        if shutil.disk_usage(state).free < FULL_BYTES:
            return True
    seen: BaseException | None = problem
    while seen is not None:
        words = str(seen).lower()
        if getattr(seen, "errno", None) == errno.ENOSPC or "no space left" in words or "disk is full" in words:
            return True
        seen = seen.__cause__ or seen.__context__
    return False
