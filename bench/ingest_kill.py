"""Does an ingest that is killed at any moment lose, double or show anything half?

    python -m bench.ingest_kill [--kills 50] [--commands 5] [--documents DIR] [--seed 7] [--json]

Three states of a corpus follow each other: v1, v2 (edits, additions, renames, copies, deletions, broken files) and v2
under another splitter. In each step a run is killed with -9, every second time without its workers, at a random moment
of a random stage; then one whole run follows, and the index must be that of a fresh build, and the quarantine as well.
`--commands` of the kills hit the command `plumbline ingest` at any moment; the others its steps without Prefect.
A reader opens the version that serves, and the newest, all the while: each must be one whole state.
Exit status 1 when anything failed.
"""

import argparse
import json
import logging
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from bench import killed_ingest as world
from bench.killed_ingest import COLLECTION, Rows, State, connections_of
from flows.vendors import quiet_vendors

ROOT = Path(__file__).parents[1]
PLUMBLINE = str(Path(sys.executable).parent / "plumbline")
SPAWN = multiprocessing.get_context("spawn")
LEAVES_SECONDS = 20  # so long the workers of a killed run may take to see that nobody is there


@dataclass(frozen=True, slots=True)
class Expected:
    """What the index and the quarantine hold in a state, and how long each stage takes to get there."""

    rows: Rows
    whole: tuple[int, str]
    kept_out: tuple[str, ...]
    seconds: dict[str, float]


@dataclass(slots=True)
class Found:
    """Kills by the stage that was reached, and everything that was wrong."""

    kills: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    reads: int = 0


class Runner:
    """A run in a process of its own, imported and waiting for its word."""

    def __init__(self, folder: Path):
        self.pipe, theirs = SPAWN.Pipe()
        self.process = SPAWN.Process(target=world.run_when_told, args=(folder, theirs))
        self.process.start()
        theirs.close()

    def kill_in(self, stage: str, wait_seconds: float, *, whole_group: bool) -> tuple[str, list[psutil.Process]]:
        """Let it run, kill it so long after the beginning of a stage; the stage it was in, and its workers."""
        self.pipe.recv()
        self.pipe.send("go")
        reached = ""
        with suppress(EOFError):
            while reached not in (stage, "done"):
                reached = self.pipe.recv()
            time.sleep(wait_seconds)
            while self.pipe.poll():
                reached = self.pipe.recv()
        workers = []
        if self.process.is_alive():
            workers = psutil.Process(self.process.pid).children(recursive=True)
            _kill(self.process.pid, whole_group=whole_group)
        self.process.join()
        return reached, workers


def _kill(pid: int | None, *, whole_group: bool) -> None:
    assert pid
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL) if whole_group else os.kill(pid, signal.SIGKILL)


def kill_command(folder: Path, wait_seconds: float) -> str:
    """Kill `plumbline ingest` and all it has started."""
    command = [PLUMBLINE, "ingest", "--collection", COLLECTION]
    environment = {**os.environ, "PLUMBLINE_STATE": str(folder / "state")}
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=quiet, stderr=quiet, start_new_session=True)
    with suppress(subprocess.TimeoutExpired):
        process.wait(wait_seconds)
    ended = process.poll()
    _kill(process.pid, whole_group=True)
    process.wait()
    return "command" if ended is None else f"command, ended with {ended}"


def whole_run(folder: Path, state: State, *, place: str = "state") -> Expected:
    """One run that nobody kills, and what it left."""
    world.enter(state, folder)
    told: list[str] = []
    connections, watch = connections_of(folder, place), world.TellingStopwatch(told.append)
    collection = world.ingest_once(connections, watch)
    kept_out = tuple(entry.rejected.doc_id for entry in connections.history.quarantined(COLLECTION))
    whole = (collection.count_chunks(), collection.content_digest())
    if place == "state":
        world.serve(connections, collection)
    seconds = {stage: watch.seconds[stage] for stage in told}
    if "start workers" in seconds:
        seconds["start workers"] += watch.seconds["parse"] + watch.seconds["split"]  # until the first rows are there
    return Expected(world.rows_of(collection), whole, kept_out, seconds)


def expect(folder: Path, states: tuple[State, ...], found: Found) -> dict[str, Expected]:
    """Go once through all states without a kill, and hold each against a fresh build."""
    expected: dict[str, Expected] = {}
    before: Rows = {}
    for state in (*states, states[0]):
        expected[state.name] = after = whole_run(folder, state)
        fresh = whole_run(folder, state, place=f"fresh {len(expected)}")
        kept = {name: row for name, row in before.items() if row["doc_id"] in after.kept_out}
        found.failures += [f"{state.name}: {line}" for line in world.differences(after.rows, fresh.rows | kept)]
        if fresh.kept_out != after.kept_out:
            found.failures.append(f"{state.name}: quarantine {after.kept_out}, fresh {fresh.kept_out}")
        before = after.rows
    return expected


def look(folder: Path, state: State, expected: Expected, found: Found, *, label: str) -> None:
    """After a kill: one whole run, and everything as it should be."""
    after = whole_run(folder, state)
    found.failures += [f"{label}: {line}" for line in world.differences(after.rows, expected.rows)]
    if after.kept_out != expected.kept_out:
        found.failures.append(f"{label}: quarantine {after.kept_out} instead of {expected.kept_out}")


def kill_all(
    folder: Path, states: tuple[State, ...], *, kills: int, commands: int, rng: random.Random, found: Found
) -> None:
    """Go from state to state, each time with a kill first."""
    expected = expect(folder, states, found)
    reader = Reader(folder)
    command_seconds = _command_seconds(folder) if commands else 0.0
    runner = Runner(folder)
    for number in range(kills):
        state = states[(number + 1) % len(states)]
        wanted = expected[state.name]
        world.enter(state, folder)
        if number < commands:
            reached = kill_command(folder, rng.uniform(0, command_seconds))
        else:
            stage = rng.choice(sorted(wanted.seconds))
            moment = rng.uniform(0, wanted.seconds[stage])
            reached, workers = runner.kill_in(stage, moment, whole_group=number % 2 == 0)
            found.failures += _still_there(workers, f"kill {number}")
            runner = Runner(folder)
        found.kills[reached] += 1
        look(folder, state, wanted, found, label=f"kill {number}, in {reached}, to {state.name}")
        print(f"kill {number + 1} of {kills}: in {reached}; {len(found.failures)} failures", file=sys.stderr)
    runner.process.kill()
    runner.process.join()
    reader.end(found, {each.whole for each in expected.values()})


def _command_seconds(folder: Path) -> float:
    """How long the whole command takes: the kills fall into that time."""
    started = time.perf_counter()
    command = [PLUMBLINE, "ingest", "--collection", COLLECTION, "--source", str(folder / "docs")]
    environment = {**os.environ, "PLUMBLINE_STATE": str(folder / "state")}
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    return time.perf_counter() - started


def _still_there(workers: list[psutil.Process], label: str) -> list[str]:
    _, alive = psutil.wait_procs(workers, timeout=LEAVES_SECONDS)
    left = [f"{label}: process {each.pid} outlived its run" for each in alive if each.status() != psutil.STATUS_ZOMBIE]
    for each in alive:
        with suppress(psutil.Error):
            each.kill()
    return left


class Reader:
    """Who reads all the while, in a process of its own."""

    def __init__(self, folder: Path):
        self._pipe, theirs = SPAWN.Pipe()
        self._stop = SPAWN.Event()
        self._process = SPAWN.Process(target=world.read_on, args=(folder, self._stop, theirs))
        self._process.start()
        theirs.close()

    def end(self, found: Found, wholes: set[tuple[int, str]]) -> None:
        """Let it end, and hold what it saw against the whole states."""
        self._stop.set()
        try:
            found.reads, seen = self._pipe.recv()
        except EOFError:
            self._process.join()
            found.failures.append(f"the reader ended with {self._process.exitcode}")
            return
        for (what, version), states in seen.items():
            if len(states) > 1 or not states <= wholes:
                found.failures.append(f"reader: version {version} ({what}) was seen as {sorted(states)}")
        self._process.join()


def run(*, kills: int, commands: int, documents: Path | None, seed: int) -> dict[str, Any]:
    """The whole proof, in a project of its own."""
    rng, found = random.Random(seed), Found()
    v1 = world.made_documents(rng)
    if documents:
        files = [path for path in sorted(documents.rglob("*.md")) if path.is_file()]
        v1 = {"_".join(path.relative_to(documents).parts): path.read_bytes() for path in files}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for content in ("knowledge", "evals"):
            shutil.copytree(ROOT / content, folder / content, ignore=shutil.ignore_patterns("__pycache__", "*.py"))
        shutil.copy(ROOT / "params.yaml", folder / "params.yaml")
        quiet_vendors(connections_of(folder).project)
        kill_all(folder, world.states_of(v1, rng), kills=kills, commands=commands, rng=rng, found=found)
    stages = dict(found.kills.most_common())
    return {"kills": kills, "documents": len(v1), "seed": seed, "kills_by_stage": stages} | {
        "reads": found.reads,
        "failures": found.failures,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--commands", type=int, default=5)
    parser.add_argument("--documents", type=Path)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    said = vars(parser.parse_args())
    as_json = said.pop("json")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    result = run(**said)
    if as_json:
        print(json.dumps(result))
    else:
        print(f"{result['kills']} kills, {result['documents']} documents, seed {result['seed']}")
        for stage, count in result["kills_by_stage"].items():
            print(f"  {stage:16} {count:4}")
        print(f"reads meanwhile    {result['reads']:4}\nfailures           {len(result['failures']):4}")
        print("".join(f"  {line}\n" for line in result["failures"]), end="")
    sys.exit(1 if result["failures"] else 0)


if __name__ == "__main__":
    main()
