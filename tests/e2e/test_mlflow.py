"""Nights in MLflow: they compare, people are heard, and a server and the file beneath it are one and the same."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from checkout import Checkout
from mlflow.entities import AssessmentSource, Feedback
from mlflow.tracing.client import TracingClient
from mlflow.tracking import MlflowClient

First = tuple[Checkout, dict[str, Any]]


@contextmanager
def served(state: Path) -> Iterator[str]:
    """A real MLflow server on the state folder's file, with the same place for artifacts."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    place = ["--backend-store-uri", f"sqlite:///{state / 'mlflow.db'}", "--default-artifact-root"]
    words = [*place, (state / "artifacts").as_uri(), "--no-serve-artifacts", "--workers", "1", "--port", str(port)]
    with (state / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", *words],
            env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield _answering(f"http://127.0.0.1:{port}", server)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def _answering(url: str, server: subprocess.Popen[bytes]) -> str:
    while server.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/health"):
                return url
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise AssertionError("the MLflow server ended before it answered")


@dataclass(frozen=True)
class Nights:
    """Two nights of one state: one on the file, then, when a person has spoken through the server, one on the file that
    is killed at its end and resumed through the server."""

    checkout: Checkout
    said: list[dict[str, Any]]
    direct: MlflowClient
    server: MlflowClient

    def run(self, number: int) -> Any:
        return self.direct.get_run(self.said[number]["mlflow_run_id"])

    def database(self, query: str) -> list[Any]:
        with closing(sqlite3.connect(self.checkout.folder / "state/plumbline.db")) as connection:
            return connection.execute(query).fetchall()


@pytest.fixture(scope="module")
def nights(first_night: First, copied: Checkout) -> Iterator[Nights]:
    first = first_night[1]
    state = copied.folder / "state/mlflow"
    with served(state) as url:
        traces = MlflowClient(url).search_traces(locations=["1"], run_id=first["mlflow_run_id"], include_spans=False)
        person = AssessmentSource("HUMAN", "ada")
        word = Feedback(name="correct", value=False, source=person, rationale="the answer follows the document")
        TracingClient(url).log_assessment(traces[0].info.trace_id, word)
        copied.edit("knowledge/manifests/support.yaml", "limit: 6", "limit: 5")
        copied.edit("knowledge/manifests/support.yaml", "Question: {{question}}", "The question: {{question}}")
        second = copied.json("nightly", "--night", "2026-11-03")
        with closing(sqlite3.connect(copied.folder / "state/plumbline.db")) as connection:
            connection.execute("update night set status = 'running', summary = null where night = '2026-11-03'")
            connection.commit()
        resumed = copied.run("nightly", "--night", "2026-11-03", "--json", MLFLOW_TRACKING_URI=url)
        assert resumed.status == 0, resumed.stderr
        assert json.loads(resumed.stdout)["mlflow_run_id"] == second["mlflow_run_id"]
        assert json.loads(resumed.stdout)["assessments"] == []  # kept already
        yield Nights(copied, [first, second], MlflowClient(f"sqlite:///{state / 'mlflow.db'}"), MlflowClient(url))


def test_nights_have_the_same_metrics_at_the_same_step(nights: Nights) -> None:
    runs = [nights.run(number) for number in range(2)]
    assert len({frozenset(run.data.metrics) for run in runs}) == 1
    steps = {
        (name, each.step, len(history))
        for run in runs
        for name in ("pass_rate/all", "retrieval/ndcg_at_10", "ingest/chunks")
        for history in [nights.direct.get_metric_history(run.info.run_id, name)]
        for each in history
    }
    assert steps == {("pass_rate/all", 0, 1), ("retrieval/ndcg_at_10", 0, 1), ("ingest/chunks", 0, 1)}


def test_what_a_person_changed_is_a_parameter_of_its_own(nights: Nights) -> None:
    first, second = (nights.run(number).data.params for number in range(2))
    differ = {name for name in first if first[name] != second[name]}
    assert differ == {"retrieval.limit", "prompt_version"}
    assert (first["retrieval.limit"], second["retrieval.limit"]) == ("6", "5")
    assert set(first) == set(second)
    assert {"splitting.max_tokens", "retrieval.max_context_tokens", "route", "recipe.embed_id"} <= set(first)


def test_a_resumed_night_has_one_run_one_child_a_flow_and_its_traces_once(nights: Nights) -> None:
    run_id = nights.said[1]["mlflow_run_id"]
    found = nights.direct.search_runs(["1"], f"tags.`mlflow.parentRunId` = '{run_id}'")
    assert sorted(run.data.tags["plumbline.flow"] for run in found) == ["check", "evaluate", "ingest"]
    traces = nights.direct.search_traces(locations=["1"], run_id=run_id, include_spans=False)
    cases = [trace.info.tags["plumbline.case"] for trace in traces]
    assert sorted(cases) == sorted(set(cases))
    assert nights.run(1).info.status == "FINISHED"


def test_nights_through_the_server_and_on_the_file_are_in_one_experiment(nights: Nights) -> None:
    runs = [client.search_runs(["1"], "tags.`plumbline.flow` = 'nightly'") for client in (nights.direct, nights.server)]
    names = [[run.info.run_name for run in found] for found in runs]
    assert names == [["support 2026-11-03", "support 2026-11-02"]] * 2
    assert [each.name for each in nights.direct.search_experiments()] == ["support", "Default"]


@pytest.mark.parametrize(
    "name", ["report.html", "drift.html", "cases.json", "data_docs/chunks.html", "data_docs/collection.html"]
)
def test_pages_open_from_the_run_both_ways(nights: Nights, name: str, tmp_path: Path) -> None:
    for number, client in ((0, nights.direct), (0, nights.server), (1, nights.direct), (1, nights.server)):
        path = client.download_artifacts(nights.said[number]["mlflow_run_id"], name, str(tmp_path))
        text = Path(path).read_text(encoding="utf-8")
        assert len(text) > 1000
        assert "<script" not in text


def test_a_night_that_staged_nothing_shows_the_data_docs_of_the_last_that_did(nights: Nights, tmp_path: Path) -> None:
    assert [nights.run(number).data.metrics["ingest/rows_validated"] > 0 for number in range(2)] == [True, False]
    path = nights.direct.download_artifacts(nights.said[1]["mlflow_run_id"], "data_docs/chunks.html", str(tmp_path))
    assert "2026-11-02, " in Path(path).read_text(encoding="utf-8")


def test_a_failed_answer_is_a_trace_with_the_steps_of_the_answer(nights: Nights) -> None:
    for number in range(2):
        failed = {row["case"] for row in nights.said[number]["evaluate"]["cases"] if row["passed"] is not True}
        comparison = nights.said[number]["evaluate"]["comparison"] or {"lost": [], "gained": []}
        flipped = {name.partition("/")[2] for name in (*comparison["lost"], *comparison["gained"])}
        traces = nights.server.search_traces(locations=["1"], run_id=nights.said[number]["mlflow_run_id"])
        assert {trace.info.tags["plumbline.case"] for trace in traces} == failed | flipped
        for trace in traces:
            steps = {span.name: span.span_type for span in trace.data.spans}
            assert steps["answer"] == "CHAIN"
            if len(steps) > 2:
                assert (steps["retrieve"], steps["call"]) == ("RETRIEVER", "LLM")
            assert {each.source.source_type for each in trace.info.assessments} <= {"CODE", "HUMAN"}


def test_a_word_given_through_the_server_is_heard_the_next_night_and_once(nights: Nights) -> None:
    assert [[each["name"] for each in said["assessments"]] for said in nights.said] == [[], ["correct"]]
    (heard,) = nights.said[1]["assessments"]
    assert (heard["value"], heard["source"], heard["night"]) == (False, "ada", "2026-11-02")
    kept = nights.database("select suite, case_id, case_digest, name, source, rationale from assessment")
    asked = nights.database(
        f"select suite, case_id, case_digest from result where night = '2026-11-02' and case_id = '{heard['case_id']}'"
    )
    assert kept == [(*asked[0], "correct", "ada", "the answer follows the document")]


def test_a_changed_prompt_is_a_new_version_and_what_serves_is_its_alias(nights: Nights) -> None:
    assert [said["prompt_version"] for said in nights.said] == ["support/1", "support/2"]
    for client in (nights.direct, nights.server):
        assert client.get_prompt_version_by_alias("support", "production").version == 2
        assert client.get_prompt_version("support", 2).template[1]["content"].endswith("The question: {{question}}\n")
    assert nights.run(1).data.tags["mlflow.linkedPrompts"] == '[{"name": "support", "version": "2"}]'
