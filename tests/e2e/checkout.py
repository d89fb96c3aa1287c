"""A copy of the project in a folder of its own, and commands run in it as a person would."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Checkout:
    """A project folder with its own state."""

    folder: Path

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PLUMBLINE", "MLFLOW"))}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {**kept, "PATH": path, "COLUMNS": "120", **more}

    def run(self, *words: str, timeout: float = 300, **more: str) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).parent / "plumbline"), *words]
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment(**more),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def json(self, *words: str, status: int = 0) -> dict[str, Any]:
        """What a command prints with --json: exactly one object on stdout, and nothing ugly on stderr."""
        done = self.run(*words, "--json")
        assert done.returncode == status, done.stderr
        assert_quiet(done.stderr)
        content: dict[str, Any] = json.loads(done.stdout)
        return content

    def error(self, *words: str, **more: str) -> str:
        """The one line of a command that cannot run."""
        done = self.run(*words, **more)
        assert done.returncode == 2, done.stdout + done.stderr
        assert done.stdout == ""
        lines = done.stderr.strip().splitlines()
        assert len(lines) == 1, done.stderr
        return lines[0]

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.folder / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")


def assert_quiet(screen: str) -> None:
    for ugly in ("Traceback", "Warning", "WARN", "ERROR", "INFO", "telemetry", "\r"):
        assert ugly not in screen, screen


def copy_project(folder: Path) -> Checkout:
    """Content and settings of this checkout; code is the installed one."""
    for name in ("knowledge", "evals"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.py"))
    shutil.copy(ROOT / "params.yaml", folder / "params.yaml")
    return Checkout(folder)
