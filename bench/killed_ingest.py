"""What `bench.ingest_kill` kills and looks at: a corpus that changes, a run that tells its stages, a reader."""

import multiprocessing
import os
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import numpy as np

from flows.connect import Connections
from flows.params import Project
from flows.state import hold_state
from knowledge.store import Collection
from pipelines.ingestion.commit import commit_rows, reconcile, refuse_overtaken
from pipelines.ingestion.duplicates import settle_duplicates
from pipelines.ingestion.plan import make_plan
from pipelines.ingestion.read import Work
from pipelines.ingestion.stage import stage_rows
from pipelines.ingestion.stopwatch import Stopwatch
from pipelines.ingestion.workers import parse_documents

COLLECTION = "kill"
HOLDER = f"collection:{COLLECTION}"
WORDS = "refund parcel invoice account password station engine valve meeting policy holiday customer".split()
_PAUSE_SECONDS = 0.02  # between two looks of the reader; without it, it takes a core from those it looks at
BROKEN = b"\0\0 broken \0"

Rows = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class State:
    """What the sources hold, and the splitter's setting, at one time."""

    name: str
    documents: dict[str, bytes]
    max_tokens: int


def made_documents(rng: random.Random, count: int = 60) -> dict[str, bytes]:
    """Documents of a few sections each."""
    return {f"{number:03}.md": _document(rng, number) for number in range(count)}


def _document(rng: random.Random, number: int) -> bytes:
    parts = "".join(f"## Part\n\n{' '.join(rng.choices(WORDS, k=90))}.\n\n" for _ in range(4))
    return f"# Document {number}\n\n{parts}".encode()


def states_of(v1: dict[str, bytes], rng: random.Random) -> tuple[State, ...]:
    """v1; v2 with a tenth edited, some added, renamed, copied, deleted and broken; v2 under another splitter."""
    names = list(v1)
    rng.shuffle(names)
    few = max(len(names) // 20, 1)
    renamed, deleted, copied, broken, *_ = (names[few * place : few * (place + 1)] for place in range(4))
    v2 = {name: content for name, content in v1.items() if name not in {*renamed, *deleted}}
    v2 |= {f"moved {name}": v1[name] for name in renamed} | {f"copy of {name}": v1[name] for name in copied}
    v2 |= {f"new {number}.md": _document(rng, 1000 + number) for number in range(few)}
    v2 |= {name: v1[name] + b"\n\nOne line more.\n" for name in names[few * 4 : few * 6]}
    v2 |= dict.fromkeys(broken, BROKEN)
    return State("v1", v1, 200), State("v2", v2, 200), State("v2, other splitter", v2, 60)


def enter(state: State, folder: Path) -> None:
    """Make the project's documents and settings those of a state; what is the same is not written again."""
    docs, params = folder / "docs", folder / "params.yaml"
    docs.mkdir(exist_ok=True)
    for path in docs.iterdir():
        if path.name not in state.documents:
            path.unlink()
    for name, content in state.documents.items():
        path = docs / name
        if not path.exists() or path.read_bytes() != content:
            path.write_bytes(content)
    lines = params.read_text(encoding="utf-8").splitlines(keepends=True)
    changed = [f"  max_tokens: {state.max_tokens}\n" if line.startswith("  max_tokens:") else line for line in lines]
    params.write_text("".join(changed), encoding="utf-8")


class TellingStopwatch(Stopwatch):
    """Tells each stage as it begins."""

    def __init__(self, tell: Callable[[str], None]):
        super().__init__()
        self._tell = tell

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Tell it, then count what happens inside as this stage's."""
        self._tell(stage)
        with super().__call__(stage):
            yield


def connections_of(folder: Path, state: str = "state") -> Connections:
    """The connections of a project folder, opened anew: its settings have changed."""
    return Connections(Project(folder, folder / state, f"sqlite:///{folder / state / 'plumbline.db'}", None))


def ingest_once(connections: Connections, watch: Stopwatch) -> Collection:
    """The steps of the flow `ingest`, in its order and with its functions, but for contracts and snapshots.

    Those write nothing to the index; with them a run's imports would take far longer than the run.
    """
    with hold_state(connections.project, f"ingest {COLLECTION}"):
        settings, history, store = connections.settings, connections.history, connections.store
        with watch("list"):
            (source,) = connections.find_sources(COLLECTION, given=str(connections.project.folder / "docs"))
            listing = connections.list_documents(source)
        history.remember_source(name=COLLECTION, collection=COLLECTION, url=source.url)
        with watch("plan"):
            collection = store.create(COLLECTION)
            plan = make_plan(
                COLLECTION,
                listing,
                collection.each_document(),
                history.quarantined(COLLECTION),
                connections.recipe,
                attempt_id=settings.parsing.attempt_id,
                other_columns=not collection.schema.equals(store.schema),
            )
            plan = replace(plan, version=collection.version)
        work = Work(settings.parsing, settings.splitting, connections.project.elements(COLLECTION))
        wanted = [step.document for step in plan.steps if step.needs_parser]
        outcomes = parse_documents(wanted, work, workers=2, stopwatch=watch)
        staged = stage_rows(plan, outcomes, collection, store.schema, connections.embedder, stopwatch=watch)
        refuse_overtaken(plan, collection)
        commit_rows(collection, staged, store.schema, settings.index, stopwatch=watch)
        with watch("near-duplicates"):
            noted = connections.project.near_duplicates(COLLECTION)
            settle_duplicates(collection, settings.hygiene, noted, settings.index)
        with watch("quarantine"):
            still = {step.document.doc_id for step in plan.steps if step.change == "quarantined"}
            listed = {step.document.doc_id for step in plan.steps}
            history.update_quarantine(COLLECTION, rejected=staged.rejected, still=still, listed=listed)
        with watch("reconcile"):
            reconcile(collection, plan, [entry.rejected for entry in history.quarantined(COLLECTION)])
            if staged.replaced and work.elements:
                work.elements.keep_only(step.document for step in plan.steps)
        return collection


def run_when_told(folder: Path, pipe: Connection) -> None:
    """A process of its own: import everything, wait for the word, run, and tell each stage."""
    os.setsid()  # with its workers it is one group, that can be killed as one
    connections_of(folder).embedder.embed(["warm"])
    pipe.send("ready")
    pipe.recv()
    ingest_once(connections_of(folder), TellingStopwatch(pipe.send))
    pipe.send("done")


def serve(connections: Connections, collection: Collection) -> None:
    """Let the version that stands serve, as the flow `check` does."""
    version = {COLLECTION: collection.version}
    connections.history.move_pointer(HOLDER, release="bench", versions=version, moved_by="bench", reason="")
    collection.tag(f"production-{HOLDER.replace(':', '-')}", collection.version)


def read_on(folder: Path, stop: Event, pipe: Connection) -> None:
    """A process of its own: read the version that serves, and the newest, again and again; tell what each held."""
    connections = connections_of(folder)
    seen: dict[tuple[str, int], set[tuple[int, str]]] = defaultdict(set)
    reads = 0
    reading_for = multiprocessing.parent_process()
    while not stop.is_set() and reading_for and reading_for.is_alive():
        pointer = connections.history.pointer(HOLDER)
        assert pointer
        for opened, what in (
            (connections.store.open(COLLECTION, version=pointer.versions[COLLECTION]), "serves"),
            (connections.store.open(COLLECTION), "newest"),
        ):
            seen[what, opened.version].add((opened.count_chunks(), opened.content_digest()))
        reads += 1
        time.sleep(_PAUSE_SECONDS)
    pipe.send((reads, dict(seen)))


def rows_of(collection: Collection) -> Rows:
    """Every row by its chunk_id, but for the time of its file. Raises ValueError where one stands twice."""
    found = collection.rows_of(collection.documents()).drop_columns(["modified_at"]).to_pylist()
    rows = {row["chunk_id"]: row for row in found}
    if not len(rows) == len(found) == collection.count_chunks():
        raise ValueError(f"{collection.count_chunks()} rows, {len(rows)} ids")
    return rows


def differences(found: Rows, wanted: Rows) -> list[str]:
    """In what two indexes differ, a line each; vectors may differ in their last digits, by their batch."""
    lines = [f"{name}: only in one of the two" for name in sorted(found.keys() ^ wanted.keys())]
    for name in sorted(found.keys() & wanted.keys()):
        one, other = found[name], wanted[name]
        lines += [f"{name}: {key} differs" for key in one if key != "vector" and one[key] != other[key]]
        if not np.allclose(one["vector"], other["vector"], atol=1e-5):
            lines.append(f"{name}: vector differs")
    return lines
