"""A copy of the project in a folder of its own, and commands run in it as a person would."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from prefect.settings import PREFECT_API_URL

from flows.cli import main
from flows.params import OWN_SERVER

OURS = ("PLUMBLINE", "MLFLOW", "PREFECT", "OPENAI", "MAKE", "MFLAGS")  # what would lead a command elsewhere
ROOT = Path(__file__).parents[2]
PLUMBLINE = str(Path(sys.executable).parent / "plumbline")


@dataclass(frozen=True)
class Screen:
    """What a command left: its exit status, stdout and stderr."""

    status: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Checkout:
    """A project folder with its own state."""

    folder: Path

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {**kept, "PATH": path, "COLUMNS": "120", **more}

    def run(self, *words: str, **more: str) -> Screen:
        """The command in this process: the same door, without the seconds of start-up."""
        out, err = io.StringIO(), io.StringIO()
        with (
            chdir(self.folder),
            patch.dict(os.environ, self.environment(**harness(), **more), clear=True),
            patch.object(sys, "argv", ["plumbline", *words]),
            warnings.catch_warnings(),
            _signals_kept(),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            try:
                main()
            except SystemExit as ending:
                return Screen(int(ending.code or 0), out.getvalue(), err.getvalue())

    def run_apart(self, *words: str, **more: str) -> Screen:
        """The command in a process of its own."""
        done = subprocess.run(
            [PLUMBLINE, *words],
            cwd=self.folder,
            env=self.environment(**more),
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        return Screen(done.returncode, done.stdout, done.stderr)

    def json(self, *words: str, status: int = 0, apart: bool = False) -> dict[str, Any]:
        """What a command prints with --json: exactly one object on stdout, and nothing ugly on stderr."""
        done = (self.run_apart if apart else self.run)(*words, "--json")
        assert done.status == status, done.stderr
        assert_quiet(done.stderr)
        content: dict[str, Any] = json.loads(done.stdout)
        return content

    def error(self, *words: str, **more: str) -> str:
        """The one line of a command that cannot run, after what it said on its way."""
        done = self.run(*words, **more)
        assert done.status == 2, done.stdout + done.stderr
        assert done.stdout == ""
        assert_quiet(done.stderr)
        *said, line = done.stderr.strip().splitlines()
        assert all(each.startswith(("ingest: ", "check: ", "evaluate: ", "baseline: ", "night ")) for each in said), (
            said
        )
        return line

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.folder / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")


def harness() -> dict[str, str]:
    """The server of the fixture `prefect`, where a test has it, as the run's own."""
    url = PREFECT_API_URL.value()
    return {"PREFECT_API_URL": str(url), OWN_SERVER: str(url)} if url else {}


@contextmanager
def _signals_kept() -> Iterator[None]:
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def assert_quiet(screen: str) -> None:
    for ugly in ("Traceback", "Warning", "WARN", "ERROR", "INFO", "telemetry", "\r"):
        assert ugly not in screen, screen


def copy_everything(folder: Path) -> Checkout:
    """The whole checkout, code included: a server that imports flows finds them in the folder it stands in."""
    listed = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    for name in subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return Checkout(folder)


def copy_project(folder: Path) -> Checkout:
    """Content and settings of this checkout; code is the installed one."""
    for name in ("knowledge", "evals"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.py"))
    shutil.copy(ROOT / "params.yaml", folder / "params.yaml")
    return Checkout(folder)
