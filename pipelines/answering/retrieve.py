"""retrieve: the passages nearest to a question, among those the reader may see."""

from collections.abc import Sequence
from dataclasses import dataclass

from knowledge.filter import EVERYTHING, Filter
from knowledge.fusion import SearchMode
from knowledge.record import Hit
from knowledge.store import Collection, Question
from pipelines.answering.shape import AS_FOUND, Shape, around, choose, fitting, join
from pipelines.ingestion.vectors import Embedder

BATCH = 64  # questions that go to the store together; more would save little and take more memory


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, its reader's groups (`public` is added by the store), and which passages it is about."""

    question: str
    groups: tuple[str, ...] = ()
    filter: Filter = EVERYTHING


def retrieve(
    asked: Asked, collection: Collection, embedder: Embedder, *, limit: int, shape: Shape = AS_FOUND
) -> list[Hit]:
    """At most `limit` passages, best first."""
    return retrieve_many([asked], collection, embedder, limit=limit, shape=shape)[0]


def retrieve_many(
    asked: Sequence[Asked],
    collection: Collection,
    embedder: Embedder,
    *,
    limit: int,
    mode: SearchMode = "hybrid",
    shape: Shape = AS_FOUND,
) -> list[list[Hit]]:
    """For each question at most `limit` passages, best first: embedded together, searched together, then shaped.

    Raises CollectionError where the version lacks what a filter is about.
    """
    vectors = embedder.embed_questions([each.question for each in asked])
    questions = [
        Question(each.question, vector, each.groups, each.filter) for each, vector in zip(asked, vectors, strict=True)
    ]
    batches = (questions[start : start + BATCH] for start in range(0, len(questions), BATCH))
    depth = shape.depth(limit)
    found = [hits for batch in batches for hits in collection.search_many(batch, limit=depth, mode=mode)]
    chosen = [choose(hits, shape, limit) for hits in found]
    if shape.neighbours:
        chosen = _with_neighbours(asked, chosen, collection, shape.neighbours)
    return chosen if shape.max_tokens is None else [fitting(hits, shape.max_tokens) for hits in chosen]


def _with_neighbours(
    asked: Sequence[Asked], chosen: Sequence[Sequence[Hit]], collection: Collection, neighbours: int
) -> list[list[Hit]]:
    """Each question's passages with those around them that its reader may see and its filter lets by."""
    wanted: dict[tuple[tuple[str, ...], Filter], set[str]] = {}
    for each, hits in zip(asked, chosen, strict=True):
        wanted.setdefault((each.groups, each.filter), set()).update(around(hits, neighbours))
    beside = {
        reader: collection.passages(chunk_ids, groups=reader[0], wanted=reader[1])
        for reader, chunk_ids in wanted.items()
    }
    return [join(hits, beside[each.groups, each.filter], neighbours) for each, hits in zip(asked, chosen, strict=True)]
