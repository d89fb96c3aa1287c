"""The indices of a collection: of words, and of vectors once there are many. The store does not keep them up itself."""

from typing import Any

from knowledge.errors import CollectionError
from knowledge.upkeep import UpkeepSettings

TEXT_INDEX, VECTOR_INDEX = "terms_idx", "vector_idx"
_ROWS_A_FRAGMENT = 50_000
_LOOSE_ROWS = 5_000  # outside of the vector index; to compare so many one by one takes some 6 ms
# the terms are what they should be already
_TEXT_INDEX = {
    "base_tokenizer": "whitespace",
    "lower_case": False,
    "ascii_folding": False,
    "stem": False,
    "remove_stop_words": False,
    "max_token_length": None,
}
_LOOSE_FRAGMENTS = 32  # so many more than the rows need, and they are joined


def indices(dataset: Any) -> set[str]:
    """The names of the indices there are."""
    return {index.name for index in dataset.describe_indices()}


def upkeep(dataset: Any, settings: UpkeepSettings, name: str) -> None:
    """Bring the indices up to the rows. Nothing to do costs nothing.

    The dataset moves on with it. Raises CollectionError when another writer commits meanwhile.
    """
    try:
        _upkeep(dataset, settings)
    except OSError as problem:
        if "commit conflict" not in str(problem):
            raise
        raise CollectionError(
            f"collection '{name}': another writer has committed while the indices were brought up to date. "
            "No row is lost; run `plumbline ingest` again."
        ) from None


def _upkeep(dataset: Any, settings: UpkeepSettings) -> None:
    rows, held = dataset.count_rows(), indices(dataset)
    if len(dataset.get_fragments()) > rows // _ROWS_A_FRAGMENT + _LOOSE_FRAGMENTS:
        dataset.optimize.compact_files(target_rows_per_fragment=_ROWS_A_FRAGMENT)
    if TEXT_INDEX not in held:
        dataset.create_scalar_index("terms", "INVERTED", name=TEXT_INDEX, **_TEXT_INDEX)
    elif dataset.stats.index_stats(TEXT_INDEX)["num_unindexed_rows"]:
        dataset.optimize.optimize_indices(index_names=[TEXT_INDEX])
    if VECTOR_INDEX in held or rows > settings.exact_below:
        _index_vectors(dataset)


def _index_vectors(dataset: Any) -> None:
    """Index all vectors, unless the index lacks but a few."""
    width = dataset.schema.field("vector").type.list_size
    rounded = {"index_type": "IVF_SQ"} if width % 8 else {"index_type": "IVF_RQ", "num_bits": 8}
    covered = [
        segment.fragment_ids
        for index in dataset.describe_indices()
        if (index.name, index.index_type) == (VECTOR_INDEX, rounded["index_type"])  # earlier releases had another
        for segment in index.segments
    ]
    loose = [each for each in dataset.get_fragments() if not any(each.fragment_id in ids for ids in covered)]
    if not covered or sum(each.count_rows() for each in loose) > _LOOSE_ROWS:
        # l2 ranks unit vectors as cosine does, whose scale in Lance depends on whether every row is indexed
        dataset.create_index("vector", name=VECTOR_INDEX, metric="l2", replace=True, **rounded)
