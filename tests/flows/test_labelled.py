"""Labelled queries of a version, and the comparison with the version that serves."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml

from evals.gate import judge_retrieval
from flows.connect import Connections
from flows.labelled import compare_with, measure_version
from flows.params import Project
from knowledge.terms import terms_of

WORDS = ("refund", "invoice", "holiday", "printer", "password", "workshop", "parcel", "garden", "meeting", "contract")
NAMES = [f"{one} {other}" for one in WORDS for other in WORDS[:3] if one != other]


@pytest.fixture
def connections(tmp_path: Path) -> Connections:
    (tmp_path / "params.yaml").write_text("min_free_mb: 0\n")
    return Connections(Project(tmp_path, tmp_path / "state", f"sqlite:///{tmp_path / 'state.db'}", None))


def _ask(connections: Connections, *queries: dict[str, Any]) -> None:
    folder = connections.project.evals / "queries"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text(yaml.safe_dump({"collection": "mine", "queries": list(queries)}))


def _version(connections: Connections, texts: dict[str, str], embed_id: str | None = None) -> int:
    """A version in which these documents have these texts."""
    collection = connections.store.create("mine")
    plain = {field.name: "" for field in connections.store.schema if field.type == pa.string()}
    rows = [
        {
            **plain,
            **{"headings": [], "findings": [], "languages": ["eng"], "groups": ["public"], "ordinal": 0, "tokens": 4},
            **{"chunk_id": f"{doc_id}#0", "doc_id": doc_id, "text": text, "terms": terms_of(text, ["eng"])},
            **{"embed_id": embed_id or connections.embedder.embed_id, "modified_at": 0, "duplicate_of": None},
            "vector": connections.embedder.embed([text])[0].tolist(),
        }
        for doc_id, text in texts.items()
    ]
    staged = collection.stage(pa.Table.from_pylist(rows, schema=connections.store.schema))
    collection.commit(staged, connections.store.schema, replaced=list(texts))
    collection.upkeep()
    return collection.version


@pytest.mark.parametrize(
    ("fact", "lost", "verdict"),
    [("nothing has changed", 0, "pass"), ("a third of the documents says nothing any more", 9, "fail")],
)
def test_a_candidate_is_held_against_what_serves(connections: Connections, fact: str, lost: int, verdict: str) -> None:
    _ask(connections, *({"id": name, "text": f"about {name}", "relevant": {f"d/{name}": 2}} for name in NAMES))
    texts = {f"d/{name}": f"Everything about {name} stands here." for name in NAMES}
    serving = _version(connections, texts)
    version = _version(connections, dict.fromkeys(list(texts)[:lost], "This page was moved.") or {"d/new": "Another."})
    quality = measure_version(connections, "mine", version)
    tonight = compare_with(connections, "mine", serving, version, quality)
    assert judge_retrieval(quality, {"recall@5": 0.1}, min_queries=20, tonight=tonight).verdict == verdict, fact


def test_a_version_held_against_itself_has_lost_nothing(connections: Connections) -> None:
    _ask(connections, {"id": "q", "text": "refund", "relevant": {"d/a": 2}})
    serving = _version(connections, {"d/a": "A refund."})
    tonight = compare_with(connections, "mine", serving, serving, measure_version(connections, "mine", serving))
    assert tonight is not None
    assert tonight.differences == {"q": 0.0}


def test_what_has_vectors_of_another_embedder_is_not_asked(connections: Connections) -> None:
    _ask(connections, {"id": "q", "text": "refund", "relevant": {"d/a": 2}})
    serving = _version(connections, {"d/a": "A refund."}, embed_id="another")
    version = _version(connections, {"d/a": "A refund."})
    assert compare_with(connections, "mine", serving, version, measure_version(connections, "mine", version)) is None


def test_labels_on_passages_and_quotes_count_as_those_on_documents(connections: Connections) -> None:
    _ask(
        connections,
        {"id": "passage", "text": "refund", "relevant_chunks": {"d/a#0": 2}},
        {"id": "quote", "text": "refund", "relevant_spans": [{"doc_id": "d/a", "quote": "a Refund", "grade": 2}]},
        {"id": "gone", "text": "refund", "relevant_chunks": {"d/a#7": 2}},
    )
    quality = measure_version(connections, "mine", _version(connections, {"d/a": "A refund.", "d/b": "A parcel."}))
    assert {query: scores["nDCG@10"] for query, scores in quality.per_query.items()} == {"passage": 1.0, "quote": 1.0}
    assert quality.stale == ("gone",)
