"""The servers that `plumbline up` left running, read from the state folder."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Server:
    """One process: `created` is its start as the operating system tells it, so a number used again is no server."""

    name: str
    pid: int
    created: float
    url: str | None = None

    @property
    def alive(self) -> bool:
        """Is it this very process that has the number now?"""
        import psutil

        try:
            process = psutil.Process(self.pid)
            return abs(process.create_time() - self.created) < 1 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False


def read_servers(state: Path) -> dict[str, Server]:
    """The servers that are running, by name."""
    try:
        rows = json.loads((state / "servers.json").read_text(encoding="utf-8"))
        found = [Server(**row) for row in rows]
    except (OSError, ValueError, TypeError):
        return {}
    return {each.name: each for each in found if each.alive}


def write_servers(state: Path, servers: dict[str, Server]) -> None:
    """Keep what runs, for `plumbline down` and for every later command."""
    path = state / "servers.json"
    if not servers:
        path.unlink(missing_ok=True)
        return
    aside = path.with_suffix(".new")
    aside.write_text(json.dumps([asdict(each) for each in servers.values()], indent=1), encoding="utf-8")
    aside.replace(path)
