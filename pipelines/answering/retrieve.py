"""retrieve: the passages nearest to a question, among those the reader may see."""

from collections.abc import Sequence
from dataclasses import dataclass

from knowledge.filter import EVERYTHING, Filter
from knowledge.fusion import SearchMode
from knowledge.record import Hit
from knowledge.store import Collection, Question
from pipelines.ingestion.vectors import Embedder

BATCH = 64  # questions that go to the store together; more would save little and take more memory


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, its reader's groups (`public` is added by the store), and which passages it is about."""

    question: str
    groups: tuple[str, ...] = ()
    filter: Filter = EVERYTHING


def retrieve(
    question: str, collection: Collection, embedder: Embedder, *, groups: Sequence[str], limit: int
) -> list[Hit]:
    """At most `limit` passages, best first."""
    return retrieve_many([Asked(question, tuple(groups))], collection, embedder, limit=limit)[0]


def retrieve_many(
    asked: Sequence[Asked], collection: Collection, embedder: Embedder, *, limit: int, mode: SearchMode = "hybrid"
) -> list[list[Hit]]:
    """For each question at most `limit` passages, best first: embedded together, searched together."""
    vectors = embedder.embed_questions([each.question for each in asked])
    questions = [
        Question(each.question, vector, each.groups, each.filter) for each, vector in zip(asked, vectors, strict=True)
    ]
    batches = (questions[start : start + BATCH] for start in range(0, len(questions), BATCH))
    return [hits for batch in batches for hits in collection.search_many(batch, limit=limit, mode=mode)]
