"""What does it cost to keep a night's documents, beside a bare `dvc add` of the same folder?

    python -m bench.corpus --documents DIR [--changed DIR2] [--runs 3] [--json]

Every run has a fresh state folder. Without --changed, ten files get a line more. Importing DVC is timed by itself.
"""

import argparse
import json
import logging
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from flows.params import Project
from flows.snapshots import keep_documents, restore_documents
from knowledge.record import Document
from knowledge.snapshot import Snapshot
from knowledge.source import Source
from pipelines.ingestion.sync import SyncSettings, list_documents

SEED = 7
IMPORT = [sys.executable, "-c", "import time; t = time.perf_counter(); import dvc.repo; print(time.perf_counter() - t)"]


def timed(step: Callable[[], object]) -> float:
    started = time.perf_counter()
    step()
    return time.perf_counter() - started


def listing(folder: Path) -> list[Document]:
    source = Source(name="bench", collection="bench", url=str(folder), owner="bench")
    with tempfile.TemporaryDirectory() as state:
        return list_documents(source, project=folder, state=Path(state), settings=SyncSettings(), max_size_mb=50)


def change(folder: Path, changed: Path | None, place: Path) -> Path:
    """The folder of the second night."""
    if changed:
        return changed
    shutil.copytree(folder, place, symlinks=True)
    files = sorted(path for path in place.rglob("*") if path.is_file())
    for path in random.Random(SEED).sample(files, min(10, len(files))):
        with path.open("a") as file:
            file.write("\none line more\n")
    return place


def bare(folder: Path, place: Path) -> dict[str, float]:
    """What `dvc add` alone costs, on a copy that is there already."""
    from dvc.repo import Repo

    logging.getLogger("dvc").setLevel(logging.CRITICAL)  # its words would stand in the JSON
    place.mkdir()
    repository = Repo.init(str(place), no_scm=True)
    shutil.copytree(folder, place / "documents", symlinks=True)
    first = timed(lambda: repository.add(str(place / "documents")))
    again = timed(lambda: repository.add(str(place / "documents")))
    repository.close()
    return {"bare_first": first, "bare_again": again}


def run(folder: Path, changed: Path | None) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "params.yaml").write_text("min_free_mb: 0\n")
        project = Project(place, place / "state", "sqlite://", None)
        first, second = listing(folder), listing(change(folder, changed, place / "second"))
        os.environ["DVC_SITE_CACHE_DIR"] = str(place / "site")
        found = {"import": float(subprocess.run(IMPORT, capture_output=True, check=True).stdout)}
        found |= bare(folder, place / "bare")  # imports DVC, so that no step below pays for it
        found["first"] = timed(lambda: keep_documents(project, "bench", first))
        found["nothing_changed"] = timed(lambda: keep_documents(project, "bench", first))
        kept = keep_documents(project, "bench", first)
        found["changed"] = timed(lambda: keep_documents(project, "bench", second))
        snapshot = Snapshot("bench", "night", 1, "", kept.documents, 0, kept.text, datetime.now(UTC))
        found["restore"] = timed(lambda: restore_documents(project, snapshot, place / "back"))
        found["megabytes_documents"] = _megabytes(folder)
        found["megabytes_mirror"] = _megabytes(place / "state/corpus/documents")
        found["megabytes_cache"] = _megabytes(place / "state/corpus/.dvc/cache")
        return found


def _megabytes(folder: Path) -> float:
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*") if path.is_file()) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=Path, required=True)
    parser.add_argument("--changed", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    runs = [run(arguments.documents.resolve(), arguments.changed) for _ in range(arguments.runs)]
    medians = {name: round(statistics.median(each[name] for each in runs), 2) for name in runs[0]}
    found = {
        "documents": len(listing(arguments.documents.resolve())),
        "changed_documents": str(arguments.changed or f"10 files, seed {SEED}"),
        "runs": arguments.runs,
        "median_seconds": {name: value for name, value in medians.items() if not name.startswith("megabytes")},
        "all_seconds": {name: [round(each[name], 2) for each in runs] for name in medians if "megabytes" not in name},
        "megabytes": {name[10:]: value for name, value in medians.items() if name.startswith("megabytes")},
        "machine": {"cores": os.cpu_count(), "python": platform.python_version()},
        "versions": {"dvc": version("dvc")},
    }
    if arguments.json:
        print(json.dumps(found))
        return
    print(f"{found['documents']} documents, second night: {found['changed_documents']}, {found['versions']}")
    for name, seconds in medians.items():
        print(f"{name:<22}{seconds:>9.2f}   {[round(each[name], 2) for each in runs]}")


if __name__ == "__main__":
    main()
