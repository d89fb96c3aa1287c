"""Does memory stay flat as a corpus grows? Full, with nothing to do, and after a change of one document in a hundred.

    python -m bench.ingest_scale [--sizes 1000 10000 100000] [--json]

Documents are Markdown of about one kB, made from a seed. peak_mb: PSS of all processes while the flow works.
"""

import argparse
import json
import os
import platform
import random
import tempfile
from importlib.metadata import version
from pathlib import Path

from bench.ingest_run import Run, ingest

SEED = 7
_SYLLABLES = [f"{one}{two}{three}" for one in "bdfklmn" for two in "aeiou" for three in ("", "r")]
_WORDS = 4_900
_A_FOLDER = 1_000  # documents
_CHANGED = 100  # one in so many


def write_documents(folder: Path, numbers: range, *, edition: int = 0) -> None:
    """The documents of these numbers; another edition has other texts."""
    words = [f"{first}{second}" for first in _SYLLABLES for second in _SYLLABLES][:_WORDS]
    for number in numbers:
        chance = random.Random(f"{SEED} {number} {edition}")
        path = folder / f"{number // _A_FOLDER:03}" / f"{number:06}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        paragraphs = [" ".join(chance.choices(words, k=45)) for _ in range(3)]
        sections = "".join(f"\n## {chance.choice(words)}\n\n{each}.\n" for each in paragraphs)
        path.write_text(f"# {' '.join(chance.choices(words, k=3))}\n{sections}", encoding="utf-8")


def measure(size: int) -> dict[str, object]:
    """A corpus of this many documents, in a fresh state folder."""
    with tempfile.TemporaryDirectory() as name:
        folder, state = Path(name) / "documents", Path(name) / "state"
        write_documents(folder, range(size))
        found = {"full": figures(ingest(folder, state))}
        found["noop"] = figures(ingest(folder, state, parses=False))
        write_documents(folder, range(0, size, _CHANGED), edition=1)
        found["change"] = figures(ingest(folder, state))
        return {"documents": size, **found}


def figures(run: Run) -> dict[str, object]:
    return {
        "seconds": round(run.seconds, 2),
        "cpu_seconds": round(run.spent.cpu_seconds, 2),
        "peak_mb": round(run.spent.peak_mb),
        "peak_mb_by_process": dict(run.spent.peak_mb_by_process),
        "chunks": run.result["chunks"],
        "texts_embedded": run.result["texts_embedded"],
        "stages": run.result["stages"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    every = []
    for size in given.sizes:
        every.append(measure(size))
        if not given.json:
            _print(every[-1])
    about = {
        "seed": SEED,
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "load": os.getloadavg()},
        "versions": {name: version(name) for name in ("prefect", "mlflow", "pylance", "unstructured", "wordllama")},
    }
    print(json.dumps({"sizes": every, **about}) if given.json else about)


def _print(found: dict[str, object]) -> None:
    for phase in ("full", "noop", "change"):
        each = found[phase]
        assert isinstance(each, dict)
        print(
            f"{found['documents']:>7} {phase:<7}{each['seconds']:>9.2f} s{each['cpu_seconds']:>9.2f} cpu s"
            f"{each['peak_mb']:>7} MB  {each['peak_mb_by_process']}  {each['stages']}",
            flush=True,
        )


if __name__ == "__main__":
    main()
