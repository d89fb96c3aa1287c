"""How calls are put into files of a batch."""

import json

from hypothesis import given
from hypothesis import strategies as st

from knowledge.call import Account, Amount, Purchase
from pipelines.calling.submitter import FRAME_BYTES, split

CALLS = st.lists(st.tuples(st.sampled_from(["openai/a", "openai/b", "own/a"]), st.integers(0, 300)), max_size=30)


def purchase(model: str, size: int) -> Purchase:
    return Purchase("digest", Account("answer", "support"), model, {"messages": "x" * size}, Amount())


def size_of(each: Purchase) -> int:
    return len(json.dumps(each.request)) + FRAME_BYTES


@given(CALLS, st.integers(1, 7), st.integers(1, 4000))
def test_a_file_is_of_one_model_and_never_longer_or_larger_than_it_may_be(
    given_calls: list[tuple[str, int]], most: int, most_bytes: int
) -> None:
    purchases = [purchase(model, size) for model, size in given_calls]
    files = list(split(purchases, calls=most, size=most_bytes))
    assert sorted(map(id, purchases)) == sorted(id(each) for file in files for each in file)
    for file in files:
        assert len({each.model for each in file}) == 1
        assert len(file) <= most
        assert len(file) == 1 or sum(map(size_of, file)) <= most_bytes
