"""Retrieval quality against numbers computed by hand."""

from math import log2

import pytest
import yaml

from evals.retrieval import Query, measure_retrieval, queries_digest, read_queries
from knowledge.errors import ContentError

DOCUMENTS = {*"abcdefghijkl", "x", "y", "z"}


def _query(name, **relevant):
    return Query(id=name, text=f"about {name}", relevant=relevant)


# an ideal ranking of the labels a: 2, b: 1 has the gain 2 / log2(2) + 1 / log2(3)
IDEAL = 2 + 1 / log2(3)


@pytest.mark.parametrize(
    ("ranking", "recall", "reciprocal", "ndcg"),
    [
        ("ab", 1.0, 1.0, 1.0),
        ("ba", 1.0, 1.0, (1 + 2 / log2(3)) / IDEAL),
        ("a", 0.5, 1.0, 2 / IDEAL),
        ("b", 0.5, 1.0, 1 / IDEAL),
        ("xayb", 1.0, 1 / 2, (2 / log2(3) + 1 / log2(5)) / IDEAL),
        ("xyzcda", 0.0, 1 / 6, (2 / log2(7)) / IDEAL),
        ("xyzcdefghba", 0.0, 1 / 10, (1 / log2(11)) / IDEAL),
        ("xyzcdefghija", 0.0, 0.0, 0.0),
        ("xyz", 0.0, 0.0, 0.0),
        ("", 0.0, 0.0, 0.0),
    ],
    ids=lambda value: (value or "nothing found") if isinstance(value, str) else "",
)
def test_a_ranking_scores_what_a_hand_computes(ranking, recall, reciprocal, ndcg):
    quality = measure_retrieval([_query("q", a=2, b=1)], {"q": list(ranking)}, DOCUMENTS)
    assert quality.per_query["q"] == pytest.approx({"recall@5": recall, "MRR@10": reciprocal, "nDCG@10": ndcg})


def test_the_means_are_over_all_judged_queries():
    queries = [_query("first", a=2), _query("second", b=2), _query("third", c=1)]
    quality = measure_retrieval(queries, {"first": ["a"], "second": ["x", "b"], "third": ["x"]}, DOCUMENTS)
    assert quality.judged == 3
    assert quality.metrics == {
        "recall@5": round(2 / 3, 4),
        "MRR@10": round((1 + 1 / 2) / 3, 4),
        "nDCG@10": round((1 + 1 / log2(3)) / 3, 4),
    }


@pytest.mark.parametrize(
    ("ranking", "reciprocal"),
    [("aaab", 1.0), ("xxxa", 1 / 2), ("xyxyxya", 1 / 3), ("xxxxxxxxxxxxa", 1 / 2)],
)
def test_a_document_found_by_several_passages_counts_at_its_first_place_alone(ranking, reciprocal):
    quality = measure_retrieval([_query("q", a=2)], {"q": list(ranking)}, DOCUMENTS)
    assert quality.per_query["q"]["MRR@10"] == pytest.approx(reciprocal)
    assert quality.per_query["q"]["recall@5"] == 1.0


@pytest.mark.parametrize(("ranking", "reciprocal"), [("za", 1.0), ("az", 1 / 2)])
def test_the_order_of_the_ranking_counts_and_not_that_of_the_names(ranking, reciprocal):
    quality = measure_retrieval([_query("q", z=1)], {"q": list(ranking)}, DOCUMENTS)
    assert quality.per_query["q"]["MRR@10"] == pytest.approx(reciprocal)


@pytest.mark.parametrize("ranked", [{}, {"q": []}], ids=["no ranking", "an empty ranking"])
def test_a_query_without_results_scores_zero_and_is_judged(ranked):
    quality = measure_retrieval([_query("q", a=2)], ranked, DOCUMENTS)
    assert quality.judged == 1
    assert quality.metrics == {"recall@5": 0.0, "MRR@10": 0.0, "nDCG@10": 0.0}


def test_a_query_without_results_lowers_the_mean():
    quality = measure_retrieval([_query("found", a=2), _query("lost", b=2)], {"found": ["a"]}, DOCUMENTS)
    assert quality.metrics == {"recall@5": 0.5, "MRR@10": 0.5, "nDCG@10": 0.5}


def test_a_query_whose_documents_are_all_gone_is_stale_and_does_not_count():
    queries = [_query("z-old", gone=2), _query("kept", a=2), _query("a-old", gone=1, lost=2)]
    ranked = {"z-old": ["x"], "kept": ["a"], "a-old": ["gone"]}
    quality = measure_retrieval(queries, ranked, DOCUMENTS)
    assert quality.stale == ("a-old", "z-old")
    assert set(quality.per_query) == {"kept"}
    assert quality.metrics == {"recall@5": 1.0, "MRR@10": 1.0, "nDCG@10": 1.0}


def test_a_label_on_a_document_that_is_gone_does_not_count_against_the_others():
    quality = measure_retrieval([_query("q", a=2, gone=2)], {"q": ["a"]}, DOCUMENTS)
    assert quality.stale == ()
    assert quality.metrics == {"recall@5": 1.0, "MRR@10": 1.0, "nDCG@10": 1.0}


@pytest.mark.parametrize("queries", [[], [_query("q", gone=2)]], ids=["no queries", "only stale queries"])
def test_without_a_judged_query_there_are_no_means(queries):
    quality = measure_retrieval(queries, {"q": ["a"]}, DOCUMENTS)
    assert quality.judged == 0
    assert quality.metrics == {}


def test_the_same_rankings_give_the_same_scores():
    queries = [_query("first", a=2, b=1), _query("second", c=1)]
    ranked = {"first": list("xbya"), "second": list("dcx")}
    assert measure_retrieval(queries, ranked, DOCUMENTS) == measure_retrieval(queries, ranked, DOCUMENTS)


def _write(folder, name, collection, *queries):
    (folder / f"{name}.yaml").write_text(yaml.safe_dump({"collection": collection, "queries": list(queries)}))


def test_the_queries_of_a_collection_are_those_of_all_its_files(tmp_path):
    _write(tmp_path, "b", "support", {"id": "second", "text": "two", "relevant": {"s/b": 1}})
    _write(tmp_path, "a", "support", {"id": "first", "text": "one", "relevant": {"s/a": 2}, "groups": ["hr"]})
    _write(tmp_path, "c", "sales", {"id": "third", "text": "three", "relevant": {"s/c": 2}})
    assert read_queries(tmp_path, "support") == [
        Query(id="first", text="one", groups=("hr",), relevant={"s/a": 2}),
        Query(id="second", text="two", relevant={"s/b": 1}),
    ]


def test_a_collection_without_written_queries_has_none(tmp_path):
    _write(tmp_path, "c", "sales", {"id": "third", "text": "three", "relevant": {"s/c": 2}})
    assert read_queries(tmp_path, "support") == []


@pytest.mark.parametrize(
    ("queries", "named"),
    [
        ([{"id": "q", "text": "", "relevant": {"s/a": 2}}], "'queries.0.text' is ''"),
        ([{"id": "q", "text": "one", "relevant": {}}], "'queries.0.relevant' is {}"),
        ([{"id": "q", "text": "one"}], "key 'queries.0.relevant' is missing"),
        ([{"id": "q", "text": "one", "relevant": {"s/a": "much"}}], "'queries.0.relevant.s/a' is 'much'"),
        ([{"id": "q", "text": "one", "relevant": {"s/a": 2}, "group": []}], "unknown key 'queries.0.group'"),
        ([], "'queries' is []"),
        ([{"id": "q", "text": "one", "relevant": {"s/a": 2}}] * 2, "query id 'q' stands twice"),
    ],
)
def test_wrong_queries_are_refused_with_file_and_key(tmp_path, queries, named):
    _write(tmp_path, "wrong", "support", *queries)
    with pytest.raises(ContentError) as caught:
        read_queries(tmp_path, "support")
    assert str(caught.value).startswith(f"{tmp_path / 'wrong.yaml'}: ")
    assert named in str(caught.value)


@pytest.mark.parametrize(
    "other",
    [_query("q", a=1), _query("p", a=2), Query(id="q", text="about q", groups=("hr",), relevant={"a": 2})],
    ids=["another grade", "another id", "another reader"],
)
def test_the_digest_of_queries_changes_with_what_they_say(other):
    assert queries_digest([_query("q", a=2)]) != queries_digest([other])


def test_a_query_id_in_two_files_of_a_collection_is_refused(tmp_path):
    content = {"collection": "help", "queries": [{"id": "q", "text": "refund", "relevant": {"a": 2}}]}
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(ContentError, match=r"two\.yaml: query id 'q' stands twice"):
        read_queries(tmp_path, "help")


@pytest.mark.parametrize("wrong", [{"groups": ["Bad Group"]}, {"relevant": {"a": 22}}, {"relevant": {"a": 0}}])
def test_a_wrong_label_is_refused_with_its_key(tmp_path, wrong):
    query = {"id": "q", "text": "refund", "relevant": {"a": 2}} | wrong
    (tmp_path / "one.yaml").write_text(yaml.safe_dump({"collection": "help", "queries": [query]}))
    with pytest.raises(ContentError, match=r"queries\.0\.(groups|relevant)"):
        read_queries(tmp_path, "help")
