"""How long is a night? First, read again, and next, beside an empty Prefect flow in the same state folders.

    python -m bench.nights [--runs 3] [--json]

Every run has a fresh state folder. Goals: first night 60 s, next night 30 s, on 2 cores.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

PLUMBLINE = str(Path(sys.executable).parent / "plumbline")
EMPTY_FLOW = (
    "from flows.params import find_project; from flows.vendors import quiet_vendors; quiet_vendors(find_project());"
    "from prefect import flow; flow(lambda: None, name='empty')()"
)
STEPS = {
    "empty_flow_first": [sys.executable, "-c", EMPTY_FLOW],
    "first_night": [PLUMBLINE, "nightly", "--night", "2026-11-02", "--report-only", "--json"],
    "read_again": [PLUMBLINE, "nightly", "--night", "2026-11-02", "--report-only", "--json"],
    "empty_flow_next": [sys.executable, "-c", EMPTY_FLOW],
    "next_night": [PLUMBLINE, "nightly", "--night", "2026-11-03", "--report-only", "--json"],
}
GOALS = {"first_night": 60.0, "next_night": 30.0}


def timed(command: list[str], state: str) -> float:
    started = time.perf_counter()
    environment = {**os.environ, "PLUMBLINE_STATE": state}
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return time.perf_counter() - started


def measure(runs: int) -> dict[str, object]:
    seconds: dict[str, list[float]] = {name: [] for name in STEPS}
    for _ in range(runs):
        # the empty flow has a folder of its own, so that it does not do the first night's set-up of databases
        with tempfile.TemporaryDirectory() as state, tempfile.TemporaryDirectory() as empty:
            for name, command in STEPS.items():
                seconds[name].append(timed(command, empty if name.startswith("empty") else state))
    medians = {name: round(statistics.median(values), 1) for name, values in seconds.items()}
    return {
        "runs": runs,
        "median_seconds": medians,
        "all_seconds": {name: [round(value, 1) for value in values] for name, values in seconds.items()},
        "goal_seconds": GOALS,
        "next_night_over_empty_flow": round(medians["next_night"] / medians["empty_flow_next"], 2),
        "machine": {"cores": os.cpu_count(), "python": platform.python_version()},
        "versions": {name: version(name) for name in ("prefect", "mlflow", "pylance", "unstructured")},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = measure(arguments.runs)
    if arguments.json:
        print(json.dumps(found))
        return
    medians, every = found["median_seconds"], found["all_seconds"]
    assert isinstance(medians, dict)
    assert isinstance(every, dict)
    print(f"{'step':<18}{'median s':>9}{'goal s':>8}   all runs")
    for name, median in medians.items():
        print(f"{name:<18}{median:>9.1f}{GOALS.get(name, ''):>8}   {every[name]}")
    print(f"next night / empty flow: {found['next_night_over_empty_flow']}   {found['versions']}")


if __name__ == "__main__":
    main()
