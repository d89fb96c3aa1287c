"""retrieve: the passages nearest to a question, among those the reader may see."""

from collections.abc import Sequence

from knowledge.record import Hit
from knowledge.store import Collection, Question
from pipelines.ingestion.embed import Embedder


def retrieve(
    question: str, collection: Collection, embedder: Embedder, *, groups: Sequence[str], limit: int
) -> list[Hit]:
    """At most `limit` passages, best first. `groups` are the reader's; `public` is added by the store."""
    vector = embedder.embed([question])[0]
    return collection.search(Question(question, vector, tuple(groups)), limit=limit)
