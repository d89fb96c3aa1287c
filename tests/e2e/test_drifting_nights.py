"""Nights against a hosted model that changes: a baseline at once, a canary, and the morning after the change."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import yaml
from checkout import Checkout

from faults.running import RunningServer

ADAPTIVE = {"canary_cases": 20, "pilot_nights": 3, "whole_every": 28}


@pytest.fixture
def hosted(after_first_night: Checkout, fault_server: RunningServer) -> tuple[Checkout, dict[str, str]]:
    """A checkout whose assistant is asked at the fault server, and the environment that leads there."""
    params = after_first_night.folder / "params.yaml"
    written = yaml.safe_load(params.read_text(encoding="utf-8"))
    params.write_text(yaml.safe_dump({**written, "baseline_nights": 3}), encoding="utf-8")
    environment = {"OPENAI_BASE_URL": fault_server.base_url, "OPENAI_API_KEY": "any"}
    return after_first_night, environment


def set_adaptive(checkout: Checkout) -> None:
    params = checkout.folder / "params.yaml"
    written = yaml.safe_load(params.read_text(encoding="utf-8"))
    params.write_text(yaml.safe_dump({**written, "adaptive_nights": ADAPTIVE}), encoding="utf-8")


def test_a_model_that_silently_changed_is_drift_in_the_same_night_although_a_canary_was_asked(
    hosted: tuple[Checkout, dict[str, str]], fault_server: RunningServer
) -> None:
    checkout, environment = hosted
    set_adaptive(checkout)
    made = checkout.run("baseline", "make", "--now", "--json", **environment)
    assert made.status == 0, made.stderr
    baseline = json.loads(made.stdout)
    assert (len(baseline["pilot"]), len(baseline["runs"]), len(baseline["canary"])) == (3, 3, 20)
    calls = fault_server.calls()
    assert calls.answered == 6 * calls.distinct, "every case was asked six times"

    whole = json.loads(checkout.run("nightly", "--night", "2026-11-03", "--json", **environment).stdout)
    assert (whole["verdict"], whole["evaluate"]["plan"]["asked"]) == ("steady", 69)
    calls = fault_server.calls()

    quiet = json.loads(checkout.run("nightly", "--night", "2026-11-04", "--json", **environment).stdout)
    plan = quiet["evaluate"]["plan"]
    assert (plan["asked"], plan["cases"], plan["saved"]) == (20, 69, 49)
    assert fault_server.calls().answered - calls.answered <= 20
    assert "a canary of 20 cases, which looks as before" in quiet["verdict_reason"]

    fault_server.set(behaviours={"wrong_on": ".", "wordier": True})
    done = checkout.run("nightly", "--night", "2026-11-05", "--json", **environment)
    assert done.status == 1, done.stderr
    said = json.loads(done.stdout)
    assert said["evaluate"]["plan"]["reason"].startswith("the canary has changed")
    assert said["evaluate"]["plan"]["asked"] == 20 + 69
    assert said["verdict"] == "drift"
    drift = said["evaluate"]["drift"]
    assert (drift["alarm_night"], drift["baseline_id"]) == ("2026-11-05", baseline["id"])
    report = Path(said["report"]).read_text(encoding="utf-8")
    assert "Drift since" in report
    assert "the canary has changed" in report
    again = checkout.run("nightly", "--night", "2026-11-05", "--json", **environment)
    assert json.loads(again.stdout) == said


def test_runs_of_a_baseline_that_were_stopped_are_not_paid_again(
    hosted: tuple[Checkout, dict[str, str]], fault_server: RunningServer
) -> None:
    checkout, environment = hosted
    params = checkout.folder / "params.yaml"
    written = yaml.safe_load(params.read_text(encoding="utf-8"))
    params.write_text(yaml.safe_dump({**written, "budgets": {"run": {"cost_usd": 0.01}}}), encoding="utf-8")
    fault_server.set(behaviours={"usd_per_million": {"input": 0.4, "output": 1.6}})
    line = checkout.error("baseline", "make", "--now", **environment)
    assert line.startswith("StateError: baseline 1 run 1: ")
    assert "The same command goes on from there." in line
    params.write_text(yaml.safe_dump(written), encoding="utf-8")
    made = checkout.run("baseline", "make", "--now", "--json", **environment)
    assert made.status == 0, made.stderr
    assert json.loads(made.stdout)["runs"] == [f"baseline 1 run {number}" for number in (1, 2, 3)]
    calls = fault_server.calls()
    assert calls.answered == 3 * calls.distinct, "every question was bought once a run"
    with closing(sqlite3.connect(checkout.folder / "state/plumbline.db")) as database:
        rows = database.execute("select night, count(*) from result where night like 'baseline%' group by night")
        assert {number for _, number in rows} == {69}
