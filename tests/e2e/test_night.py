"""Whole nights on the sample assistant, each command in a process of its own."""

import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from checkout import Checkout, assert_quiet, copy_project

from evals.case import KINDS

First = tuple[Checkout, dict[str, Any]]


def test_the_first_night_says_everything(first_night: First) -> None:
    checkout, said = first_night
    documents = said["ingest"]["documents"]
    files = [path for path in (checkout.folder / "knowledge/samples").glob("*/*") if path.is_file()]
    assert documents["added"] + documents["quarantined"] == len(files)
    reasons = {item["doc_id"]: item["reason"] for item in said["ingest"]["quarantine"]}
    assert reasons == {
        "operations/empty.txt": "empty",
        "operations/quarterly-numbers.xlsx": "unsupported",
        "trust/archive-2019-audit.pdf": "encrypted",
    }
    assert {each["source"]: each["met"] for each in said["check"]["freshness"]} == dict.fromkeys(
        ["developers", "help-centre", "operations", "people", "trust"], True
    )
    assert set(said["check"]["metrics"]) == {"recall@5", "MRR@10", "nDCG@10"}
    assert said["check"]["verdict"] == "pass"
    assert said["check"]["production_version"] == said["ingest"]["version"]
    assert set(said["evaluate"]["scores"]) == {"all", *KINDS}
    assert (said["verdict"], said["verdict_reason"]) == ("not enough evidence", "baseline 1 of 10")
    assert said["cost_usd"] == 0
    assert Path(said["report"]).read_text(encoding="utf-8").startswith("<!doctype html>")


def test_the_sample_assistant_never_says_what_is_forbidden(first_night: First) -> None:
    _, said = first_night
    broken = [
        row["case"] for row in said["evaluate"]["cases"] if any(each.startswith("forbidden") for each in row["failed"])
    ]
    assert broken == []
    assert said["evaluate"]["scores"]["confidential"]["rate"] == 1
    assert said["evaluate"]["scores"]["all"]["rate"] >= 0.8


def test_the_same_night_again_is_read_not_run(first_night: First) -> None:
    checkout, said = first_night
    done = checkout.run("nightly", "--night", "2026-11-02", "--json")
    assert "is finished; this is its record" in done.stderr
    assert yaml.safe_load(done.stdout) == said


def test_mlflow_holds_one_parent_and_a_child_for_each_flow(first_night: First) -> None:
    from mlflow.tracking import MlflowClient

    checkout, said = first_night
    client = MlflowClient(f"sqlite:///{checkout.folder}/state/mlflow/mlflow.db")
    parent = client.get_run(said["mlflow_run_id"])
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics["retrieval/ndcg_at_10"] == said["check"]["metrics"]["nDCG@10"]
    assert parent.data.metrics["pass_rate/all"] == pytest.approx(said["evaluate"]["scores"]["all"]["rate"])
    assert {
        "plumbline.release",
        "plumbline.collection_version",
        "plumbline.recipe",
        "plumbline.manifest_digest",
        "plumbline.served_model",
    } <= set(parent.data.tags)
    runs = client.search_runs([parent.info.experiment_id])
    children = {
        run.data.tags["plumbline.flow"]: run
        for run in runs
        if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id
    }
    assert set(children) == {"ingest", "check", "evaluate"}
    assert {run.info.status for run in children.values()} == {"FINISHED"}
    digests = {each.dataset.name: each.dataset.digest for each in children["evaluate"].inputs.dataset_inputs}
    manifest = yaml.safe_load((checkout.folder / "knowledge/manifests/support.yaml").read_text())
    assert set(digests) == {f"suite-{name}" for name in manifest["suites"]}
    assert all(digests.values())
    assert [each.dataset.name for each in children["ingest"].inputs.dataset_inputs] == ["corpus-support"]
    names = {each.path for each in client.list_artifacts(children["evaluate"].info.run_id)}
    assert "cases.json" in names
    assert {"2026-11-02.html", "summary.json"} <= {each.path for each in client.list_artifacts(parent.info.run_id)}


def test_the_next_night_does_only_what_is_new(after_first_night: Checkout) -> None:
    checkout = after_first_night
    samples = checkout.folder / "knowledge/samples"
    policy = samples / "help-centre/refund-policy.md"
    policy.write_text(policy.read_text(encoding="utf-8") + "\n\n## Vouchers\n\nA voucher is valid for 1234 days.\n")
    (samples / "help-centre/time-tracking.txt").rename(samples / "help-centre/tracking-time.txt")
    (samples / "help-centre/mobile-app.txt").unlink()
    said = checkout.json("nightly", "--night", "2026-11-03")
    documents = said["ingest"]["documents"]
    assert {name: documents[name] for name in ("added", "changed", "renamed", "copied", "deleted")} == {
        "added": 0,
        "changed": 1,
        "renamed": 1,
        "copied": 0,
        "deleted": 1,
    }
    assert said["ingest"]["texts_embedded"] == 1
    assert said["evaluate"]["comparison"]["night"] == "2026-11-02"
    found = checkout.json("search", "how long is a voucher valid", "--limit", "1")["passages"]
    assert [(each["doc_id"], "1234 days" in each["text"]) for each in found] == [("help-centre/refund-policy.md", True)]
    served = {
        each["doc_id"] for each in checkout.json("search", "mobile app time tracking", "--limit", "100")["passages"]
    }
    assert "help-centre/tracking-time.txt" in served
    assert not {"help-centre/time-tracking.txt", "help-centre/mobile-app.txt"} & served


@pytest.mark.night
def test_a_night_killed_anywhere_goes_on_and_ends_the_same(first_night: First, tmp_path: Path) -> None:
    _, expected = first_night
    checkout = copy_project(tmp_path)
    command = [str(Path(sys.executable).parent / "plumbline"), "nightly", "--night", "2026-11-02", "--json"]
    database = checkout.folder / "state/plumbline.db"
    for reached in ("select count(*) from night", "select count(*) from pointer", "select count(*) from result"):
        process = subprocess.Popen(
            command,
            cwd=checkout.folder,
            env=checkout.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _wait_until(database, reached, process)
        process.kill()
        process.wait()
    done = checkout.run(*command[1:])
    assert "was not finished: it goes on" in done.stderr
    assert_quiet(done.stderr)
    said = yaml.safe_load(done.stdout)
    assert said["ingest"]["chunks"] == expected["ingest"]["chunks"]
    assert said["ingest"]["quarantine"] == expected["ingest"]["quarantine"]
    assert said["check"]["metrics"] == expected["check"]["metrics"]
    outcome = ("suite", "case", "answer", "passed")
    assert [[row[name] for name in outcome] for row in said["evaluate"]["cases"]] == [
        [row[name] for name in outcome] for row in expected["evaluate"]["cases"]
    ]
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("select night, status from night").fetchall() == [("2026-11-02", "finished")]


def _wait_until(database: Path, query: str, process: subprocess.Popen[bytes]) -> None:
    """Return as soon as a table has its first row."""
    while process.poll() is None:
        if database.exists():
            try:
                with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=1)) as connection:
                    if connection.execute(query).fetchone()[0]:
                        return
            except sqlite3.OperationalError:
                pass  # the tables are not there yet
        time.sleep(0.01)
    raise AssertionError("the night ended before it could be killed")


def test_a_failed_gate_keeps_what_serves(after_first_night: Checkout) -> None:
    checkout = after_first_night
    before = checkout.json("status")["pointers"]
    checkout.edit("knowledge/samples/developers/webhooks.md", "\n", "\nA new line.\n")
    checkout.edit("evals/gates.yaml", "nDCG@10: 0.65", "nDCG@10: 1.0")
    assert checkout.json("ingest")["documents"]["changed"] == 1
    said = checkout.json("check", status=1)
    assert said["verdict"] == "fail"
    assert "nDCG@10" in said["reason"]
    assert said["version"] > said["production_version"]
    assert checkout.json("status")["pointers"] == before


def test_a_last_good_version_is_served_while_the_new_one_is_in_quarantine(after_first_night: Checkout) -> None:
    checkout = after_first_night
    (checkout.folder / "knowledge/samples/trust/sla.docx").write_bytes(b"no office file at all")
    said = checkout.json("ingest")
    reasons = {item["doc_id"]: item["reason"] for item in said["quarantine"]}
    assert reasons["trust/sla.docx"] == "corrupt"
    assert "trust/sla.docx" in {row["doc_id"] for row in checkout.json("quarantine", "list")["quarantine"]}
    found = checkout.json("search", "claim a service credit", "--limit", "1")["passages"]
    assert found[0]["doc_id"] == "trust/sla.docx"


def test_a_folder_without_yaml_becomes_a_collection(
    checkout: Checkout, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("own")
    (folder / "hours.md").write_text("# Opening hours\n\nThe workshop opens at 7:30.\n")
    first = checkout.json("ingest", "--collection", "mine", "--source", str(folder))
    assert (first["documents"]["added"], first["chunks"]) == (1, 1)
    assert "none serves yet" in checkout.error("search", "opening", "--collection", "mine")
    said = checkout.json("check", "--collection", "mine")
    assert (said["verdict"], said["production_version"]) == ("not enough evidence", first["version"])
    again = checkout.json("ingest", "--collection", "mine")
    assert (again["documents"]["unchanged"], again["version"]) == (1, first["version"])
    found = checkout.json("search", "when does it open", "--collection", "mine")["passages"]
    assert [each["doc_id"] for each in found] == ["mine/hours.md"]


def test_a_second_run_on_the_same_state_is_refused(after_first_night: Checkout) -> None:
    from filelock import FileLock

    checkout = after_first_night
    with FileLock(checkout.folder / "state/run.lock"):
        line = checkout.error("nightly", "--night", "2026-11-09")
    assert "is using it" in line
    assert "nightly" in line


def test_emptying_a_source_is_refused_and_changes_nothing(after_first_night: Checkout) -> None:
    checkout = after_first_night
    people = checkout.folder / "knowledge/samples/people"
    shutil.rmtree(people)
    people.mkdir()
    line = checkout.error("ingest")
    assert "source 'people'" in line
    assert "--allow-mass-delete" in line
    said = checkout.json("ingest", "--allow-mass-delete")
    assert said["documents"]["deleted"] == 4
