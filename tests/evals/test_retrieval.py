"""Retrieval quality against numbers computed by hand."""

from dataclasses import replace
from math import log2
from types import MappingProxyType

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from evals.labels import Indexed
from evals.query import Query, queries_digest, read_queries
from evals.retrieval import MEASURES, measure_retrieval
from knowledge.errors import ContentError
from knowledge.record import Hit

DOCUMENTS = {*"abcdefghijkl", "x", "y", "z"}


def _query(name, **relevant):
    return Query(id=name, text=f"about {name}", relevant=relevant)


def _hit(doc_id, *, ordinal=0, text="", score=1.0):
    return Hit(f"{doc_id}#{ordinal}", doc_id, "sha", f"docs/{doc_id}", doc_id, text, score)


def _measure(queries, ranked, *, duplicates=MappingProxyType({}), **options):
    found = {query: [_hit(doc_id) for doc_id in doc_ids] for query, doc_ids in ranked.items()}
    return measure_retrieval(queries, found, Indexed(DOCUMENTS, duplicates), **options)


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
    quality = _measure([_query("q", a=2, b=1)], {"q": list(ranking)})
    scores = {"recall@5": recall, "MRR@10": reciprocal, "nDCG@10": ndcg}
    assert {name: quality.per_query["q"][name] for name in scores} == pytest.approx(scores)


def test_the_means_are_over_all_judged_queries():
    queries = [_query("first", a=2), _query("second", b=2), _query("third", c=1)]
    quality = _measure(queries, {"first": ["a"], "second": ["x", "b"], "third": ["x"]})
    assert quality.judged == 3
    assert quality.metrics == {
        "precision@5": round(2 / 5 / 3, 4),
        "recall@20": round(2 / 3, 4),
        "recall@5": round(2 / 3, 4),
        "MRR@10": round((1 + 1 / 2) / 3, 4),
        "nDCG@10": round((1 + 1 / log2(3)) / 3, 4),
    }


@pytest.mark.parametrize(
    ("ranking", "precision", "recall"),
    [
        ("ab", 2 / 5, 1.0),
        ("xyzca", 1 / 5, 1 / 2),
        ("xyzcda", 0.0, 1 / 2),
        ("xyzcdefghijklmnopqrab", 0.0, 1 / 2),
        ("xyzcdefghijklmnopqrab"[::-1], 2 / 5, 1.0),
        ("", 0.0, 0.0),
    ],
)
def test_precision_is_of_five_places_and_recall_of_twenty(ranking, precision, recall):
    scores = _measure([_query("q", a=2, b=1)], {"q": list(ranking)}).per_query["q"]
    assert (scores["precision@5"], scores["recall@20"]) == pytest.approx((precision, recall))


@pytest.mark.parametrize(
    ("fact", "labels", "duplicates", "ndcg"),
    [
        ("the one that stands for it is found", {"b": 2}, {"b": "a"}, 1.0),
        ("nothing stands for it", {"b": 2}, {}, 0.0),
        ("one stands for two labels, and has the greater", {"b": 2, "c": 1}, {"b": "a", "c": "a"}, 1.0),
        ("its own label is the greater", {"a": 2, "b": 1}, {"b": "a"}, 1.0),
        ("another label is missed", {"b": 2, "x": 1}, {"b": "a"}, 2 / IDEAL),
    ],
)
def test_a_document_left_out_as_a_duplicate_is_found_by_the_one_that_stands_for_it(fact, labels, duplicates, ndcg):
    quality = _measure([_query("q", **labels)], {"q": ["a"]}, duplicates=duplicates)
    assert quality.per_query["q"]["nDCG@10"] == pytest.approx(ndcg), fact


@pytest.mark.parametrize(
    ("ranking", "reciprocal"),
    [("aaab", 1.0), ("xxxa", 1 / 2), ("xyxyxya", 1 / 3), ("xxxxxxxxxxxxa", 1 / 2)],
)
def test_a_document_found_by_several_passages_counts_at_its_first_place_alone(ranking, reciprocal):
    quality = _measure([_query("q", a=2)], {"q": list(ranking)})
    assert quality.per_query["q"]["MRR@10"] == pytest.approx(reciprocal)
    assert quality.per_query["q"]["recall@5"] == 1.0


@pytest.mark.parametrize(("ranking", "reciprocal"), [("za", 1.0), ("az", 1 / 2)])
def test_the_order_of_the_ranking_counts_and_not_that_of_the_names(ranking, reciprocal):
    quality = _measure([_query("q", z=1)], {"q": list(ranking)})
    assert quality.per_query["q"]["MRR@10"] == pytest.approx(reciprocal)


@pytest.mark.parametrize("ranked", [{}, {"q": []}], ids=["no ranking", "an empty ranking"])
def test_a_query_without_results_scores_zero_and_is_judged(ranked):
    quality = _measure([_query("q", a=2)], ranked)
    assert quality.judged == 1
    assert quality.metrics == dict.fromkeys(MEASURES, 0.0)


def test_a_query_without_results_lowers_the_mean():
    quality = _measure([_query("found", a=2), _query("lost", b=2)], {"found": ["a"]})
    assert quality.metrics == {**dict.fromkeys(MEASURES, 0.5), "precision@5": 0.1}


def test_a_query_whose_documents_are_all_gone_is_stale_and_does_not_count():
    queries = [_query("z-old", gone=2), _query("kept", a=2), _query("a-old", gone=1, lost=2)]
    ranked = {"z-old": ["x"], "kept": ["a"], "a-old": ["gone"]}
    quality = _measure(queries, ranked)
    assert quality.stale == ("a-old", "z-old")
    assert set(quality.per_query) == {"kept"}
    assert quality.metrics == {**dict.fromkeys(MEASURES, 1.0), "precision@5": 0.2}


def test_a_label_on_a_document_that_is_gone_does_not_count_against_the_others():
    quality = _measure([_query("q", a=2, gone=2)], {"q": ["a"]})
    assert quality.stale == ()
    assert quality.metrics == {**dict.fromkeys(MEASURES, 1.0), "precision@5": 0.2}


@pytest.mark.parametrize("queries", [[], [_query("q", gone=2)]], ids=["no queries", "only stale queries"])
def test_without_a_judged_query_there_are_no_means(queries):
    quality = _measure(queries, {"q": ["a"]})
    assert quality.judged == 0
    assert quality.metrics == {}


def test_the_same_rankings_give_the_same_scores():
    queries = [_query("first", a=2, b=1), _query("second", c=1)]
    ranked = {"first": list("xbya"), "second": list("dcx")}
    assert _measure(queries, ranked) == _measure(queries, ranked)


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


SPAN = {"doc_id": "s/a", "quote": "within 30 days", "grade": 2}
TWICE = "query 'q' has relevant and relevant"


@pytest.mark.parametrize(
    ("queries", "named"),
    [
        ([{"id": "q", "text": "", "relevant": {"s/a": 2}}], "'queries.0.text' is ''"),
        ([{"id": "q", "text": "one", "relevant": {}}], "'queries.0.relevant' is {}"),
        ([{"id": "q", "text": "one"}], "query 'q' has no label; give it exactly one of relevant"),
        ([{"id": "q", "text": "one", "relevant": {"s/a": "much"}}], "'queries.0.relevant.s/a' is 'much'"),
        ([{"id": "q", "text": "one", "relevant": {"s/a": 2}, "group": []}], "unknown key 'queries.0.group'"),
        ([{"id": "q", "text": "one", "relevant": {"s/a": 2}, "relevant_chunks": {"s/a#0": 2}}], f"{TWICE}_chunks;"),
        ([{"id": "q", "text": "one", "relevant": {"s/a": 2}, "relevant_spans": [SPAN]}], f"{TWICE}_spans;"),
        ([{"id": "q", "text": "one", "relevant_chunks": {"s/a#0": 3}}], "'queries.0.relevant_chunks.s/a#0' is 3"),
        ([{"id": "q", "text": "one", "relevant_spans": [SPAN | {"quote": " "}]}], "relevant_spans.0.quote' is ' '"),
        ([{"id": "q", "text": "one", "relevant_spans": [SPAN | {"start": 3}]}], "relevant_spans.0.start'"),
        ([{"id": "q", "text": "one", "relevant": {"s/a": 2}, "language": "Deutsch"}], "'queries.0.language' is"),
        ([{"id": "q", "text": "one", "relevant": {"s/a": 2}, "tags": "billing"}], "'queries.0.tags' is 'billing'"),
        ([{"id": "q", "text": "one", "relevant": {"s/a": 2}, "reviewed": "soon"}], "'queries.0.reviewed' is 'soon'"),
        ([], "'queries' is []"),
        ([{"id": "q", "text": "one", "relevant": {"s/a": 2}}] * 2, "query 'q' stands twice"),
    ],
)
def test_wrong_queries_are_refused_with_file_and_key(tmp_path, queries, named):
    _write(tmp_path, "wrong", "support", *queries)
    with pytest.raises(ContentError) as caught:
        read_queries(tmp_path, "support")
    assert str(caught.value).startswith(f"{tmp_path / 'wrong.yaml'}: ")
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "other",
    [
        _query("q", a=1),
        _query("p", a=2),
        Query(id="q", text="about q", groups=("hr",), relevant={"a": 2}),
        Query(id="q", text="about q", relevant_chunks={"a": 2}),
    ],
    ids=["another grade", "another id", "another reader", "another kind of label"],
)
def test_the_digest_of_queries_changes_with_what_they_say(other):
    assert queries_digest([_query("q", a=2)]) != queries_digest([other])


def test_a_query_id_in_two_files_of_a_collection_is_refused(tmp_path):
    content = {"collection": "help", "queries": [{"id": "q", "text": "refund", "relevant": {"a": 2}}]}
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(ContentError, match=r"two\.yaml: query 'q' stands twice"):
        read_queries(tmp_path, "help")


@pytest.mark.parametrize("wrong", [{"groups": ["Bad Group"]}, {"relevant": {"a": 22}}, {"relevant": {"a": 0}}])
def test_a_wrong_label_is_refused_with_its_key(tmp_path, wrong):
    query = {"id": "q", "text": "refund", "relevant": {"a": 2}} | wrong
    (tmp_path / "one.yaml").write_text(yaml.safe_dump({"collection": "help", "queries": [query]}))
    with pytest.raises(ContentError, match=r"queries\.0\.(groups|relevant)"):
        read_queries(tmp_path, "help")


def test_a_label_that_nobody_reviewed_is_named_and_counts_nowhere():
    proposed = Query(id="p", text="proposed", tags=("new",), language="de", reviewed=False, relevant={"a": 2})
    quality = _measure([_query("q", a=2), proposed], {"q": ["a"], "p": ["x", "y"]})
    assert quality == replace(_measure([_query("q", a=2)], {"q": ["a"]}), unreviewed=("p",))


def _tagged(name, tags, language, doc_id):
    return Query(id=name, text=f"about {name}", tags=tags, language=language, relevant={doc_id: 2})


def test_queries_are_measured_by_tag_and_by_language_as_well():
    queries = [
        _tagged("first", ("billing", "short"), "de", "a"),
        _tagged("second", ("billing",), "en", "b"),
        _tagged("third", (), None, "c"),
        _tagged("old", ("short",), "en", "gone"),
    ]
    quality = _measure(queries, {"first": ["a"], "second": ["x", "b"], "third": ["c"]})
    assert {tag: (each.queries, each.judged, each.metrics.get("MRR@10")) for tag, each in quality.by_tag.items()} == {
        "billing": (2, 2, 0.75),
        "short": (2, 1, 1.0),
    }
    by_language = {name: (each.queries, each.judged, each.empty_rate) for name, each in quality.by_language.items()}
    assert by_language == {"de": (1, 1, 0.0), "en": (2, 1, 0.5)}
    assert (quality.whole.queries, quality.whole.judged, quality.stale) == (4, 3, ("old",))


def test_a_set_of_queries_says_what_share_found_nothing_and_of_the_documents_was_found():
    documents = {f"d{number}" for number in range(20)} | {"hidden"}
    indexed = Indexed(documents, {"hidden": "d0"})
    found = {
        "first": [_hit(f"d{number}") for number in range(15)],  # ten of them count
        "second": [_hit("d0"), _hit("d0", ordinal=1), _hit("d11")],
        "third": [],
    }
    queries = [_query("first", d0=2), _query("second", d0=2), _query("third", d0=2), _query("fourth", d0=2)]
    whole = measure_retrieval(queries, found, indexed).whole
    assert (whole.empty_rate, whole.coverage) == (2 / 4, 11 / 20)


def test_scores_and_latencies_are_told_by_their_percentiles():
    queries = [_query(f"q{number}", a=2) for number in range(11)]
    found = {query.id: [_hit("a", score=number / 10), _hit("b", score=0.0)] for number, query in enumerate(queries)}
    found["q0"] = []
    latency_ms = {f"q{number}": 10.0 * number for number in range(11)} | {"unknown": 9e9}
    whole = measure_retrieval(queries, found, Indexed(DOCUMENTS), latency_ms=latency_ms).whole
    assert whole.best_score == pytest.approx({"p10": 0.19, "p50": 0.55, "p90": 0.91})
    assert whole.latency_ms == {"p50": 50.0, "p95": 95.0}


def test_what_was_not_measured_is_not_told():
    whole = _measure([_query("q", a=2)], {}).whole
    assert (whole.best_score, whole.latency_ms, whole.empty_rate) == ({}, {}, 1.0)


PLACES = st.dictionaries(st.sampled_from("pqrstu"), st.permutations("abcdef"), min_size=1)


@given(PLACES, st.randoms())
def test_the_order_of_the_queries_does_not_matter(ranked, random):
    queries = [_tagged(name, ("t",), "en", "a") for name in ranked]
    shuffled = random.sample(queries, len(queries))
    assert _measure(shuffled, ranked) == _measure(queries, ranked)


@given(PLACES)
def test_every_mean_lies_in_its_interval_and_every_interval_between_0_and_1(ranked):
    whole = _measure([_query(name, a=2, b=1) for name in ranked], ranked).whole
    for name, (low, high) in whole.intervals.items():
        assert 0 <= low <= whole.metrics[name] + 1e-4
        assert whole.metrics[name] - 1e-4 <= high <= 1 + 1e-9
