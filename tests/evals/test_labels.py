"""Labels on documents, chunks and quotes: which of them stand, and where a search found them."""

from math import log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.labels import Indexed, holds, ranking, standing_labels
from evals.query import Query, Span
from evals.retrieval import measure_retrieval
from knowledge.record import Hit

QUOTE = "You may cancel within 30 days."
IDEAL = 2 + 1 / log2(3)


def _hit(chunk_id, text=""):
    doc_id = chunk_id.partition("#")[0]
    return Hit(chunk_id, doc_id, "sha", doc_id, doc_id, text, 1.0)


def _spans(*labels):
    spans = tuple(Span(doc_id=doc_id, quote=quote, grade=grade) for doc_id, quote, grade in labels)
    return Query(id="q", text="how long?", relevant_spans=spans)


@pytest.mark.parametrize(
    ("fact", "text", "held"),
    [
        ("as it is written", "Refunds. You may cancel within 30 days. Then not.", True),
        ("in other case", "YOU MAY CANCEL WITHIN 30 DAYS.", True),
        ("over two lines", "You may\n   cancel within\t30 days.", True),
        ("the greater part, where the passage ends", "Refunds. You may cancel within", True),
        ("the greater part, where the passage begins", "cancel within 30 days. Then not.", True),
        ("the lesser part, where the passage ends", "Refunds. You may", False),
        ("the greater part in the middle: another sentence", "You may cancel within 14 days of it.", False),
        ("other words", "Members may leave at any time.", False),
        ("nothing", "", False),
    ],
)
def test_a_passage_holds_a_quote(fact, text, held):
    assert holds(text, QUOTE) == held, fact


@given(before=st.text(max_size=30), after=st.text(max_size=30), cut=st.integers(0, len(QUOTE)))
def test_however_a_quote_is_cut_in_two_one_part_counts(before, after, cut):
    assert holds(before + QUOTE[:cut], QUOTE) or holds(QUOTE[cut:] + after, QUOTE)


@pytest.mark.parametrize(
    ("fact", "hits", "ndcg", "recall"),
    [
        ("both, in the best order", [("d#4", "aaa"), ("d#7", "bbb")], 1.0, 1.0),
        ("whatever the chunks are called", [("d#40", "x aaa x"), ("d#41", "x bbb x")], 1.0, 1.0),
        ("one passage holds both", [("d#0", "bbb aaa")], 1.0, 1.0),
        ("again in the next passage: no second place", [("d#0", "aaa"), ("d#1", "aaa"), ("d#2", "bbb")], 1.0, 1.0),
        ("one of them", [("d#0", "aaa")], 2 / IDEAL, 0.5),
        ("after another passage", [("d#0", "x"), ("d#1", "aaa")], 2 / log2(3) / IDEAL, 0.5),
        ("the words, in another document", [("e#0", "aaa"), ("e#1", "bbb")], 0.0, 0.0),
        ("nothing", [], 0.0, 0.0),
    ],
)
def test_a_quote_is_found_with_the_first_passage_that_holds_it(fact, hits, ndcg, recall):
    query = _spans(("d", "aaa", 2), ("d", "bbb", 1))
    indexed = Indexed({"d", "e"}, passages={"d": ["aaa", "bbb"]})
    scores = measure_retrieval([query], {"q": [_hit(*hit) for hit in hits]}, indexed).per_query["q"]
    assert (scores["nDCG@10"], scores["recall@5"]) == pytest.approx((ndcg, recall)), fact


@pytest.mark.parametrize(
    ("fact", "passages", "labels"),
    [
        ("it stands", {"d": ["x", "a aaa"]}, {"quote 0": 2}),
        ("the text says something else now", {"d": ["x", "a bbb"]}, {}),
        ("the document is gone", {}, {}),
        ("another document says it", {"e": ["aaa"]}, {}),
        ("a duplicate is left out for one that says it", {"shown": ["aaa"]}, {"quote 0": 2}),
    ],
)
def test_a_quote_stands_while_its_document_says_it(fact, passages, labels):
    indexed = Indexed(set(), duplicates={"d": "shown"} if "shown" in passages else {}, passages=passages)
    assert standing_labels(_spans(("d", "aaa", 2)), indexed) == labels, fact


def test_a_query_whose_quotes_nobody_says_any_more_is_stale():
    quality = measure_retrieval([_spans(("d", "aaa", 2))], {}, Indexed({"d"}, passages={"d": ["bbb"]}))
    assert (quality.stale, quality.judged) == (("q",), 0)


@pytest.mark.parametrize(
    ("found", "ndcg"), [(["d#1"], 1.0), (["d#0", "d#1"], 1 / log2(3)), (["d#2", "d#2", "d#1"], 1 / log2(3)), ([], 0.0)]
)
def test_a_chunk_is_found_by_its_own_id_and_not_by_its_document(found, ndcg):
    query = Query(id="q", text="how long?", relevant_chunks={"d#1": 2, "d#9": 2})
    indexed = Indexed({"d"}, chunks={"d#1"})
    scores = measure_retrieval([query], {"q": [_hit(each) for each in found]}, indexed).per_query["q"]
    assert scores["nDCG@10"] == pytest.approx(ndcg)


def test_a_query_whose_chunks_are_gone_is_stale():
    query = Query(id="q", text="how long?", relevant_chunks={"d#1": 2})
    assert measure_retrieval([query], {"q": [_hit("d#1")]}, Indexed({"d"})).stale == ("q",)


@given(st.lists(st.sampled_from(["d#0", "d#1", "e#0", "e#1"])), st.sampled_from(["relevant", "relevant_chunks"]))
def test_nothing_has_two_places(found, kind):
    query = Query(id="q", text="how long?", **{kind: {"d": 2}})
    places = ranking(query, [_hit(each) for each in found], Indexed({"d", "e"}))
    assert len(places) == len(set(places))
