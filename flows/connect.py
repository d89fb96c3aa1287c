"""The composition root: settings and secrets become a store, an embedder, a history and the written content."""

import os
import re
from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from evals.case import read_suite
from evals.gate import read_gates
from evals.graders import GRADER_VERSIONS
from evals.graders.judge import JudgePrompt, read_judge
from evals.query import read_queries
from flows.params import LOCAL_EMBEDDER, Project, Settings, find_project
from flows.state import make_folder
from knowledge.baseline import Baselines
from knowledge.batch_job import BatchJobs
from knowledge.digest import digest
from knowledge.errors import CollectionError, SettingsError, SourceError
from knowledge.history import History
from knowledge.ledger import Ledger
from knowledge.manifest import LOCAL_MODEL, Manifest, read_manifest, read_manifests
from knowledge.policy import Policy, read_policy
from knowledge.record import Document, Recipe
from knowledge.source import NAME, Source, read_sources, secret_in
from pipelines.calling.prices import Prices
from pipelines.embedder import WordLlamaEmbedder
from pipelines.ingestion.address import check_source
from pipelines.ingestion.sync import list_documents

if TYPE_CHECKING:
    from knowledge.store import Collection, Store
    from pipelines.batch import Calls
    from pipelines.ingestion.vectors import Embedder


class Connections:
    """Everything a flow or a command works with, opened when first used."""

    def __init__(self, project: Project):
        self.project = project

    @property
    def settings(self) -> Settings:
        """The typed `params.yaml`."""
        return self.project.settings

    @cached_property
    def history(self) -> History:
        """The state database."""
        make_folder(self.project.state)
        return History(self.project.database_url)

    @cached_property
    def ledger(self) -> Ledger:
        """Every paid call, in the state database."""
        return Ledger(self.history)

    @cached_property
    def baselines(self) -> Baselines:
        """What the nights of each assistant are held against."""
        return Baselines(self.history)

    def drift_cache(self, name: str) -> Path:
        """Where p-values of past nights are kept; it may be deleted at any time."""
        return self.project.state / "cache" / "drift" / f"{digest(name)}.json"

    @cached_property
    def local_embedder(self) -> WordLlamaEmbedder:
        """The embedded one, which the embedded answering model uses also where passages are embedded by another."""
        return WordLlamaEmbedder()

    @cached_property
    def batch_jobs(self) -> BatchJobs:
        """The batches that providers were given, in the state database."""
        return BatchJobs(self.history, self.ledger)

    @cached_property
    def embedder(self) -> "Embedder":
        """The embedding model. Raises SettingsError."""
        settings = self.settings.embedding
        if settings.model == LOCAL_EMBEDDER:
            return self.local_embedder
        from pipelines.hosted_embedder import HostedEmbedder

        self._can_be_asked([settings.model], "embedding")
        shape = settings.model_dump(include={"dimensions", "shorten", "batch_texts"})
        return HostedEmbedder(self.calls, settings.model, **shape)

    @cached_property
    def calls(self) -> "Calls":
        """The one door for everything that costs money."""
        from pipelines.batch import Calls  # openai is a second and a half of imports

        return Calls(
            self.project.providers,
            self.ledger,
            settings=self.settings.models,
            budgets=self.settings.budgets,
            today=lambda: f"{datetime.now(self.settings.zone):%Y-%m-%d}",
        )

    def close(self) -> None:
        """Close the connections to models, where there are any."""
        if "calls" in self.__dict__:
            self.calls.close()

    def models(self, manifest: Manifest) -> tuple[str, ...]:
        """The entries of a manifest's route that can be asked here. Raises SettingsError when there is none."""
        return self._can_be_asked(manifest.route, f"assistant '{manifest.assistant}'")

    def check_models(self, manifest: Manifest) -> None:
        """Can the assistant and its judge ask anybody, and is it known what that costs? Raises SettingsError."""
        self.models(manifest)
        self.judge_models(manifest)

    def judge_models(self, manifest: Manifest) -> tuple[str, ...]:
        """The models its judge can be asked through; none without a judge. Raises SettingsError as `models` does."""
        route = manifest.judge.route if manifest.judge else ()
        return self._can_be_asked(route, f"the judge of assistant '{manifest.assistant}'") if route else ()

    def _can_be_asked(self, route: Sequence[str], whose: str) -> tuple[str, ...]:
        found = self._with_endpoint(route)
        for model in found:
            if model != LOCAL_MODEL:
                Prices(self.settings.models.prices).check(model)
        if not found:
            raise SettingsError(
                f"{whose}: no model of its route ({', '.join(route)}) can be asked. "
                "Set OPENAI_API_KEY or OPENAI_BASE_URL, or give its provider an address under models.providers in "
                f"params.yaml; the route of an assistant may also end with {LOCAL_MODEL}."
            )
        return found

    def _with_endpoint(self, route: Sequence[str]) -> tuple[str, ...]:
        names = {each.name for each in self.project.providers} | {"local"}
        return tuple(model for model in route if model.partition("/")[0] in names)

    def _models_in_force(self, manifest: Manifest) -> str:
        judge = manifest.judge.route if manifest.judge else ()
        return digest([self._with_endpoint(manifest.route), self._with_endpoint(judge)])

    @cached_property
    def store(self) -> "Store":
        """The collections."""
        from knowledge.store import Store  # two seconds of imports, which `status` and a finished night can spare

        return Store(self.project.state / "lancedb", self.embedder.dimensions)

    @property
    def recipe(self) -> Recipe:
        """What shapes a chunk row under today's settings."""
        return self.settings.recipe(self.embedder.embed_id)

    def manifest(self, assistant: str) -> Manifest:
        """One assistant. Raises ContentError."""
        return read_manifest(self.project.knowledge / "manifests", assistant)

    def policy(self, manifest: Manifest) -> Policy:
        """The policy an assistant names. Raises ContentError."""
        return read_policy(self.project.knowledge / "policies", manifest.policy)

    def judge(self, manifest: Manifest) -> JudgePrompt | None:
        """The judge an assistant names; None when it names none. Raises ContentError."""
        return read_judge(self.project.evals / "judges", manifest.judge.name) if manifest.judge else None

    def sources(self, collection: str, *, given: str | None = None) -> list[Source]:
        """The sources of a collection: those written as YAML, and one given on the command line, now or before.

        The latter is called like its collection. Raises SourceError.
        """
        written = read_sources(self.project.knowledge / "sources")
        found = [source for source in written if source.collection == collection]
        urls = {row["name"]: row["url"] for row in self.history.sources() if row["collection"] == collection}
        if given is not None:
            if held := secret_in(given):
                raise SourceError(f"--source holds {held}. Take it out; the environment can hold it: docs/sources.md.")
            urls[collection] = given if "://" in given else str(Path(os.path.expanduser(given)).resolve())
        if urls and any(source.name == collection for source in written):
            raise SourceError(f"source '{collection}' is written as YAML. Give --source with another --collection.")
        for name, url in urls.items():
            if not re.fullmatch(NAME, name):
                raise SourceError(f"collection '{name}': a name is lower-case letters, digits, '-' and '_'.")
            found.append(Source(name=name, collection=collection, url=url, owner="command line"))
        return found

    def find_sources(self, collection: str, *, given: str | None = None) -> list[Source]:
        """The sources of a collection, each of which can be listed. Raises CollectionError, SourceError."""
        sources = self.sources(collection, given=given)
        for source in sources:
            check_source(source, self.project.folder)
        if not sources:
            raise CollectionError(
                f"collection '{collection}': no source feeds it. Give a folder with --source, "
                "or write knowledge/sources/NAME.yaml."
            )
        return sources

    def list_documents(self, source: Source) -> list[Document]:
        """What a source holds now. Raises SourceError."""
        return list_documents(
            source,
            project=self.project.folder,
            state=self.project.state,
            settings=self.settings.sources,
            max_size_mb=self.settings.parsing.max_size_mb,
        )

    def read_all(self) -> None:
        """Read everything people have written, so that a mistake is told before anything runs. Raises ContentError."""
        written = self.project.evals
        read_sources(self.project.knowledge / "sources")
        read_gates(written / "gates.yaml")
        for manifest in read_manifests(self.project.knowledge / "manifests").values():
            self.policy(manifest)
            self.judge(manifest)
            read_queries(written / "queries", manifest.collection)
            for name in manifest.suites:
                read_suite(written / "suites", name)

    def release(self, manifest: Manifest) -> str:
        """Fingerprint of all that is ours in a graded answer: manifest, models that can be asked, policy, recipe,
        graders, judge."""
        policy = self.policy(manifest).model_dump(mode="json")
        judge = self.judge(manifest)
        parts = [
            manifest.manifest_digest,
            self._models_in_force(manifest),
            policy,
            self.recipe.recipe_id,
            GRADER_VERSIONS,
        ]
        return digest([*parts, judge.judge_digest] if judge else parts)

    def release_parts(self, manifest: Manifest) -> dict[str, str]:
        """The parts of a release, each with a digest of its own; `manifest` stands for all of it but the prompt."""
        judge = self.judge(manifest)
        return {
            "manifest": manifest.digest_without_prompt,
            "prompt": manifest.prompt_digest,
            "models": self._models_in_force(manifest),
            "policy": digest(self.policy(manifest).model_dump(mode="json")),
            "recipe": self.recipe.recipe_id,
            "graders": digest(GRADER_VERSIONS),
            **({"judge": judge.judge_digest} if judge else {}),
        }

    def holders(self, collection: str) -> dict[str, str]:
        """Whose pointers name a collection, with their releases: its assistants, or the collection itself."""
        manifests = read_manifests(self.project.knowledge / "manifests")
        found = {name: self.release(each) for name, each in manifests.items() if each.collection == collection}
        return found or {f"collection:{collection}": self.recipe.recipe_id}

    def production_version(self, collection: str) -> int | None:
        """The version that serves; None before the first check."""
        for holder in self.holders(collection):
            pointer = self.history.pointer(holder)
            if pointer and collection in pointer.versions:
                return pointer.versions[collection]
        return None

    def asked(self, collection: str, *, candidate: bool) -> "Collection":
        """The collection at the version an evaluation asks: what serves, or the candidate. Raises CollectionError."""
        return self.searchable(self.store.candidate(collection)) if candidate else self.serving(collection)

    def serving(self, collection: str) -> "Collection":
        """The collection at the version that serves. Raises CollectionError."""
        return self.searchable(self.store.open(collection, version=self.serving_version(collection)))

    def serving_version(self, collection: str) -> int:
        """The version that serves. Raises CollectionError."""
        latest = self.store.open(collection)
        version = self.production_version(collection)
        if version is None:
            raise CollectionError(
                f"collection '{collection}': version {latest.version} is a candidate, none serves yet. "
                f"Run `plumbline check --collection {collection}`."
            )
        return version

    def searchable(self, opened: "Collection") -> "Collection":
        """The same: but a question's vector finds nothing among those of another model. Raises CollectionError."""
        embedded = opened.embed_ids()
        if embedded and self.embedder.embed_id not in embedded:
            raise CollectionError(
                f"collection '{opened.name}': version {opened.version} holds the vectors of another embedder than "
                f"'{self.settings.embedding.model}'. Run `plumbline ingest --collection {opened.name}` and "
                f"`plumbline check --collection {opened.name}`, or set `embedding` in params.yaml back."
            )
        return opened


def connect() -> Connections:
    """The connections of the project we are in. Raises SettingsError before anything runs."""
    connections = Connections(find_project())
    _ = connections.settings
    return connections
