"""The fault server for Python: started in a process of its own, changed and counted, and surely ended."""

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faults.counting import Tally
from faults.picking import CHAT
from faults.settings import Settings, SettingsError, parse_settings

END_SECONDS = 5.0  # it ends in a tenth of one; then it is killed

# no proxy of the environment stands between two processes of one machine
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A fault server that answers at `url`. pid: of its process."""

    url: str
    pid: int

    @property
    def base_url(self) -> str:
        """What a client of the OpenAI API takes as its base URL."""
        return f"{self.url}/v1"

    def settings(self) -> Settings:
        """The settings that hold now."""
        return parse_settings(self._ask("GET", "/control"))

    def set(self, **settings: Any) -> None:
        """Let these settings hold; all others have their defaults. Raises SettingsError."""
        self._ask("PUT", "/control", parse_settings(settings).model_dump())

    def change(self, **settings: Any) -> None:
        """Let these settings hold and keep all others. Raises SettingsError."""
        self.set(**{**self.settings().model_dump(), **settings})

    def reset(self) -> None:
        """Counts and clock to zero; files and batches are forgotten. The settings stay."""
        self._ask("POST", "/control/reset")

    def calls(self, path: str = CHAT) -> Tally:
        """The counts of one path since the last reset."""
        return self.all_calls().get(path, Tally())

    def all_calls(self) -> dict[str, Tally]:
        """The counts of each path that was called since the last reset."""
        return {path: Tally(**row) for path, row in self._ask("GET", "/control/calls")["paths"].items()}

    def _ask(self, method: str, path: str, content: dict[str, Any] | None = None) -> Any:
        body = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(f"{self.url}{path}", data=body, method=method)
        with _OPENER.open(request, timeout=30) as reply:
            return json.load(reply)


@contextmanager
def running(**settings: Any) -> Iterator[RunningServer]:
    """A fault server on a free port, with these settings (those of `/control`), until the block ends.

    It ends also when this process is killed. Raises SettingsError.
    """
    wanted = parse_settings(settings)
    command = [sys.executable, "-m", "faults", "--port", "0", "--while-stdin-is-open"]
    root = Path(__file__).parents[1]  # where the package is, also in a process that has it from elsewhere
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://[0-9.:]+", process.stdout.readline())
            if found is None:
                raise SettingsError("the fault server did not start; what it said stands above.")
            server = RunningServer(found[0], process.pid)
            server.set(**wanted.model_dump())
            yield server
        finally:
            process.terminate()
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
