"""The README is true, word for word: its commands run, and the night it shows is a night's own screen."""

import os
import re
import subprocess
import sys
from pathlib import Path

from checkout import ROOT, assert_quiet, copy_project

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```bash\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
NOT_RUN = ("make test", "mlflow ui")  # the suite itself; a server


def test_every_command_of_the_readme_runs(tmp_path: Path) -> None:
    checkout = copy_project(tmp_path)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv/bin").symlink_to(Path(sys.executable).parent)
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        (tmp_path / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / ".venv/.ready").touch()
    commands = [block for block in BLOCKS if not block.strip().startswith(NOT_RUN) and "mlflow ui" not in block]
    assert len(commands) >= 4
    script = "set -euo pipefail\n" + "\n".join(commands)
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env=checkout.environment(HOME=str(tmp_path / "home")),
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert_quiet(done.stderr)
    shown = re.search(r"^```text\n(Night .*?)^```", README, re.MULTILINE | re.DOTALL)
    assert shown is not None
    missing = [line for line in _lasting(shown[1]) if line not in _lasting(done.stdout)]
    assert missing == [], "the README shows another night than the one that runs"
    assert "within 30 days" in done.stdout
    assert "28 days" in done.stdout
    assert "The workshop opens at 7:30." in done.stdout


def test_every_command_the_readme_names_exists() -> None:
    named = set(re.findall(r"plumbline ([a-z]+)", README))
    help_text = subprocess.run(
        [str(Path(sys.executable).parent / "plumbline"), "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "200"},
    ).stdout
    existing = set(re.findall(r"^  ([a-z]+) ", help_text, re.MULTILINE))
    assert named == existing


def _lasting(screen: str) -> list[str]:
    """The lines of a night that are the same on every day and machine."""
    return [line for line in screen.splitlines() if not line.startswith(("Night", "Report", "MLflow"))]
