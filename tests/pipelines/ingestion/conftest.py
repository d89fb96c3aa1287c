"""An ingestion without its worker processes: the same steps, in this process, on a real store."""

from dataclasses import dataclass

import pytest

from knowledge.record import Document, Recipe
from knowledge.store import Collection, Store
from pipelines.embedder import WordLlamaEmbedder
from pipelines.ingestion.commit import commit_rows
from pipelines.ingestion.parsing import ParseSettings
from pipelines.ingestion.plan import Plan, make_plan
from pipelines.ingestion.read import Work, read_document
from pipelines.ingestion.split import SplitSettings
from pipelines.ingestion.stage import Staged, stage_rows
from pipelines.ingestion.stopwatch import Stopwatch


@dataclass(frozen=True)
class Run:
    plan: Plan
    parsed: tuple[Document, ...]
    staged: Staged
    collection: Collection
    version: int


@dataclass(frozen=True)
class Ingestion:
    store: Store
    embedder: WordLlamaEmbedder

    @property
    def recipe(self) -> Recipe:
        return Recipe(ParseSettings().parse_id, SplitSettings().split_id, self.embedder.embed_id)

    def stage(self, listing: list[Document]) -> Run:
        collection = self.store.create("support")
        plan = make_plan(
            "support",
            listing,
            collection.each_document(),
            (),
            self.recipe,
            attempt_id="a",
            other_columns=not collection.schema.equals(self.store.schema),
        )
        wanted = [step.document for step in plan.steps if step.needs_parser]
        work = Work(ParseSettings(), SplitSettings())
        outcomes = [read_document(document, work, Stopwatch()) for document in wanted]
        staged = stage_rows(plan, outcomes, collection, self.store.schema, self.embedder)
        return Run(plan, tuple(wanted), staged, collection, collection.version)

    def run(self, listing: list[Document]) -> Run:
        run = self.stage(listing)
        version = commit_rows(run.collection, run.staged, self.store.schema)
        return Run(run.plan, run.parsed, run.staged, run.collection, version)


@pytest.fixture(scope="session")
def embedder() -> WordLlamaEmbedder:
    return WordLlamaEmbedder()


@pytest.fixture
def ingestion(store: Store, embedder: WordLlamaEmbedder) -> Ingestion:
    return Ingestion(store, embedder)
