"""Git: which commit is checked out."""

import subprocess
from pathlib import Path


def git_revision(folder: Path) -> str | None:
    """The commit that is checked out; None outside a git checkout."""
    command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
