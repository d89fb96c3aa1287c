"""The indices of a collection: of words, and of vectors once there are many. The store does not keep them up itself."""

from collections.abc import Iterable, Iterator
from typing import Any

from knowledge.errors import CollectionError
from knowledge.upkeep import UpkeepSettings

TEXT_INDEX, VECTOR_INDEX = "terms_idx", "vector_idx"
_ROWS_A_SEGMENT = 50_000  # of the vector index, and at most of a fragment: one graph at a time is in memory
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
# partitions save a third of the time to build it, and cost two thirds more a question; the rest is LanceDB's own
_VECTOR_INDEX = {"index_type": "IVF_HNSW_SQ", "metric": "cosine", "num_partitions": 1, "m": 20, "ef_construction": 300}


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
    if len(dataset.get_fragments()) > rows // _ROWS_A_SEGMENT + _LOOSE_FRAGMENTS:
        dataset.optimize.compact_files(target_rows_per_fragment=_ROWS_A_SEGMENT)
    if TEXT_INDEX not in held:
        dataset.create_scalar_index("terms", "INVERTED", name=TEXT_INDEX, **_TEXT_INDEX)
    elif dataset.stats.index_stats(TEXT_INDEX)["num_unindexed_rows"]:
        dataset.optimize.optimize_indices(index_names=[TEXT_INDEX])
    if VECTOR_INDEX in held or rows > settings.exact_below:
        _index_vectors(dataset)


def _index_vectors(dataset: Any) -> None:
    """Let segments hold all vectors but a few. What few rows are left of a segment goes into a new one."""
    rows = {fragment.fragment_id: fragment.count_rows() for fragment in dataset.get_fragments()}
    indexed = [index for index in dataset.describe_indices() if index.name == VECTOR_INDEX]
    segments = [segment.fragment_ids & rows.keys() for index in indexed for segment in index.segments]
    loose = rows.keys() - set().union(*segments)
    if segments and _count(loose, rows) <= _LOOSE_ROWS:
        return
    small = [segment for segment in segments if _count(segment, rows) <= _ROWS_A_SEGMENT // 2]
    built = [
        dataset.create_index_uncommitted(
            "vector", name=VECTOR_INDEX, fragment_ids=part, replace=bool(indexed), **_VECTOR_INDEX
        )
        for part in _parts(sorted(loose.union(*small)), rows)
    ]
    dataset.commit_existing_index_segments(VECTOR_INDEX, "vector", built)


def _parts(fragments: Iterable[int], rows: dict[int, int]) -> Iterator[list[int]]:
    """Fragments in parts of at most a segment's rows, or of one fragment."""
    part: list[int] = []
    for fragment in fragments:
        if part and _count([*part, fragment], rows) > _ROWS_A_SEGMENT:
            yield part
            part = []
        part.append(fragment)
    if part:
        yield part


def _count(fragments: Iterable[int], rows: dict[int, int]) -> int:
    return sum(rows[fragment] for fragment in fragments)
