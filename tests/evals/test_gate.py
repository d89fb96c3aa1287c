"""Gates: which version may serve, and which floors are refused."""

import pytest

from evals.gate import judge_retrieval, read_gates
from evals.retrieval import MEASURES, RetrievalQuality
from knowledge.errors import ContentError

FLOORS = {"recall@5": 0.7, "MRR@10": 0.6}


def _quality(queries, recall=0.8, reciprocal=0.7):
    metrics = {"recall@5": recall, "MRR@10": reciprocal, "nDCG@10": 0.65} if queries else {}
    return RetrievalQuality(metrics, {f"q{number}": metrics for number in range(queries)}, ())


@pytest.mark.parametrize(
    ("quality", "floors", "verdict", "opens", "reason"),
    [
        (_quality(20), FLOORS, "pass", True, "20 queries, every floor holds"),
        (_quality(20, recall=0.7, reciprocal=0.6), FLOORS, "pass", True, "20 queries, every floor holds"),
        (_quality(20, recall=0.69), FLOORS, "fail", False, "recall@5 0.690 is under its floor 0.700"),
        (
            _quality(99, recall=0.1, reciprocal=0.2),
            FLOORS,
            "fail",
            False,
            "recall@5 0.100 is under its floor 0.700; MRR@10 0.200 is under its floor 0.600",
        ),
        (_quality(0), FLOORS, "not enough evidence", True, "no labelled queries"),
        (_quality(0), {}, "not enough evidence", True, "no labelled queries"),
        (_quality(19), FLOORS, "not enough evidence", True, "19 labelled queries, 20 are needed"),
        (_quality(19, recall=0.0), FLOORS, "not enough evidence", True, "19 labelled queries, 20 are needed"),
        (_quality(20), {}, "not enough evidence", True, "no floors in gates.yaml"),
        (_quality(20, recall=0.0), {"nDCG@10": 0.65}, "pass", True, "20 queries, every floor holds"),
    ],
)
def test_a_version_may_serve_unless_enough_queries_find_it_under_a_floor(quality, floors, verdict, opens, reason):
    gate = judge_retrieval(quality, floors, min_queries=20)
    assert (gate.verdict, gate.opens, gate.reason) == (verdict, opens, reason)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("floors: {support: {recal@5: 0.7}}", f"no measure is called 'recal@5'; there are {', '.join(MEASURES)}"),
        ("floors: {support: {recall@5: 1.01}}", "support: the floor of recall@5 is 1.01; it must be between 0 and 1"),
        ("floors: {support: {recall@5: 70}}", "support: the floor of recall@5 is 70.0; it must be between 0 and 1"),
        ("floors: {support: {recall@5: -0.1}}", "support: the floor of recall@5 is -0.1"),
        ("floors: {support: {recall@5: .nan}}", "'floors.support.recall@5' is nan"),
        ("floors: {support: {recall@5: high}}", "'floors.support.recall@5' is 'high'"),
        ("floors: {support: 0.7}", "'floors.support' is 0.7"),
        ("min_queries: 0", "'min_queries' is 0"),
        ("min_queries: few", "'min_queries' is 'few'"),
        ("minimum: 20", "unknown key 'minimum'. Known there: floors, min_queries."),
    ],
)
def test_wrong_gates_are_refused_with_file_and_key(tmp_path, text, named):
    path = tmp_path / "gates.yaml"
    path.write_text(text)
    with pytest.raises(ContentError) as caught:
        read_gates(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "min_queries", "floors"),
    [
        ("min_queries: 5", 5, {}),
        ("floors: {}", 20, {}),
        ("floors: {support: {recall@5: 0, MRR@10: 1}}", 20, {"support": {"recall@5": 0.0, "MRR@10": 1.0}}),
    ],
)
def test_gates_are_read_as_written(tmp_path, text, min_queries, floors):
    path = tmp_path / "gates.yaml"
    path.write_text(text)
    gates = read_gates(path)
    assert (gates.min_queries, gates.floors) == (min_queries, floors)
