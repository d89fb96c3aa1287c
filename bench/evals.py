"""How fast is an evaluation, and is a call ever paid twice? Calls and clock are the server's.

    python -m bench.evals [--cases 200] [--latency-seconds 0.5] [--concurrency 32] [--runs 3] [--json]
    python -m bench.evals --faults --timeout-seconds 5
    python -m bench.evals --kills 20 --cases 400
    python -m bench.evals --budget-usd 0.05

Each case goes through the whole `support` manifest in a real `plumbline evaluate`: screen, retrieve, assemble, answer,
check, judge, grade, store. `limit_seconds` is calls x latency / concurrency; `seconds` is from the first call at the
server to the last result in the state database. Beside each run the same requests go through a bare AsyncOpenAI loop.
`--kills` runs nights, kills each with -9 at a random moment and starts it again; `--budget-usd` holds the run to a
budget.
"""

import argparse
import json
import os
import platform
import random
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from bench.cpu_clock import CpuClock
from faults.running import RunningServer, running

ROOT = Path(__file__).parents[1]
PLUMBLINE = str(Path(sys.executable).parent / "plumbline")
MODEL = "openai/gpt-4.1-mini"
KILLED_WITHIN_SECONDS = 1.2  # of its first call, so that twenty kills leave something to do
PRICE = {"input": 0.40, "output": 1.60}  # of that model, as the public list has it


@dataclass(frozen=True, slots=True)
class Project:
    """A project folder with the sample's documents, whose assistant asks the server."""

    folder: Path
    base_url: str

    def run(self, *words: str) -> "subprocess.Popen[str]":
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("PLUMBLINE", "PREFECT", "MLFLOW"))
        }
        environment |= {"OPENAI_BASE_URL": self.base_url, "OPENAI_API_KEY": "bench"}
        return subprocess.Popen(
            [PLUMBLINE, *words],
            cwd=self.folder,
            env=environment,
            text=True,
            stdout=(self.folder / "stdout.txt").open("w"),
            stderr=(self.folder / "stderr.txt").open("w"),
        )

    def done(self, process: "subprocess.Popen[str]") -> dict[str, Any]:
        status = process.wait()
        if status not in (0, 1):
            raise SystemExit((self.folder / "stderr.txt").read_text())
        content: dict[str, Any] = json.loads((self.folder / "stdout.txt").read_text())
        return content

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.folder / "state" / "plumbline.db")) as connection:
            return connection.execute(sql).fetchall()


@contextmanager
def project(arguments: argparse.Namespace, base_url: str) -> Iterator[Project]:
    """The sample with `--cases` cases, ingested and served."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("knowledge", "evals"):
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", "*.py"))
        write_settings(folder, arguments)
        write_suite(folder, arguments.cases)
        found = Project(folder, base_url)
        for command in ("ingest", "check"):
            found.done(found.run(command, "--json"))
        yield found


def write_settings(folder: Path, arguments: argparse.Namespace) -> None:
    settings = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    models = settings.setdefault("models", {})
    models["providers"] = {"openai": {"concurrency": arguments.concurrency}}
    models["timeouts"] = {**(models.get("timeouts") or {}), "total_seconds": arguments.timeout_seconds}
    if arguments.budget_usd is not None:
        settings["budgets"] = {"run": {"cost_usd": arguments.budget_usd}}
    (folder / "params.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    path = folder / "knowledge/manifests/support.yaml"
    manifest = yaml.safe_load(path.read_text(encoding="utf-8"))
    manifest |= {"route": [MODEL], "suites": ["bench"], "judge": {"name": "correctness", "route": [MODEL]}}
    path.write_text(yaml.safe_dump(manifest), encoding="utf-8")


def write_suite(folder: Path, number: int) -> None:
    """Cases that reach the model, each with a question of its own so that no two requests are equal."""
    cases = [
        case
        for path in sorted((ROOT / "evals/suites").glob("*.yaml"))
        for case in yaml.safe_load(path.read_text(encoding="utf-8"))["cases"]
        if case["kind"] in ("answerable", "unanswerable")
    ]
    made = []
    for place in range(number):
        case = dict(cases[place % len(cases)])
        made.append({**case, "id": f"{case['id']}-{place}", "question": f"Ticket {place}: {case['question']}"})
    text = yaml.safe_dump({"suite": "bench", "cases": made})
    (folder / "evals/suites/bench.yaml").write_text(text, encoding="utf-8")


def evaluate_once(found: Project, server: RunningServer, arguments: argparse.Namespace) -> dict[str, Any]:
    """One evaluation, timed at the server."""
    server.reset()
    started = time.time()
    process = found.run("evaluate", "--json")
    clock = CpuClock(process.pid)
    said = found.done(process)
    ended = time.time()
    calls = server.calls()
    ((last,),) = found.query(f"select max(recorded_at) from result where night = '{said['night']}'")
    last_result = datetime.fromisoformat(last).replace(tzinfo=UTC).timestamp()
    seconds = last_result - calls.first_received_at
    right = 2 * arguments.cases  # what has to be bought, whatever is tried again
    limit = right * arguments.latency_seconds / arguments.concurrency
    return {
        "calls": calls.received,
        "seconds": round(seconds, 2),
        "limit_seconds": round(limit, 3),
        "ratio": round(seconds / limit, 2),
        "whole_process_ratio": round((ended - started) / limit, 2),
        "startup_seconds": round(calls.first_received_at - started, 1),
        "cpu_ms_per_call": round(1000 * clock.between(calls.first_received_at, last_result) / calls.received, 2),
        "scored": said["scores"]["all"]["cases"],
        "missing": len(said["missing"]),
        "in_flight_most": calls.in_flight_most,
        "repeated": calls.repeated,
        "by_status": calls.by_status,
        "cost_usd_server": round(calls.cost_usd, 6),
        "cost_usd_ledger": round(said["cost_usd"], 6),
    }


BARE_LOOP = """
import asyncio, json, sys
from openai import AsyncOpenAI

requests = json.load(open(sys.argv[1]))

async def main():
    client = AsyncOpenAI(base_url=sys.argv[2], api_key="bench", max_retries=0)
    slots = asyncio.Semaphore(int(sys.argv[3]))

    async def one(messages):
        async with slots:
            await client.chat.completions.create(model="gpt-4.1-mini", messages=messages, max_completion_tokens=800)

    await asyncio.gather(*(one(messages) for messages in requests))

asyncio.run(main())
"""


def bare_once(found: Project, server: RunningServer, arguments: argparse.Namespace) -> float:
    """Seconds of the same requests through a bare AsyncOpenAI loop, from the first call to the last reply."""
    rows = found.query(
        f"select request from ledger where status = 'settled' order by id desc limit {2 * arguments.cases}"
    )
    path = found.folder / "requests.json"
    path.write_text(json.dumps([json.loads(request)["messages"] for (request,) in rows]), encoding="utf-8")
    server.reset()
    command = [sys.executable, "-c", BARE_LOOP, str(path), found.base_url, str(arguments.concurrency)]
    subprocess.run(command, check=True)
    calls = server.calls()
    return calls.last_answered_at - calls.first_received_at


def kill_nights(found: Project, server: RunningServer, arguments: argparse.Namespace) -> dict[str, Any]:
    """Nights that are killed with -9 at a random moment of their calls, and started again until they are finished."""
    chance = random.Random(arguments.seed)
    server.reset()
    in_flight: list[int] = []
    for _ in range(arguments.kills):
        before = server.calls().received
        process = found.run("nightly", "--night", "2026-11-02", "--report-only", "--json")
        while process.poll() is None and server.calls().received == before:
            time.sleep(0.01)
        time.sleep(chance.uniform(0, KILLED_WITHIN_SECONDS))
        if process.poll() is not None:
            raise SystemExit("the night ended before it was killed: " + (found.folder / "stderr.txt").read_text())
        in_flight.append(server.calls().in_flight)
        process.send_signal(signal.SIGKILL)
        process.wait()
    said = found.done(found.run("nightly", "--night", "2026-11-02", "--report-only", "--json"))
    calls = server.calls()
    rows = dict(found.query("select status, count(*) from ledger group by status"))
    return {
        "kills": arguments.kills,
        "calls": calls.received,
        "needed": calls.distinct,
        "repeated": calls.received - calls.distinct,
        "in_flight_at_the_kills": sum(in_flight),
        "end_not_recorded": rows.get("unknown", 0),
        "most_in_flight_at_a_kill": max(in_flight, default=0),
        "scored": said["evaluate"]["scores"]["all"]["cases"],
        "ledger": rows,
    }


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    settings = {
        "latency_seconds": arguments.latency_seconds,
        "faults": "bad-night" if arguments.faults else [],
        "behaviours": {"usd_per_million": PRICE},
    }
    with running(**settings) as server, project(arguments, arguments.base_url or server.base_url) as found:
        if arguments.kills:
            figures = kill_nights(found, server, arguments)
        else:
            runs, bare = [], []
            for _ in range(arguments.runs):
                runs.append(evaluate_once(found, server, arguments))
                if not arguments.faults and arguments.budget_usd is None:
                    bare.append(bare_once(found, server, arguments))
            figures = middle(runs)
            if bare:
                ratios = [round(seconds / figures["limit_seconds"], 2) for seconds in bare]
                figures |= {"bare_loop_ratios": ratios, "bare_loop_ratio": statistics.median_low(ratios)}
    return {
        **figures,
        "settings": {
            name: getattr(arguments, name)
            for name in ("cases", "latency_seconds", "concurrency", "timeout_seconds", "faults", "seed")
        },
        "machine": {"cores": os.cpu_count(), "python": platform.python_version()},
        "versions": {name: version(name) for name in ("openai", "pylance", "prefect", "sqlalchemy")},
    }


def middle(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The run with the median time, and every run's ratio."""
    median = statistics.median_low(run["seconds"] for run in runs)
    chosen = next(run for run in runs if run["seconds"] == median)
    return {**chosen, "all_ratios": [run["ratio"] for run in runs], "all_seconds": [run["seconds"] for run in runs]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--latency-seconds", type=float, default=0.5)
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--timeout-seconds", type=float, default=120.0)
    parser.add_argument("--faults", action="store_true", help="10 %% 429 (Retry-After 1), 5 %% 500, 1 %% hang")
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--budget-usd", type=float)
    parser.add_argument("--base-url", help="another fault server's; by default one is started")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=20261121)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = measure(arguments)
    if arguments.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:<26}{value}")


if __name__ == "__main__":
    main()
