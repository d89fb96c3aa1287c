"""The composition root: settings and secrets become a store, an embedder, a history and the written content."""

import errno
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from evals.case import read_suite
from evals.gate import read_gates
from evals.graders import GRADER_VERSIONS
from evals.graders.judge import JudgePrompt, read_judge
from evals.retrieval import read_queries
from flows.params import Project, Settings, find_project
from knowledge.digest import digest
from knowledge.errors import CollectionError, SourceError, StateError
from knowledge.history import History
from knowledge.manifest import Manifest, read_manifest, read_manifests
from knowledge.policy import Policy, read_policy
from knowledge.record import Recipe
from knowledge.source import NAME, Source, read_sources
from pipelines.embedder import WordLlamaEmbedder
from pipelines.ingestion.sync import find_folder

if TYPE_CHECKING:
    from knowledge.store import Collection, Store


FULL_BYTES = 1_000_000  # with less room nothing here can be written


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
    def embedder(self) -> WordLlamaEmbedder:
        """The embedding model."""
        return WordLlamaEmbedder()

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
            find_folder(source, self.project.folder)
        if not sources:
            raise CollectionError(
                f"collection '{collection}': no source feeds it. Give a folder with --source, "
                "or write knowledge/sources/NAME.yaml."
            )
        return sources

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
        """Fingerprint of all that is ours in a graded answer: manifest, prompt, policy, recipe, graders, judge."""
        policy = self.policy(manifest).model_dump(mode="json")
        judge = self.judge(manifest)
        parts = [manifest.manifest_digest, policy, self.recipe.recipe_id, GRADER_VERSIONS]
        return digest([*parts, judge.judge_digest] if judge else parts)

    def release_parts(self, manifest: Manifest) -> dict[str, str]:
        """The parts of a release, each with a digest of its own; `manifest` stands for all of it but the prompt."""
        judge = self.judge(manifest)
        return {
            "manifest": digest(manifest.model_dump(mode="json", exclude={"prompt"}, exclude_none=True)),
            "prompt": manifest.prompt_digest,
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
        """The collection at the version an evaluation asks: what serves, or the newest. Raises CollectionError."""
        return self.store.open(collection) if candidate else self.serving(collection)

    def serving(self, collection: str) -> "Collection":
        """The collection at the version that serves. Raises CollectionError."""
        latest = self.store.open(collection)
        version = self.production_version(collection)
        if version is None:
            raise CollectionError(
                f"collection '{collection}': version {latest.version} is a candidate, none serves yet. "
                f"Run `plumbline check --collection {collection}`."
            )
        return self.store.open(collection, version=version)


def connect() -> Connections:
    """The connections of the project we are in. Raises SettingsError before anything runs."""
    connections = Connections(find_project())
    _ = connections.settings
    return connections


def make_folder(folder: Path) -> Path:
    """The folder, made when it is not there. Raises StateError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise StateError(
            f"state folder {folder}: cannot be made ({problem.strerror}). "
            "Make it writable, or set PLUMBLINE_STATE to another folder."
        ) from None
    return folder


@contextmanager
def hold_state(project: Project, what: str) -> Iterator[None]:
    """Keep the state folder for this process while a run writes to it. Raises StateError when another has it.

    The operating system frees the lock when the process ends, however it ends.
    """
    state = make_folder(project.state)
    if not os.access(state, os.W_OK):
        raise StateError(f"state folder {state}: cannot be written. Make it writable, or set PLUMBLINE_STATE.")
    free_mb = shutil.disk_usage(state).free / 1e6
    if free_mb < project.settings.min_free_mb:
        raise disk_full(state, f"{free_mb:.0f} MB are free, {project.settings.min_free_mb:.0f} MB are needed")
    about = state / "run.json"
    lock = FileLock(state / "run.lock", is_singleton=True)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise StateError(
            f"state folder {state}: {_holder(about)} is using it. Wait for it, or set PLUMBLINE_STATE."
        ) from None
    try:
        if lock.lock_counter == 1:
            entry = {
                "pid": os.getpid(),
                "run": what,
                "since": datetime.now(UTC).isoformat(timespec="seconds"),
            }
            about.write_text(json.dumps(entry), encoding="utf-8")
        yield
    finally:
        lock.release()


def end_left_over_servers(project: Project) -> None:
    """End the Prefect servers that runs of this state folder started and, being killed, could not end themselves.

    A server is ours when it inherited our state folder and the number of a run that is no more.
    """
    import psutil

    home = str(project.state / "prefect")
    for process in psutil.process_iter():
        try:
            inherited = process.environ()
            ours = inherited.get("PREFECT_HOME") == home and "prefect.server" in " ".join(process.cmdline())
            run = int(inherited.get("PLUMBLINE_RUN", "0"))
            if ours and run and not psutil.pid_exists(run):
                process.terminate()
        except (psutil.Error, ValueError):
            continue  # it has ended meanwhile, or is somebody else's


def _holder(about: Path) -> str:
    try:
        entry = json.loads(about.read_text(encoding="utf-8"))
        return f"another run ({entry['run']}, process {entry['pid']}, since {entry['since']})"
    except (OSError, ValueError, KeyError):
        return "another run"


def disk_full(state: Path, detail: str) -> StateError:
    """The error of a disk without room."""
    return StateError(
        f"state folder {state}: the disk is full ({detail}). Free some room and run the same command again; "
        "what serves is unchanged."
    )


def is_disk_full(problem: BaseException, state: Path) -> bool:
    """Does an error, ours or a vendor's, or what caused it, say that the disk is full? Or is it, whatever it says?"""
    with suppress(OSError):
        if shutil.disk_usage(state).free < FULL_BYTES:
            return True
    seen: BaseException | None = problem
    while seen is not None:
        words = str(seen).lower()
        if getattr(seen, "errno", None) == errno.ENOSPC or "no space left" in words or "disk is full" in words:
            return True
        seen = seen.__cause__ or seen.__context__
    return False
