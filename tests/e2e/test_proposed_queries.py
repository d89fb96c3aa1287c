"""Labelled queries proposed by a model: reviewed by nobody, counted nowhere, and never twice for one passage."""

import yaml
from checkout import Checkout

from faults.running import RunningServer


def test_a_model_proposes_and_a_person_reviews(after_first_night: Checkout, fault_server: RunningServer) -> None:
    checkout = after_first_night
    line = checkout.error("queries", "propose")
    assert "no hosted model of its route can be asked" in line
    environment = {"OPENAI_BASE_URL": fault_server.base_url, "OPENAI_API_KEY": "any"}
    before = checkout.json("check")
    path = checkout.folder / "evals/queries/proposed-support.yaml"
    said = checkout.run("queries", "propose", "--count", "3", **environment)
    assert said.status == 0, said.stderr
    assert "Review       3 proposals, written to evals/queries/proposed-support.yaml" in said.stdout
    queries = yaml.safe_load(path.read_text(encoding="utf-8"))["queries"]
    assert [query["reviewed"] for query in queries] == [False] * 3
    ids = {query["id"] for query in queries}
    after = checkout.json("check")
    assert (after["queries"], after["metrics"]) == (before["queries"], before["metrics"])
    checkout.run("queries", "propose", "--count", "3", **environment)
    queries = yaml.safe_load(path.read_text(encoding="utf-8"))["queries"]
    assert len(queries) == 6
    assert len({query["id"] for query in queries} - ids) == 3
    for query in queries:
        del query["reviewed"]
    path.write_text(yaml.safe_dump({"collection": "support", "queries": queries}), encoding="utf-8")
    assert checkout.json("check")["queries"] == before["queries"] + 6


def test_where_the_model_does_not_answer_nothing_is_written(
    after_first_night: Checkout, fault_server: RunningServer
) -> None:
    fault_server.set(faults=[{"kind": "server_error"}])
    environment = {"OPENAI_BASE_URL": fault_server.base_url, "OPENAI_API_KEY": "any"}
    said = after_first_night.run("queries", "propose", "--count", "1", **environment)
    assert "Missing " in said.stdout
    assert "nothing is written" in said.stdout
    assert not (after_first_night.folder / "evals/queries/proposed-support.yaml").exists()
