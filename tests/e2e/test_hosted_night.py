"""Nights whose models are behind an endpoint: what is paid, what is kept when money or the night ends early."""

import json
import random
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import lancedb
import pytest
import yaml
from checkout import PLUMBLINE, Checkout, harness

from faults.running import RunningServer

MODEL = "openai/gpt-4.1-mini"


def hosted(checkout: Checkout, server: RunningServer, **settings: object) -> dict[str, str]:
    """The environment in which a checkout asks the server; its models also judge."""
    params = checkout.folder / "params.yaml"
    written = yaml.safe_load(params.read_text(encoding="utf-8"))
    params.write_text(yaml.safe_dump({**written, **settings}), encoding="utf-8")
    manifest = checkout.folder / "knowledge/manifests/support.yaml"
    content = yaml.safe_load(manifest.read_text(encoding="utf-8"))
    content["judge"] = {"name": "correctness", "route": [MODEL]}
    manifest.write_text(yaml.safe_dump(content), encoding="utf-8")
    return {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "any"}


def test_an_answer_says_which_model_gave_it_and_why_another_did_not(
    after_first_night: Checkout, fault_server: RunningServer
) -> None:
    environment = {"OPENAI_BASE_URL": fault_server.base_url, "OPENAI_API_KEY": "any"}
    fault_server.set(behaviours={"served_model": "gpt-4.1-mini-2025-04-14"})
    question = "How long after buying an annual plan can I get my money back?"
    said = json.loads(after_first_night.run("ask", question, "--json", **environment).stdout)
    assert (said["model"], said["served_model"]) == (MODEL, "gpt-4.1-mini-2025-04-14")
    assert (said["outcome"], said["fallback"], said["cost_usd"] > 0) == ("answered", "", True)
    assert said["first_token_ms"] > 0
    fault_server.set(faults=[{"kind": "server_error"}])
    said = json.loads(after_first_night.run("ask", question, "--json", **environment).stdout)
    assert (said["model"], said["fallback"]) == ("local/extractive", f"{MODEL}: server_error")
    assert (said["outcome"], said["cost_usd"]) == ("answered", 0.0)


def test_over_budget_a_night_keeps_what_it_has_names_the_rest_and_goes_on_when_there_is_money(
    after_first_night: Checkout, fault_server: RunningServer
) -> None:
    checkout = after_first_night
    environment = hosted(checkout, fault_server, budgets={"run": {"cost_usd": 0.02}})
    fault_server.set(behaviours={"usd_per_million": {"input": 0.4, "output": 1.6}})
    night = ("nightly", "--night", "2026-11-03", "--json")
    short = json.loads(checkout.run(*night, **environment).stdout)
    evaluated = short["evaluate"]
    asked, missing = evaluated["scores"]["all"]["cases"], evaluated["missing"]
    assert len(missing) > 0 < asked
    assert asked + len(missing) == 69
    assert all(each["over_budget"] and "budget of run" in each["reason"] for each in missing)
    assert f"{len(missing)} cases missing" in short["verdict_reason"]
    bought = fault_server.calls()
    assert short["cost_usd"] == pytest.approx(bought.cost_usd, abs=1e-6)
    assert bought.cost_usd <= 0.02
    report = Path(short["report"]).read_text(encoding="utf-8")
    assert "Cases without an answer" in report
    hosted(checkout, fault_server, budgets={})
    done = checkout.run(*night, **environment)
    assert f"has {len(missing)} cases missing, asked now" in done.stderr
    whole = json.loads(done.stdout)["evaluate"]
    assert (whole["scores"]["all"]["cases"], whole["missing"]) == (69, [])
    assert fault_server.calls().repeated == 0
    assert whole["cost_usd"] == pytest.approx(fault_server.calls().cost_usd, abs=1e-6)


@pytest.mark.parametrize("kills", [pytest.param(1, id="once"), pytest.param(20, marks=pytest.mark.nightly)])
def test_a_killed_night_buys_again_only_what_was_under_way(
    after_first_night: Checkout, fault_server: RunningServer, kills: int
) -> None:
    checkout = after_first_night
    settings = {"providers": {"openai": {"concurrency": 4}}}
    environment = checkout.environment(**harness(), **hosted(checkout, fault_server, models=settings))
    fault_server.set(latency_seconds=0.2)
    command = [PLUMBLINE, "nightly", "--night", "2026-11-03", "--json"]
    chance = random.Random(4)
    for _ in range(kills):
        until = fault_server.calls().answered + chance.randint(1, 80 // kills)
        process = subprocess.Popen(
            command, cwd=checkout.folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while process.poll() is None and fault_server.calls().answered < until:
            time.sleep(0.01)
        assert process.poll() is None, "the night ended before it was killed"
        process.kill()
        process.wait()
    done = checkout.run(*command[1:], **hosted(checkout, fault_server, models=settings))
    assert "calls of a run that was killed are charged at their worst case" in done.stderr
    said = json.loads(done.stdout)["evaluate"]
    assert (said["scores"]["all"]["cases"], said["missing"]) == (69, [])
    calls = fault_server.calls()
    with closing(sqlite3.connect(checkout.folder / "state/plumbline.db")) as connection:
        rows = dict(connection.execute("select status, count(*) from ledger group by status"))
    assert rows["settled"] == calls.distinct
    assert calls.received - calls.distinct <= min(rows["unknown"], 4 * kills)  # sent, and their end not recorded
    assert rows["unknown"] <= 5 * kills  # the next in line was reserved as well


def test_another_embedding_model_serves_after_ingest_and_check_and_each_text_is_bought_once(
    first_night: tuple[Checkout, dict[str, Any]], after_first_night: Checkout, fault_server: RunningServer
) -> None:
    checkout, first_texts = after_first_night, first_night[1]["ingest"]["texts_embedded"]
    embedding = {"model": "openai/text-embedding-3-small", "dimensions": 64, "shorten": True, "batch_texts": 64}
    environment = hosted(checkout, fault_server, embedding=embedding)
    refused = checkout.run("search", "refund", **environment)
    assert refused.status == 2
    assert "holds the vectors of another embedder than 'openai/text-embedding-3-small'" in refused.stderr
    said = json.loads(checkout.run("ingest", "--json", **environment).stdout)
    assert (said["documents"]["changed"], said["texts_embedded"]) == (42, first_texts)
    table = lancedb.connect(checkout.folder / "state/lancedb").open_table("support")
    assert table.schema.field("vector").type.list_size == 64
    assert json.loads(checkout.run("check", "--report-only", "--json", **environment).stdout)["version"] > 0
    calls = fault_server.calls("/v1/embeddings")
    assert calls.repeated == 0
    again = json.loads(checkout.run("ingest", "--json", **environment).stdout)
    assert again["texts_embedded"] == 0
    assert fault_server.calls("/v1/embeddings").received == calls.received
