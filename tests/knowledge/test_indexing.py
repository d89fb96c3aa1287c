"""The vector index in segments: bounded work, nothing lost, nothing that is gone found."""

import numpy as np
import pytest
from chunk_rows import chunk_row, commit_rows

from knowledge.store import Question, Store, indexing
from knowledge.upkeep import UpkeepSettings

_INDEXED = UpkeepSettings(exact_below=300)
_WIDTH = 32


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "lancedb", _WIDTH)


@pytest.fixture
def collection(store, monkeypatch):
    """A collection of 6 fragments of 100 rows, whose index has segments of at most 250 and leaves 50 rows out."""
    monkeypatch.setattr(indexing, "_ROWS_A_SEGMENT", 250)
    monkeypatch.setattr(indexing, "_LOOSE_ROWS", 50)
    opened = store.create("support")
    for part in range(6):
        _add(store, opened, range(part * 100, part * 100 + 100))
    opened.upkeep(_INDEXED)
    return opened


def _vector(number):
    vector = np.random.default_rng(number).normal(size=_WIDTH).astype(np.float32)
    return vector / np.linalg.norm(vector)


def _add(store, collection, numbers, *, replaced=()):
    rows = [{**chunk_row(f"d/{number}", dimensions=_WIDTH), "vector": _vector(number)} for number in numbers]
    commit_rows(store, collection, *rows, replaced=[f"d/{number}" for number in replaced])


def _segments(collection):
    """Of each segment of the vector index the fragments that are still there."""
    there = {fragment.fragment_id for fragment in collection._dataset.get_fragments()}
    (index,) = (each for each in collection._dataset.describe_indices() if each.name == indexing.VECTOR_INDEX)
    return sorted(sorted(segment.fragment_ids & there) for segment in index.segments if segment.fragment_ids & there)


def _rows(collection, segment):
    return sum(collection._dataset.get_fragment(number).count_rows() for number in segment)


def _nearest(collection, number):
    (hits,) = collection.search_many([Question("", _vector(number))], limit=1)
    return hits[0].doc_id


def test_a_segment_holds_no_more_rows_than_memory_is_meant_for(collection):
    assert [_rows(collection, segment) for segment in _segments(collection)] == [200, 200, 200]
    assert [_nearest(collection, number) for number in range(0, 600, 50)] == [f"d/{n}" for n in range(0, 600, 50)]


def test_few_new_rows_stay_outside_of_the_index_and_are_found(store, collection):
    before = _segments(collection)
    _add(store, collection, range(600, 650))
    collection.upkeep(_INDEXED)
    assert _segments(collection) == before
    assert [_nearest(collection, number) for number in (3, 600, 649)] == ["d/3", "d/600", "d/649"]


def test_more_new_rows_get_a_segment_of_their_own_and_the_others_stay_as_they_are(store, collection):
    before = _segments(collection)
    _add(store, collection, range(600, 651))
    collection.upkeep(_INDEXED)
    assert [each for each in _segments(collection) if each not in before] == [[6]]
    assert [_nearest(collection, number) for number in (3, 600, 650)] == ["d/3", "d/600", "d/650"]


def test_what_few_rows_are_left_of_a_segment_goes_into_the_next_one(store, collection):
    before = _segments(collection)
    _add(store, collection, range(600, 660), replaced=range(90))
    collection.upkeep(_INDEXED)
    assert _segments(collection) == [[0, 1, 6], *before[1:]]
    assert [_nearest(collection, number) for number in (95, 150, 250, 600)] == ["d/95", "d/150", "d/250", "d/600"]
    assert _nearest(collection, 3) != "d/3"


def test_an_index_over_a_single_row_can_be_made(store, collection, monkeypatch):
    monkeypatch.setattr(indexing, "_LOOSE_ROWS", 0)
    _add(store, collection, [600])
    collection.upkeep(_INDEXED)
    assert [6] in _segments(collection)
    assert [_nearest(collection, number) for number in (3, 600)] == ["d/3", "d/600"]


def test_joined_fragments_stay_indexed(collection, monkeypatch):
    monkeypatch.setattr(indexing, "_LOOSE_FRAGMENTS", 0)
    collection.upkeep(_INDEXED)
    assert [_rows(collection, segment) for segment in _segments(collection)] == [200, 200, 200]
    assert all(len(segment) == 1 for segment in _segments(collection))
    assert _nearest(collection, 250) == "d/250"
