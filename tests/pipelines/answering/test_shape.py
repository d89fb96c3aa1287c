"""Shape: which of the passages found are shown, in which order, with what stands around them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.record import Hit
from pipelines.answering.shape import Shape, after_replacements, around, choose, collapsed, fitting, join

_LONG = " ".join(f"word{chr(97 + number % 26)}{chr(97 + number // 26)}" for number in range(80))


def _hit(name, text="", *, near=0.5, by=None, tokens=10, findings=()):
    """A passage `document#ordinal`."""
    doc_id, _, ordinal = name.partition("#")
    said = {"superseded_by": by, "ordinal": int(ordinal or 0), "tokens": tokens, "findings": findings}
    return Hit(f"{doc_id}#{ordinal or 0}", doc_id, "sha", doc_id, doc_id, text or name, 1.0, vector_score=near, **said)


def _names(hits):
    return [hit.chunk_id.removesuffix("#0") for hit in hits]


# --- floor and limit


@pytest.mark.parametrize(
    ("min_score", "limit", "shown"),
    [
        (None, 9, ["a", "b", "c", "d"]),
        (None, 2, ["a", "b"]),
        (0.5, 9, ["a", "c"]),
        (0.5, 1, ["a"]),
        (0.51, 9, ["c"]),
        (1.0, 9, []),
    ],
)
def test_the_floor_is_on_the_cosine_and_ranks_stay(min_score, limit, shown):
    hits = [_hit("a", near=0.5), _hit("b", near=-0.1), _hit("c", near=0.9), _hit("d", near=None)]
    assert _names(choose(hits, Shape(min_score=min_score), limit)) == shown


@pytest.mark.parametrize(
    ("shape", "depth"),
    [(Shape(), 5), (Shape(neighbours=2, max_tokens=9), 5), (Shape(collapse=True), 10), (Shape(min_score=0.1), 10)],
)
def test_where_passages_are_taken_out_more_are_searched_for(shape, depth):
    assert shape.depth(5) == depth


# --- near-duplicates


@pytest.mark.parametrize(
    ("fact", "text", "other", "one"),
    [
        ("the same words", "A refund takes five days.", "a REFUND takes five days", True),
        ("one word of five", "A refund takes five days.", "A refund takes six days.", False),
        ("one word of eighty", _LONG, _LONG.replace("wordab", "other"), True),
        ("a number of eighty words", _LONG + " 10", _LONG + " 12", False),
        ("a negation of eighty words", _LONG, _LONG.replace("wordab", "not"), False),
        ("the same number", _LONG + " 10", _LONG + " 10 more", True),
        ("a word more", _LONG, _LONG + " more", True),
        ("half of it", _LONG, _LONG[:300], False),
        ("nothing in common", "refund", "parcel", False),
        ("nothing but signs", "...", "!!!", True),
    ],
)
def test_what_is_a_near_duplicate(fact, text, other, one):
    found = collapsed([_hit("a", text), _hit("b", other)])
    assert [(hit.doc_id, hit.collapsed) for hit in found] == ([("a", 1)] if one else [("a", 0), ("b", 0)]), fact


def test_the_better_ranked_stands_for_all_but_gives_its_place_to_what_replaces_it():
    other = _hit("other", "else")
    assert _names(collapsed([_hit("old", "x"), other, _hit("new", "x")])) == ["old", "other"]
    found = collapsed([_hit("old", "x", by="new"), other, _hit("new", "x"), _hit("copy", "x")])
    assert [(hit.doc_id, hit.collapsed) for hit in found] == [("new", 2), ("other", 0)]


_HITS = st.lists(
    st.builds(
        lambda name, text, by, tokens: _hit(name, text, by=by, tokens=tokens),
        st.builds("{}#{}".format, st.sampled_from("abcd"), st.integers(0, 12)),
        st.sampled_from(["x", "y", "X!", _LONG, _LONG + " 1", _LONG + " z"]),
        st.sampled_from([None, None, *"abcd"]),
        st.integers(1, 30),
    ),
    max_size=10,
    unique_by=lambda hit: hit.chunk_id,
)


@given(_HITS)
def test_every_passage_is_shown_or_counted(hits):
    found = collapsed(hits)
    assert sum(1 + hit.collapsed for hit in found) == len(hits)


# --- what is superseded


@pytest.mark.parametrize(
    ("fact", "replaced", "order"),
    [
        ("nothing is replaced", {}, "abcd"),
        ("it comes after what replaces it", {"a": "c"}, "bcad"),
        ("what replaces it was not found", {"a": "z"}, "abcd"),
        ("it stood after it anyway", {"d": "a"}, "abcd"),
        ("two by the same", {"a": "c", "b": "c"}, "cabd"),
        ("a chain", {"a": "b", "b": "d"}, "cdba"),
        ("a chain whose middle was not found", {"a": "z", "z": "c"}, "abcd"),
        ("a circle stays as it was", {"a": "b", "b": "a"}, "abcd"),
    ],
)
def test_a_superseded_passage_comes_after_what_replaces_it(fact, replaced, order):
    hits = [_hit(name, by=replaced.get(name)) for name in "abcd"]
    assert "".join(_names(after_replacements(hits))) == order, fact


@given(_HITS)
def test_marked_passages_are_put_after_and_none_is_dropped(hits):
    by = {hit.doc_id: hit.superseded_by for hit in hits if hit.superseded_by and hit.superseded_by < hit.doc_id}
    hits = [replace(hit, superseded_by=by.get(hit.doc_id)) for hit in hits]  # no circles
    found = after_replacements(hits)
    assert sorted(found, key=hits.index) == hits
    order = [hit.doc_id for hit in found]
    assert all(order.index(new) < order.index(old) for old, new in by.items() if new in order)
    assert after_replacements([replace(hit, superseded_by=None) for hit in hits]) == [
        replace(hit, superseded_by=None) for hit in hits
    ]


# --- neighbours


def _document(name, count):
    return {f"{name}#{ordinal}": _hit(f"{name}#{ordinal}", f"{name}{ordinal}") for ordinal in range(count)}


_STORED = _document("a", 9) | _document("b", 3)


@pytest.mark.parametrize(
    ("fact", "found", "neighbours", "texts"),
    [
        ("one on each side", ["a#4"], 1, ["a3 a4 a5"]),
        ("the first and the last have one", ["a#0", "b#2"], 1, ["a0 a1", "b1 b2"]),
        ("what overlaps is one", ["a#5", "b#0", "a#3"], 1, ["a2 a3 a4 a5 a6", "b0 b1"]),
        ("what only touches is two", ["a#5", "a#2"], 1, ["a4 a5 a6", "a1 a2 a3"]),
        ("through a third", ["a#1", "a#5", "a#3"], 1, ["a0 a1 a2 a3 a4 a5 a6"]),
        ("neighbours of each other", ["a#4", "a#3"], 2, ["a1 a2 a3 a4 a5 a6"]),
        ("more than there are", ["b#1"], 9, ["b0 b1 b2"]),
    ],
)
def test_passages_are_joined_with_those_around_them(fact, found, neighbours, texts):
    hits = [_STORED[name] for name in found]
    beside = {name: _STORED[name] for name in around(hits, neighbours) & _STORED.keys()}
    joined = join(hits, beside, neighbours)
    assert [hit.text.replace("\n", " ") for hit in joined] == texts, fact
    assert [hit.chunk_id for hit in joined] == [found[0], *found[1:]][: len(joined)], fact


def test_a_joined_passage_has_the_tokens_findings_and_duplicates_of_all():
    hits = [_hit("a#1", "one", findings=("secret:jwt",)), replace(_hit("a#2", "two"), collapsed=2)]
    (joined,) = join(hits, {"a#3": _hit("a#3", "three", findings=("hidden:tags",))}, 1)
    assert (joined.text, joined.tokens, joined.collapsed) == ("one\ntwo\nthree", 30, 2)
    assert (joined.findings, joined.joined) == (("hidden:tags", "secret:jwt"), ("a#2", "a#3"))


@given(_HITS, st.integers(1, 4))
def test_no_passage_is_shown_twice_and_none_is_lost(hits, neighbours):
    stored = {f"{name}#{ordinal}": _hit(f"{name}#{ordinal}") for name in "abcd" for ordinal in range(13)}
    joined = join(hits, {name: stored[name] for name in around(hits, neighbours) & stored.keys()}, neighbours)
    shown = [name for hit in joined for name in (hit.chunk_id, *hit.joined)]
    assert len(shown) == len(set(shown))
    assert set(shown) == {hit.chunk_id for hit in hits} | (around(hits, neighbours) & stored.keys())
    ranks = {hit.chunk_id: rank for rank, hit in enumerate(hits)}
    assert [ranks[hit.chunk_id] for hit in joined] == sorted(ranks[hit.chunk_id] for hit in joined)


# --- the budget


@pytest.mark.parametrize(
    ("max_tokens", "shown"), [(100, "abc"), (60, "abc"), (59, "ab"), (35, "ac"), (30, "ac"), (19, "c"), (9, "")]
)
def test_what_would_exceed_the_budget_is_left_out(max_tokens, shown):
    hits = [_hit("a", tokens=20), _hit("b", tokens=30), _hit("c", tokens=10)]
    assert "".join(_names(fitting(hits, max_tokens))) == shown
