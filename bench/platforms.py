"""How long until `make up` is ready, a deployed night from button to finished, and what the platforms take of it?

    python -m bench.platforms [--runs 3] [--json]

A copy of the checkout with a fresh state folder and servers of its own. Of each night after the first (servers warm)
the seconds are told by stage: what the worker and the start of the process take, Prefect's own share, MLflow's, DVC's
and the report's, beside the night's own work. Goals on 2 cores: up 40 s, night 90 s, platforms 15 s.
"""

import argparse
import json
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

ROOT = Path(__file__).parents[1]
PLUMBLINE = str(Path(sys.executable).parent / "plumbline")
GOALS = {"up": 40.0, "night": 90.0, "platforms": 15.0}
STAGES = {
    "mlflow": ("begin night", "name prompt", "hear people", "log ingest", "log check", "log evaluate", "log night"),
    "dvc": ("keep corpus", "take snapshot"),
    "report": ("report night",),
    "prefect": ("announce ingest", "announce check", "announce evaluate", "announce night"),
}


def copy_checkout(folder: Path, ports: tuple[int, int]) -> None:
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-z"], capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    settings = (folder / "params.yaml").read_text(encoding="utf-8")
    settings = settings.replace("4200", str(ports[0])).replace("5000", str(ports[1]))
    (folder / "params.yaml").write_text(settings, encoding="utf-8")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Api:
    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/api"

    def __call__(self, path: str, body: dict[str, Any] | None = None) -> Any:
        content = None if body is None else json.dumps(body).encode()
        with urlopen(Request(self.url + path, content, {"Content-Type": "application/json"}), timeout=30) as reply:
            return json.load(reply)


def run_night(api: Api) -> dict[str, float]:
    """Press the button, wait for the end, and part the seconds by stage."""
    night = api("/deployments/name/nightly/support")
    pressed = time.time()
    run = api(f"/deployments/{night['id']}/create_flow_run", {"parameters": {"new_night": True}})
    while (run := api(f"/flow_runs/{run['id']}"))["state"]["type"] not in ("COMPLETED", "FAILED", "CRASHED"):
        time.sleep(0.1)
    finished = time.time()
    if run["state"]["type"] != "COMPLETED":
        raise RuntimeError(f"the night ended {run['state']['name']}: {run['state'].get('message')}")
    states = {each["name"]: _moment(each["timestamp"]) for each in api(f"/flow_run_states/?flow_run_id={run['id']}")}
    tasks = _tasks(api, run["id"])
    running = _moment(run["end_time"]) - _moment(run["start_time"])
    seconds = {
        "worker": states.get("Pending", states["Running"]) - pressed,
        "process start": states["Running"] - states.get("Pending", states["Running"]),
        **{stage: sum(tasks.get(name, 0.0) for name in names) for stage, names in STAGES.items()},
    }
    known = {name for names in STAGES.values() for name in names}
    work = sum(seconds_ for name, seconds_ in tasks.items() if name not in known)
    seconds["prefect"] += running - sum(tasks.values())  # what is in no task is Prefect's own
    return {"total": finished - pressed, "work": work, **seconds}


def _tasks(api: Api, run_id: str) -> dict[str, float]:
    """Seconds of every task of a run and of its subflows, by the name of the task."""
    subflows = [
        each["id"] for each in api("/flow_runs/filter", {"flow_runs": {"parent_flow_run_id": {"any_": [run_id]}}})
    ]
    found: dict[str, float] = {}
    for each in api("/task_runs/filter", {"flow_runs": {"id": {"any_": [run_id, *subflows]}}, "limit": 200}):
        if each["id"] and not each.get("state", {}).get("state_details", {}).get("child_flow_run_id"):
            found[each["name"]] = found.get(each["name"], 0.0) + each["total_run_time"]
    return found


def _moment(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def measure(runs: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as place:
        folder, ports = Path(place), (free_port(), free_port())
        copy_checkout(folder, ports)
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("PLUMBLINE", "PREFECT"))
        }
        ups, nights = [], []
        try:
            for _ in range(runs):
                started = time.perf_counter()
                subprocess.run([PLUMBLINE, "up"], cwd=folder, env=environment, check=True, capture_output=True)
                ups.append(time.perf_counter() - started)
                nights.append(run_night(Api(ports[0])))
                nights.append(run_night(Api(ports[0])))
                subprocess.run([PLUMBLINE, "down"], cwd=folder, env=environment, check=True, capture_output=True)
        finally:
            subprocess.run([PLUMBLINE, "down"], cwd=folder, env=environment, check=False, capture_output=True)
    first, later = nights[0], nights[1:]
    warm = {name: round(statistics.median(night[name] for night in later), 2) for name in first}
    return {
        "runs": runs,
        "up_seconds": {"median": round(statistics.median(ups), 1), "all": [round(each, 1) for each in ups]},
        "first_night_seconds": {name: round(value, 2) for name, value in first.items()},
        "night_seconds": warm,
        "platforms_seconds": round(sum(warm[stage] for stage in STAGES), 2),
        "goal_seconds": GOALS,
        "machine": {"cores": os.cpu_count(), "python": platform.python_version()},
        "versions": {name: version(name) for name in ("prefect", "mlflow", "dvc", "pylance")},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true", dest="as_json")
    arguments = parser.parse_args()
    found = measure(arguments.runs)
    if arguments.as_json:
        print(json.dumps(found))
        return
    print(
        f"make up ready           {found['up_seconds']['median']:6.1f} s   goal {GOALS['up']:.0f}"
        f"   {found['up_seconds']['all']}"
    )
    for label, night in (("first", found["first_night_seconds"]), ("next", found["night_seconds"])):
        print(f"{label} night, from button {night['total']:6.1f} s   goal {GOALS['night']:.0f}")
        for stage in ("worker", "process start", "work", *STAGES):
            print(f"    {stage:<19} {night[stage]:6.2f} s")
    taken = f"platforms, servers warm {found['platforms_seconds']:6.1f} s   goal {GOALS['platforms']:.0f}"
    print(f"{taken}   (prefect, mlflow, dvc, report)")
    print(f"{found['runs']} runs, {found['machine']}, {found['versions']}")


if __name__ == "__main__":
    main()
