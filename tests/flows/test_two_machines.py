"""Two machines with state folders of their own on one store: one wins, the other says so, and nothing is doubled."""

import multiprocessing
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from bench.killed_ingest import COLLECTION, TellingStopwatch, connections_of, differences, ingest_once, rows_of
from knowledge.errors import CollectionError

SPAWN = multiprocessing.get_context("spawn")


def _ingest(folder: Path, state: str, both_staged: Barrier, pipe: Connection) -> None:
    """Ingest, but commit only when the other one is as far."""

    def meet(stage: str) -> None:
        if stage == "commit":
            both_staged.wait(timeout=240)

    try:
        ingest_once(connections_of(folder, state), TellingStopwatch(meet))
        pipe.send("done")
    except CollectionError as problem:
        pipe.send(str(problem))


@pytest.mark.nightly
@pytest.mark.parametrize("held", [False, True], ids=["first run", "a later run"])
def test_of_two_machines_that_ingest_into_one_store_one_wins_and_nothing_is_doubled(tmp_path: Path, held: bool) -> None:
    (tmp_path / "params.yaml").write_text("min_free_mb: 0\n")
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "a.md").write_text("# A\n\nThe first one.")
    states = ("one", "other", "fresh")
    for state in states[:2]:  # as one bucket
        (tmp_path / state).mkdir()
        (tmp_path / state / "lancedb").symlink_to(tmp_path / "shared")
    (tmp_path / "shared").mkdir()
    if held:
        ingest_once(connections_of(tmp_path, "one"), TellingStopwatch(lambda _: None))
    (docs / "b.md").write_text("# B\n\nThe second one.")
    (docs / "broken.md").write_bytes(b"\0\0")
    both_staged, pipes = SPAWN.Barrier(2), [SPAWN.Pipe() for _ in states[:2]]
    runs = [
        SPAWN.Process(target=_ingest, args=(tmp_path, state, both_staged, pipe[1]))
        for state, pipe in zip(states, pipes, strict=False)
    ]
    for run in runs:
        run.start()
    said = [pipe[0].recv() for pipe in pipes]
    for run in runs:
        run.join()
    assert sorted(each.split(":")[0] for each in said) == [f"collection '{COLLECTION}'", "done"]
    assert sum("another writer has committed since version" in each for each in said) == 1
    for state in states:
        connections = connections_of(tmp_path, state)
        version = None if state == "fresh" else connections.store.open(COLLECTION).version
        collection = ingest_once(connections, TellingStopwatch(lambda _: None))
        if state == "fresh":
            assert (
                differences(rows_of(collection), rows_of(connections_of(tmp_path, "one").store.open(COLLECTION))) == []
            )
        else:
            assert collection.version == version, "nothing was left to do"
        kept_out = [entry.rejected.doc_id for entry in connections.history.quarantined(COLLECTION)]
        assert kept_out == [f"{COLLECTION}/broken.md"]
