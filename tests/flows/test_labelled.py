"""Labelled queries of a version, and the comparison with the one that is proven."""

from pathlib import Path

import pytest
from made_versions import QUERIES, TEXTS, ask, connections_to, make_version

from evals.gate import Gates, judge_retrieval
from flows.connect import Connections
from flows.labelled import Compared, compare_with, measure_version
from flows.pointers import Standing
from flows.retrieved import hold_results

ROOT = Path(__file__).parents[2]


@pytest.fixture
def connections(tmp_path: Path) -> Connections:
    return connections_to(tmp_path)


@pytest.mark.parametrize(
    ("fact", "lost", "verdict"),
    [("nothing has changed", 0, "pass"), ("a third of the documents says nothing any more", 9, "fail")],
)
def test_a_candidate_is_held_against_what_serves(connections: Connections, fact: str, lost: int, verdict: str) -> None:
    ask(connections, *QUERIES)
    serving = make_version(connections, TEXTS)
    version = make_version(
        connections, dict.fromkeys(list(TEXTS)[:lost], "This page was moved.") or {"d/new": "Another."}
    )
    measured = measure_version(connections, "mine", version)
    tonight = compare_with(connections, "mine", Standing(version, serving, serving), measured).differences[version]
    gates = Gates(floors={"mine": {"recall@5": 0.1}})
    assert judge_retrieval(measured.quality, gates, "mine", tonight=tonight).verdict == verdict, fact


def test_a_version_held_against_itself_has_lost_nothing(connections: Connections) -> None:
    ask(connections, {"id": "q", "text": "refund", "relevant": {"d/a": 2}})
    serving = make_version(connections, {"d/a": "A refund."})
    measured = measure_version(connections, "mine", serving)
    compared = compare_with(connections, "mine", Standing(serving, serving, serving), measured)
    assert compared.differences[serving].differences == {"q": 0.0}


def test_what_has_vectors_of_another_embedder_is_not_asked(connections: Connections) -> None:
    ask(connections, {"id": "q", "text": "refund", "relevant": {"d/a": 2}})
    serving = make_version(connections, {"d/a": "A refund."}, embed_id="another")
    version = make_version(connections, {"d/a": "A refund."})
    measured = measure_version(connections, "mine", version)
    assert compare_with(connections, "mine", Standing(version, serving, serving), measured) == Compared()


def test_what_serves_unproven_with_vectors_of_another_embedder_is_left_out(connections: Connections) -> None:
    ask(connections, {"id": "q", "text": "refund", "relevant": {"d/a": 2}})
    proven = make_version(connections, {"d/a": "A refund."})
    serving = make_version(connections, {"d/a": "A refund."}, embed_id="another")
    version = make_version(connections, {"d/a": "A refund."})
    measured = measure_version(connections, "mine", version)
    compared = compare_with(connections, "mine", Standing(version, serving, proven), measured)
    assert compared.differences.keys() == {version}


def test_what_supersedes_another_document_breaks_no_contract(connections: Connections) -> None:
    folder = connections.project.knowledge / "expectations"
    folder.mkdir(parents=True)
    (folder / "retrieval.json").write_text((ROOT / "knowledge/expectations/retrieval.json").read_text())
    ask(connections, *QUERIES)
    make_version(connections, TEXTS)
    old = next(iter(TEXTS))
    version = make_version(connections, {old: TEXTS[old]}, superseded_by=list(TEXTS)[1])
    assert hold_results(connections, "mine", measure_version(connections, "mine", version).found) == ()


def test_a_query_that_nobody_has_reviewed_is_not_asked(connections: Connections) -> None:
    ask(connections, {"id": "q", "text": "refund", "relevant": {"d/a": 2}, "reviewed": False})
    measured = measure_version(connections, "mine", make_version(connections, {"d/a": "A refund."}))
    assert measured.found == {}
    assert measured.quality.unreviewed == ("q",)


def test_labels_on_passages_and_quotes_count_as_those_on_documents(connections: Connections) -> None:
    ask(
        connections,
        {"id": "passage", "text": "refund", "relevant_chunks": {"d/a#0": 2}},
        {"id": "quote", "text": "refund", "relevant_spans": [{"doc_id": "d/a", "quote": "a Refund", "grade": 2}]},
        {"id": "gone", "text": "refund", "relevant_chunks": {"d/a#7": 2}},
    )
    quality = measure_version(
        connections, "mine", make_version(connections, {"d/a": "A refund.", "d/b": "A parcel."})
    ).quality
    assert {query: scores["nDCG@10"] for query, scores in quality.per_query.items()} == {"passage": 1.0, "quote": 1.0}
    assert quality.stale == ("gone",)


def test_a_glob_of_what_must_not_be_retrieved_that_is_like_no_document_is_named(connections: Connections) -> None:
    visitor = {"name": "visitor", "must_not_retrieve": ["d/a", "pepole/**"]}
    ask(connections, {"id": "q", "text": "refund", "relevant": {"d/a": 2}}, principals=[visitor])
    measured = measure_version(connections, "mine", make_version(connections, {"d/a": "A refund."}))
    assert measured.unmatched == ("'pepole/**' of principal 'visitor'",)
