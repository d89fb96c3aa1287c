"""Whole nights on the sample assistant, each command in a process of its own."""

import json
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from checkout import Checkout, assert_quiet

from evals.case import KINDS
from faults.running import RunningServer
from flows.nights import within
from knowledge.history import Night

TOO_SHORT = {"type": "expect_column_values_to_be_between", "kwargs": {"column": "characters", "max_value": 9}}
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
    assert set(said["check"]["metrics"]) == {"precision@5", "recall@20", "recall@5", "MRR@10", "nDCG@10"}
    assert said["check"]["verdict"] == "pass"
    assert said["check"]["production_version"] == said["ingest"]["version"]
    assert set(said["evaluate"]["scores"]) == {"all", *KINDS}
    assert (said["verdict"], said["verdict_reason"]) == ("not enough evidence", "baseline 1 of 10")
    assert said["cost_usd"] == 0
    assert Path(said["report"]).read_text(encoding="utf-8").startswith("<!doctype html>")
    assert said["changed"] == "The first night: there is none before it to compare with."
    assert set(said["release_parts"]) == {"manifest", "prompt", "models", "policy", "recipe", "graders"}
    assert len(said["check"]["per_query"]) == said["check"]["queries"]


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
    done = checkout.run_apart("nightly", "--night", "2026-11-02", "--json")
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
    opened = {each.path for each in client.list_artifacts(parent.info.run_id)}
    assert opened == {"report.html", "drift.html", "cases.json", "data_docs", "summary.json"}


def test_the_next_night_does_only_what_is_new(after_first_night: Checkout) -> None:
    checkout = after_first_night
    samples = checkout.folder / "knowledge/samples"
    policy = samples / "help-centre/refund-policy.md"
    text = policy.read_text(encoding="utf-8").replace("within 30 days", "within 45 days")
    policy.write_text(text + "\n\n## Vouchers\n\nA voucher is valid for 1234 days.\n", encoding="utf-8")
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
    assert said["ingest"]["texts_embedded"] == 2
    assert said["ingest"]["changes"] == {
        "changed": ["help-centre/refund-policy.md"],
        "renamed": ["help-centre/time-tracking.txt -> help-centre/tracking-time.txt"],
        "deleted": ["help-centre/mobile-app.txt"],
    }
    assert said["evaluate"]["comparison"]["night"] == "2026-11-02"
    lost = {each["case"]: each for each in said["evaluate"]["flips"] if each["flip"] == "lost"}
    assert "within 30 days" in lost["refund-annual-window"]["before"]["answer"]
    assert "within 45 days" in lost["refund-annual-window"]["after"]["answer"]
    assert said["changed"].startswith("Since 2026-11-02: 1 document changed, 1 deleted, 1 renamed; ")
    page = Path(said["report"]).read_text(encoding="utf-8")
    assert said["changed"].replace(">", "&gt;") in page
    assert "<del>30</del>" in page
    assert "<ins>45</ins>" in page
    found = checkout.json("search", "how long is a voucher valid", "--limit", "1")["passages"]
    assert [(each["doc_id"], "1234 days" in each["text"]) for each in found] == [("help-centre/refund-policy.md", True)]
    served = {
        each["doc_id"] for each in checkout.json("search", "mobile app time tracking", "--limit", "100")["passages"]
    }
    assert "help-centre/tracking-time.txt" in served
    assert not {"help-centre/time-tracking.txt", "help-centre/mobile-app.txt"} & served


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


def test_too_many_newly_broken_documents_hold_the_pointer_until_a_person_decides(after_first_night: Checkout) -> None:
    checkout = after_first_night
    broken = ["trust/sla.docx", "people/employee-handbook.docx", "trust/data-processing-agreement.docx"]
    kept = {name: (checkout.folder / "knowledge/samples" / name).read_bytes() for name in broken}
    for name in broken:
        (checkout.folder / "knowledge/samples" / name).write_bytes(b"no office file at all")
    checkout.edit("knowledge/samples/developers/webhooks.md", "\n", "\nA new line.\n")
    checkout.json("ingest")
    held = checkout.json("check", status=1)
    assert held["verdict"] == "fail"
    assert held["production_version"] < held["version"]
    assert "3 of 45 documents are newly in quarantine, over the limit of 5%: people/employee-" in held["reason"]

    listed = {row["doc_id"]: row for row in checkout.json("quarantine", "list", "--reason", "corrupt")["quarantine"]}
    assert {(row["new"], row["state"], row["served_sha"] is None) for row in listed.values()} == {(True, "held", False)}
    assert listed["trust/sla.docx"]["owner"] == "security team"
    assert "trust/none.docx is not in quarantine" in checkout.error("quarantine", "retry", "trust/none.docx")

    checkout.json("quarantine", "drop", "trust/sla.docx")
    checkout.json("quarantine", "retry", broken[2])
    (checkout.folder / "knowledge/samples" / broken[1]).write_bytes(kept[broken[1]])
    said = checkout.json("ingest")
    assert {item["doc_id"] for item in said["quarantine"]} >= {broken[0], broken[2]}
    served = checkout.json("check")
    assert served["production_version"] == said["version"]
    rows = {row["doc_id"]: row for row in checkout.json("quarantine", "list")["quarantine"]}
    facts = {
        name: (rows[name]["state"], rows[name]["attempts"], rows[name]["served_sha"] is None) for name in broken[::2]
    }
    assert facts == {broken[0]: ("dropped", 1, True), broken[2]: ("held", 2, False)}
    assert not any(row["new"] for row in rows.values())


def test_a_broken_contract_stops_the_ingest_and_what_serves_stays(after_first_night: Checkout) -> None:
    checkout = after_first_night
    before = checkout.json("status")["pointers"]
    said = checkout.json("contracts", "propose", "--write")
    assert [each["path"] for each in said["files"]] == [
        f"knowledge/expectations/support/{name}.json" for name in ("documents", "chunks", "collection")
    ]
    path = "knowledge/expectations/support/chunks.json"
    written = (checkout.folder / path).read_text(encoding="utf-8")
    suite = {"name": "chunks", "expectations": [TOO_SHORT]}
    (checkout.folder / path).write_text(json.dumps(suite), encoding="utf-8")
    checkout.edit("knowledge/samples/developers/webhooks.md", "\n", "\nA new line.\n")
    line = checkout.error("ingest")
    assert line.startswith(
        "ContractError: contract 'chunks': expect_column_values_to_be_between of characters does not"
    )
    assert "Nothing was committed, and what serves stays." in line
    page = checkout.folder / "state/data-docs/support/chunks.html"
    assert f"See {page}; mend the documents, or change chunks.json in support/ by review." in line
    assert "Failed" in page.read_text(encoding="utf-8")
    assert checkout.json("status")["pointers"] == before
    logged = [each.read_text(encoding="utf-8") for each in (checkout.folder / "state").rglob("data_docs/chunks.html")]
    assert page.read_text(encoding="utf-8") in logged
    (checkout.folder / path).write_text(written, encoding="utf-8")
    assert checkout.json("ingest")["documents"]["changed"] == 1


def test_a_folder_without_yaml_becomes_a_collection(
    checkout: Checkout, prefect: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("own")
    (folder / "hours.md").write_text("# Opening hours\n\nThe workshop opens at 7:30.\n")
    first = checkout.json("ingest", "--collection", "mine", "--source", str(folder))
    assert (first["documents"]["added"], first["chunks"]) == (1, 1)
    assert "none serves yet" in checkout.error("search", "opening", "--collection", "mine")
    said = checkout.json("check", "--collection", "mine")
    assert (said["verdict"], said["production_version"]) == ("not enough evidence", first["version"])
    (row,) = checkout.json("corpus", "list", "--collection", "mine")["snapshots"]
    assert (row["version"], row["revision"]) == (first["version"], None)
    assert "`versioned: true`" in checkout.error("corpus", "restore", row["night"], "--collection", "mine")
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


def test_a_past_night_cannot_be_run_afterwards(after_first_night: Checkout) -> None:
    line = after_first_night.error("nightly", "--night", "2026-10-01")
    assert "2026-10-01" in line
    assert "2026-11-02" in line


def test_an_mlflow_server_that_is_not_there_is_named_without_its_password(after_first_night: Checkout) -> None:
    url = "http://night:hush-hush@127.0.0.1:9"
    done = after_first_night.run("check", MLFLOW_TRACKING_URI=url, MLFLOW_HTTP_REQUEST_MAX_RETRIES="0")
    assert done.status == 2
    assert "StateError: MLflow at http://127.0.0.1:9: cannot be used" in done.stderr
    assert "hush" not in done.stdout + done.stderr


def test_a_night_that_can_wait_is_answered_and_judged_in_batches(
    after_first_night: Checkout, fault_server: RunningServer
) -> None:
    checkout = after_first_night
    fault_server.set(batch_seconds=0.3)
    path = checkout.folder / "params.yaml"
    settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    deadline = datetime.now(UTC) + timedelta(hours=12)
    settings["models"]["batch"] |= {"enabled": True, "deadline": f"{deadline:%H:%M}", "poll_seconds": 0.05}
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    with (checkout.folder / "knowledge/manifests/support.yaml").open("a", encoding="utf-8") as manifest:
        manifest.write("\njudge: {name: correctness, route: [openai/gpt-4.1-mini]}\n")
    endpoint = {"OPENAI_BASE_URL": fault_server.base_url, "OPENAI_API_KEY": "any"}
    night = Night("support", "2026-11-03", date(2026, 11, 3), "running", started_at=datetime.now(UTC))
    with within(night):  # ingest and check have nothing to do with it
        done = checkout.run("evaluate", "--json", **endpoint)
    assert done.status == 0, done.stderr
    assert_quiet(done.stderr)
    said = json.loads(done.stdout)
    submitted = [line for line in done.stderr.splitlines() if line.startswith("batch: ") and "submitted" in line]
    assert len(submitted) == 2
    in_batches, directly = fault_server.calls("batch:/v1/chat/completions"), fault_server.calls()
    assert in_batches.answered > len(said["cases"])
    assert directly.received < 5
    assert said["calls"]["paid"] == in_batches.answered + directly.answered
    assert {case["model"] for case in said["cases"]} <= {"openai/gpt-4.1-mini", "none"}
    assert (said["missing"], in_batches.repeated + directly.repeated) == ([], 0)
    assert f"{in_batches.answered} replies were bought in batches, {directly.answered} directly" in done.stderr
    assert not [row for row in checkout.json("ledger", "show")["spending"] if row["open"]]
