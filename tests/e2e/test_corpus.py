"""The documents of every night are kept and come back, through the commands a person uses."""

import shutil
from pathlib import Path
from typing import Any

from checkout import Checkout


def samples(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*/*") if not path.is_dir()}


def test_a_nights_documents_come_back_byte_for_byte(first_night: tuple[Checkout, dict[str, Any]]) -> None:
    checkout, said = first_night
    (row,) = checkout.json("corpus", "list")["snapshots"]
    kept = said["ingest"]["corpus"]
    files = samples(checkout.folder / "knowledge/samples")
    assert (row["night"], row["version"], row["documents"]) == ("2026-11-02", said["ingest"]["version"], len(files))
    assert (kept["documents"], kept["revision"], kept["unsent"]) == (len(files), row["revision"], None)
    back = checkout.json("corpus", "restore", "2026-11-02")
    assert (back["documents"], back["folder"]) == (
        len(files),
        str(checkout.folder / "state/restored/2026-11-02/support"),
    )
    assert samples(Path(back["folder"])) == files
    assert "is not an empty folder" in checkout.error("corpus", "restore", "2026-11-02")
    line = checkout.error("corpus", "restore", "2026-10-01")
    assert "night '2026-10-01'" in line
    assert "There are: 2026-11-02" in line


def test_a_refused_run_leaves_the_kept_documents_alone(after_first_night: Checkout) -> None:
    checkout = after_first_night
    before = samples(checkout.folder / "state/corpus/documents")
    shutil.rmtree(checkout.folder / "knowledge/samples/people")
    (checkout.folder / "knowledge/samples/people").mkdir()
    assert "--allow-mass-delete" in checkout.error("ingest")
    assert samples(checkout.folder / "state/corpus/documents") == before
    said = checkout.json("ingest", "--allow-mass-delete")
    assert said["corpus"]["documents"] == len(before) - 4
    assert len(checkout.json("corpus", "list")["snapshots"]) == 2


def test_a_remote_that_is_not_there_is_told_and_the_night_goes_on(after_first_night: Checkout) -> None:
    checkout = after_first_night
    checkout.edit("params.yaml", "remote: null", "remote: params.yaml/none")
    said = checkout.json("nightly", "--night", "2026-11-03", "--report-only")
    assert "documents cannot be sent" in said["ingest"]["corpus"]["unsent"]
    assert said["check"]["verdict"] == "pass"
