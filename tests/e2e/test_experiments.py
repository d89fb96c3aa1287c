"""Experiments in DVC: what is compared, and that production does not notice."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from checkout import ROOT, Checkout, copy_project

EXPERIMENT = ["--report-only", "--results-to", "experiment"]
CODE = ("flows", "pipelines", "knowledge", "evals")


def dvc(checkout: Checkout, *words: str) -> str:
    environment = checkout.environment(DVC_SITE_CACHE_DIR=str(checkout.folder / "state/dvc"))
    command = [sys.executable, "-m", "dvc", *words]
    done = subprocess.run(command, cwd=checkout.folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr * (words[0] in ("repro", "exp") and "--json" not in words)


def commit(checkout: Checkout) -> None:
    for words in (["add", "-A"], ["-c", "user.name=x", "-c", "user.email=x@localhost", "commit", "-qm", "x"]):
        subprocess.run(["git", *words], cwd=checkout.folder, check=True, capture_output=True)


def make_repository(checkout: Checkout) -> Checkout:
    """The checkout with its code, as a git repository with the pipeline in it."""
    for name in CODE:
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, checkout.folder / name, ignore=ignore, dirs_exist_ok=True)
    shutil.copytree(ROOT / ".dvc", checkout.folder / ".dvc", ignore=shutil.ignore_patterns("tmp", "cache"))
    for name in ("dvc.yaml", ".dvcignore", ".gitignore", "requirements.lock"):
        shutil.copy(ROOT / name, checkout.folder / name)
    subprocess.run(["git", "init", "-q"], cwd=checkout.folder, check=True)
    for name, value in (("user.name", "x"), ("user.email", "x@localhost")):
        subprocess.run(["git", "config", name, value], cwd=checkout.folder, check=True)
    commit(checkout)
    return checkout


def run_stages(checkout: Checkout) -> dict[str, Any]:
    said = {
        "ingest": checkout.json("ingest", *EXPERIMENT),
        "check": checkout.json("check", *EXPERIMENT),
        "evaluate": checkout.json("evaluate", "--candidate", *EXPERIMENT),
    }
    dvc(checkout, "commit", "-f")
    return said


def results(checkout: Checkout) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (checkout.folder / "experiment").iterdir()}


def changed(checkout: Checkout) -> dict[str, set[str]]:
    """What `dvc metrics diff` finds changed, by file."""
    found = json.loads(dvc(checkout, "metrics", "diff", "--json"))
    return {Path(name).name: set(values) for name, values in found.items()}


@pytest.mark.nightly
def test_two_settings_are_compared_by_metrics_and_plots(after_first_night: Checkout) -> None:
    checkout = make_repository(after_first_night)
    first = run_stages(checkout)
    assert first["evaluate"]["collection_version"] == first["check"]["production_version"]
    commit(checkout)
    before = results(checkout)
    assert checkout.json("ingest", *EXPERIMENT)["documents"]["unchanged"] > 0
    assert results(checkout) == before

    checkout.edit("params.yaml", "max_tokens: 200", "max_tokens: 120")
    checkout.edit("evals/gates.yaml", "nDCG@10: 0.65", "nDCG@10: 1.0")
    second = run_stages(checkout)
    assert second["check"]["verdict"] == "fail"
    assert second["evaluate"]["collection_version"] == second["ingest"]["version"]
    assert second["check"]["production_version"] == first["check"]["production_version"]
    found = changed(checkout)
    assert {"content", "passages", "mean_tokens"} <= found["index.json"]
    assert any(name.startswith("retrieval.") for name in found["retrieval.json"])
    plots = json.loads(dvc(checkout, "plots", "diff", "--json"))["data"]
    assert {Path(name).name for name in plots} == {
        "passages.csv",
        "queries.csv",
        "slices.csv",
        "kinds.csv",
        "cases.csv",
    }


@pytest.mark.nightly
def test_experiments_run_and_leave_production_alone(tmp_path: Path) -> None:
    checkout = make_repository(copy_project(tmp_path))
    said = dvc(checkout, "repro")
    assert [said.count(f"Running stage '{name}'") for name in ("ingest", "check", "evaluate")] == [1, 1, 1]
    commit(checkout)
    said = dvc(checkout, "repro")
    assert "Running stage 'ingest'" in said
    assert [f"Stage '{name}' didn't change" in said for name in ("check", "evaluate")] == [True, True]
    assert subprocess.run(["git", "diff", "--quiet"], cwd=tmp_path, check=False).returncode == 0

    dvc(checkout, "exp", "run", "-S", "splitting.max_tokens=120", "-n", "shorter")
    assert {"content", "passages", "mean_tokens"} <= changed(checkout)["index.json"]
    assert "max_tokens: 120          # longest passage" in (tmp_path / "params.yaml").read_text(encoding="utf-8")
    # back to what was: ingest makes that index again, the other stages come from the run cache
    said = dvc(checkout, "exp", "run", "-S", "splitting.max_tokens=200", "-n", "back")
    assert [f"Stage '{name}' is cached" in said for name in ("check", "evaluate")] == [True, True]
    assert changed(checkout) == {}

    limit = "knowledge/manifests/support.yaml:retrieval.limit=1"
    said = dvc(checkout, "exp", "run", "--temp", "-S", limit, "-n", "fewer")
    assert changed(checkout) == {}
    shown = json.loads(dvc(checkout, "exp", "show", "--json"))
    names = {each["name"] for row in shown for each in row["experiments"] or ()}
    assert names == {"shorter", "back", "fewer"}
    assert "limit" in dvc(checkout, "params", "diff", "HEAD", "fewer", "--json")
    assert "pass_rate.all" in dvc(checkout, "metrics", "diff", "HEAD", "fewer", "--json")
    assert not [path.name for path in (tmp_path / "state").iterdir() if path.name not in ("experiment", "dvc")]
