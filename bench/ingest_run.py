"""One ingest as `plumbline ingest --source` runs it, in a process of its own that is watched from outside.

Everything the flow will import is imported first, so that what is timed is the flow's body, whatever its outcome.
"""

import json
import os
import subprocess
import sys
import time
import warnings
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import psutil

from bench.tree_clock import Spent, TreeClock
from flows.doors import load_flow
from flows.params import find_project
from flows.vendors import quiet_vendors

COLLECTION = "bench"
# what the flow imports late; the second part only where there are rows
IMPORTS = ("anyio._backends._asyncio", "prefect.artifacts", "prefect.task_engine")
OF_ROWS = (
    "great_expectations",
    "great_expectations.render.renderer",
    "great_expectations.render.view",
    "pebble",
    "wordllama",
)


@dataclass(frozen=True, slots=True)
class Run:
    """One ingest. seconds: of the flow's body, workers warm. startup_seconds: from the start of the process to the
    flow's first line, and the start of the workers."""

    seconds: float
    startup_seconds: float
    spent: Spent
    result: dict[str, Any]
    imported_in_body: tuple[str, ...]


def ingest(folder: Path, state: Path, *, parses: bool = True) -> Run:
    """Ingest a folder in a fresh process. parses: will there be anything to parse?"""
    asked = {"source": str(folder), "imports": [*IMPORTS, *(OF_ROWS if parses else ())]}
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.ingest_run", json.dumps(asked)],
        env={**os.environ, "PLUMBLINE_STATE": str(state)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    clock = TreeClock(process.pid)
    said, complaint = process.communicate()
    if process.returncode:
        raise SystemExit(f"bench.ingest: the flow failed\n{complaint[-4000:]}")
    told = json.loads(said.splitlines()[-1])
    started, began, ended = told["started"], told["began"], told["ended"]
    workers = told["result"]["stages"].get("start workers", 0.0)
    return Run(
        seconds=ended - began - workers,
        startup_seconds=began - started + workers,
        spent=clock.between(began, ended),
        result=told["result"],
        imported_in_body=tuple(told["imported"]),
    )


def main() -> None:
    asked = json.loads(sys.argv[1])
    warnings.simplefilter("ignore")
    project = find_project()
    quiet_vendors(project)
    load_flow(project, "ingest")
    for module in ("flows.ingest", *asked["imports"]):
        import_module(module)
    body = sys.modules["flows.ingest"].ingest.fn
    from prefect import flow

    moments = {}

    @flow(name="ingest")
    def timed() -> Any:
        had = set(sys.modules)
        moments["began"] = time.time()
        result = body(collection=COLLECTION, source=asked["source"], allow_mass_delete=True)
        moments["ended"] = time.time()
        moments["imported"] = sorted(set(sys.modules) - had)
        return result

    result = timed()
    started = psutil.Process().create_time()
    print(json.dumps({"started": started, **moments, "result": result.as_row()}, default=str))


if __name__ == "__main__":
    main()
