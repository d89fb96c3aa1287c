"""What does an ingest cost beside bare parsing? Full, with nothing to do, and after a change: the flow `ingest`.

    python -m bench.ingest --documents DIR [--changed DIR2] [--changes FILE.tsv] [--runs 3] [--json]

DIR and DIR2 are folders or .tar.gz files. Every run has a fresh state folder, and every ingest a process of its own.
seconds: the flow's body, workers warm. The reference is unstructured alone, parse and split in two processes, on the
documents that the phase must parse (`noop`: on all), before and after each of our runs. peak_mb: PSS of all processes.
With --changes (git's name-status) the plan and the index after the change are proven right; exit 1 where they are not.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from bench.bare_parse import Bare, BareParser, mean
from bench.ingest_run import Run, ingest
from bench.ingest_truth import prove
from knowledge.digest import file_sha

GOALS = {"full": 1.35, "noop": 0.05, "change": 1.5}
NOOP_MB = 600.0


@dataclass(frozen=True, slots=True)
class Phase:
    """One ingest of one run with its reference."""

    ours: Run
    bare: Bare


def unpack(given: Path, place: Path) -> Path:
    """The folder of documents, unpacked when it is an archive."""
    if given.is_dir():
        return given.resolve()
    with tarfile.open(given) as archive:
        archive.extractall(place, filter="data")
    return place


def files_of(folder: Path) -> dict[str, str]:
    """Digest of every file by its name."""
    return {str(path.relative_to(folder)): file_sha(str(path)) for path in sorted(folder.rglob("*")) if path.is_file()}


def to_parse(before: Path, after: Path) -> list[Path]:
    """The files of `after` whose content is in no file of `before`."""
    known = set(files_of(before).values())
    return [after / name for name, sha in files_of(after).items() if sha not in known]


def put(documents: Path, place: Path) -> None:
    """Let the source hold these documents; its address stays."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(documents, place)


def run(first: Path, second: Path | None, place: Path, bare: BareParser) -> dict[str, Phase]:
    """One run in a fresh state folder, each of ours between two of the reference: the machine's speed wanders."""
    state, source = place / "state", place / "documents"
    put(first, source)
    every = sorted(path for path in first.rglob("*") if path.is_file())
    before, full, after = bare.parse(every), ingest(source, state), bare.parse(every)
    found = {"full": Phase(full, mean(before, after))}
    found["noop"] = Phase(ingest(source, state, parses=False), mean(after, bare.parse(every)))
    if second:
        share = to_parse(first, second)
        put(second, source)
        before, ours, after = bare.parse(share), ingest(source, state), bare.parse(share)
        found["change"] = Phase(ours, mean(before, after))
    return found


def figures(name: str, phases: Sequence[Phase]) -> dict[str, object]:
    """Medians of one phase over the runs."""

    def median(values: Sequence[float]) -> float:
        return round(statistics.median(values), 3)

    ours, bare = [each.ours for each in phases], [each.bare for each in phases]
    stages = {stage for each in ours for stage in each.result["stages"]}
    last = ours[-1].result
    return {
        "seconds": median([each.seconds for each in ours]),
        "reference_seconds": median([each.seconds for each in bare]),
        "ratio": median([each.ours.seconds / each.bare.seconds for each in phases]),
        "goal_ratio": GOALS[name],
        "cpu_seconds": median([each.spent.cpu_seconds for each in ours]),
        "reference_cpu_seconds": median([each.cpu_seconds for each in bare]),
        "cpu_ratio": median([each.ours.spent.cpu_seconds / each.bare.cpu_seconds for each in phases]),
        "documents": sum(count for change, count in last["documents"].items() if change != "deleted"),
        "changes": last["documents"],
        "chunks": last["chunks"],
        "texts_embedded": last["texts_embedded"],
        "stages": {stage: median([each.result["stages"].get(stage, 0.0) for each in ours]) for stage in sorted(stages)},
        "peak_mb": median([each.spent.peak_mb for each in ours]),
        "startup_seconds": median([each.startup_seconds for each in ours]),
        "imported_in_body": len(ours[-1].imported_in_body),
        "all_seconds": [round(each.seconds, 2) for each in ours],
        "all_reference_seconds": [round(each.seconds, 2) for each in bare],
    }


def measure(first: Path, second: Path | None, runs: int) -> dict[str, object]:
    """All runs."""
    every = []
    with BareParser() as bare:
        for _ in range(runs):
            with tempfile.TemporaryDirectory() as place:
                every.append(run(first, second, Path(place), bare))
    found: dict[str, object] = {name: figures(name, [each[name] for each in every]) for name in every[0]}
    startups = [phase.ours.startup_seconds for each in every for phase in each.values()]
    return {
        **found,
        "startup_seconds": round(statistics.median(startups), 2),
        "runs": runs,
        "goals": {"ratio": GOALS, "noop_peak_mb": NOOP_MB},
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "load": os.getloadavg()},
        "versions": {name: version(name) for name in ("prefect", "mlflow", "pylance", "unstructured", "wordllama")},
    }


def print_table(found: dict[str, object]) -> None:
    if "runs" in found:
        heads = ("seconds", "bare", "ratio", "goal", "cpu s", "cpu x", "peak MB", "start s")
        print(f"{'phase':<8}" + "".join(f"{head:>9}" for head in heads))
    for name in GOALS:
        each = found.get(name)
        if isinstance(each, dict):
            columns = ("seconds", "reference_seconds", "ratio", "goal_ratio", "cpu_seconds", "cpu_ratio", "peak_mb")
            values = [float(each[column]) for column in (*columns, "startup_seconds")]
            print(f"{name:<8}" + "".join(f"{value:>9.3g}" if value < 1 else f"{value:>9.2f}" for value in values))
            print(f"        {each['documents']} documents, {each['chunks']} chunks, {each['stages']}")
    if "truth" in found:
        print(json.dumps(found["truth"], indent=1))
    if "runs" in found:
        print(f"goal of noop: {NOOP_MB:.0f} MB; {found['runs']} runs, {found['machine']}, {found['versions']}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=Path, required=True)
    parser.add_argument("--changed", type=Path)
    parser.add_argument("--changes", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        first = unpack(given.documents, place / "first")
        second = unpack(given.changed, place / "second") if given.changed else None
        found = measure(first, second, given.runs) if given.runs else {}
        if second and given.changes:
            source, both = place / "documents", (first, second)
            found["truth"] = prove(
                source,
                place,
                fill=lambda number: put(both[number], source),
                changes=given.changes,
                files=(files_of(first), files_of(second)),
            )
        print(json.dumps(found)) if given.json else print_table(found)
        truth = found.get("truth", {})
        sys.exit(1 if any(truth[part]["wrong"] for part in ("plan", "index") if truth) else 0)


if __name__ == "__main__":
    main()
