"""The index of vectors: built anew only when it lacks many rows, nothing lost, nothing that is gone found."""

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
    """A collection of 6 fragments of 100 rows, all indexed; 50 rows may stay outside."""
    monkeypatch.setattr(indexing, "_LOOSE_ROWS", 50)
    opened = store.create("support")
    for part in range(6):
        _add(store, opened, range(part * 100, part * 100 + 100))
    opened.upkeep(_INDEXED)
    return opened


def _vector(number):
    vector = np.random.default_rng(number).normal(size=_WIDTH).astype(np.float32)
    return vector / np.linalg.norm(vector)


def _add(store, collection, numbers, *, replaced=(), groups=("public",)):
    rows = [
        {**chunk_row(f"d/{number}", dimensions=_WIDTH), "vector": _vector(number), "groups": list(groups)}
        for number in numbers
    ]
    commit_rows(store, collection, *rows, replaced=[f"d/{number}" for number in replaced])


def _index(collection):
    """When the index was built, and of which fragments."""
    (index,) = (each for each in collection._dataset.describe_indices() if each.name == indexing.VECTOR_INDEX)
    (segment,) = index.segments
    return segment.uuid, sorted(segment.fragment_ids)


def _nearest(collection, number):
    (hits,) = collection.search_many([Question("", _vector(number))], limit=1)
    return hits[0].doc_id


def test_every_row_is_indexed_and_found(collection):
    assert _index(collection)[1] == list(range(6))
    assert [_nearest(collection, number) for number in range(0, 600, 50)] == [f"d/{n}" for n in range(0, 600, 50)]


def test_few_new_rows_stay_outside_of_the_index_and_are_found(store, collection):
    before = _index(collection)
    _add(store, collection, range(600, 650))
    collection.upkeep(_INDEXED)
    assert _index(collection) == before
    assert [_nearest(collection, number) for number in (3, 600, 649)] == ["d/3", "d/600", "d/649"]


def test_with_more_new_rows_the_index_is_built_anew(store, collection):
    _add(store, collection, range(600, 651))
    collection.upkeep(_INDEXED)
    assert _index(collection)[1] == list(range(7))
    assert [_nearest(collection, number) for number in (3, 600, 650)] == ["d/3", "d/600", "d/650"]


def test_what_is_gone_is_not_found(store, collection):
    _add(store, collection, range(600, 640), replaced=range(90))
    collection.upkeep(_INDEXED)
    assert [_nearest(collection, number) for number in (95, 150, 250, 600)] == ["d/95", "d/150", "d/250", "d/600"]
    assert _nearest(collection, 3) != "d/3"


def test_an_index_of_an_earlier_release_is_replaced(collection):
    graph = {"index_type": "IVF_HNSW_SQ", "metric": "cosine", "num_partitions": 1}
    collection._dataset.create_index("vector", name=indexing.VECTOR_INDEX, replace=True, **graph)
    assert _nearest(collection, 250) == "d/250"
    collection.upkeep(_INDEXED)
    kinds = {each.name: each.index_type for each in collection._dataset.describe_indices()}
    assert kinds[indexing.VECTOR_INDEX] == "IVF_RQ"
    assert _nearest(collection, 250) == "d/250"


def test_joined_fragments_stay_indexed(collection, monkeypatch):
    monkeypatch.setattr(indexing, "_LOOSE_FRAGMENTS", 0)
    collection.upkeep(_INDEXED)
    (fragment,) = collection._dataset.get_fragments()
    assert _index(collection)[1] == [fragment.fragment_id]
    assert _nearest(collection, 250) == "d/250"


def test_cosines_are_those_of_the_vectors_whether_rows_are_indexed_or_not(store, collection):
    _add(store, collection, range(600, 640))
    view = collection._view()
    assert view.approximate
    held = np.stack([_vector(number) for number in range(640)])
    rows = collection._dataset.to_table(columns=["doc_id"], with_row_id=True)
    names = dict(zip(rows["_rowid"].to_pylist(), rows["doc_id"].to_pylist(), strict=True))
    asked = [_vector(number) for number in range(2000, 2020)]
    for vector, near in zip(asked, view.near(asked, None, 200), strict=True):
        true = held @ vector
        assert len(near) == 200
        found = {int(names[row].removeprefix("d/")): cosine for row, cosine in near.items()}
        assert set(np.argsort(-true)[:10].tolist()) <= found.keys()
        assert max(abs(true[number] - cosine) for number, cosine in found.items()) < 0.05


def test_every_row_that_meets_a_condition_is_found_however_few_they_are(store, collection):
    _add(store, collection, range(600, 607), groups=("hr",))
    collection.upkeep(_INDEXED)
    (near,) = collection._view().near([_vector(3)], "array_has(groups, 'hr')", 200)
    assert len(near) == 7


@pytest.mark.parametrize("width", [1, 30, 100, 384, 1536])
def test_vectors_of_any_width_are_indexed(tmp_path, width):
    store = Store(tmp_path / "any", width)
    opened = store.create("support")
    vectors = np.random.default_rng(width).normal(size=(300, width)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = [{**chunk_row(f"d/{n}", dimensions=width), "vector": vector} for n, vector in enumerate(vectors)]
    commit_rows(store, opened, *rows)
    opened.upkeep(UpkeepSettings(exact_below=256))
    (near,) = opened._view().near([vectors[7]], None, 10)
    assert max(near.values()) > 0.95
