"""Scale-out: the shards of a plan are staged on Ray, by Prefect's Ray runner; the flow commits them once."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from flows.connect import Connections
from flows.params import Notify, Project, Settings
from flows.screen import say, watch
from flows.step import Carried
from knowledge.contracts import prepare
from knowledge.errors import ScaleOutError, SettingsError
from pipelines.ingestion.plan import Plan
from pipelines.ingestion.read import Work
from pipelines.ingestion.stage import Contracts, Staged, join, stage_rows
from pipelines.ingestion.stopwatch import Stopwatch
from pipelines.ingestion.workers import parse_documents

if TYPE_CHECKING:
    from prefect_ray import RayTaskRunner

_OBJECT_STORE_BYTES = 200_000_000  # shards are lists of names; Ray would take a third of the memory
_LOCAL = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # everything listens on 127.0.0.1 alone
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",  # a night is not what the machine does in its spare time
}


@dataclass(frozen=True, slots=True)
class Shard:
    """A part of a plan, and what it takes to stage it in another process that sees the same state folder."""

    name: str
    plan: Plan
    work: Work
    project: Project


@dataclass(frozen=True, slots=True)
class StagedShard:
    """References to what was written of a shard, and where the time went."""

    staged: Staged
    seconds: dict[str, float]


def cut_for_ray(plan: Plan, settings: Settings) -> list[Plan]:
    """The shards that go to Ray; none where it is not set, or one process is enough. Raises SettingsError."""
    if settings.ray is None:
        return []
    if find_spec("prefect_ray") is None:
        raise SettingsError(
            "params.yaml: 'ray' is set, but Ray is not installed. "
            "Run `pip install 'plumbline[ray]'`, or set it to null."
        )
    shards = plan.cut(settings.ray.shard_documents)
    return shards if len(shards) > 1 else []


def stage_on_ray(
    plan: Plan,
    parts: Sequence[Plan],
    connections: Connections,
    work: Work,
    *,
    contracts: Contracts,
    stopwatch: Stopwatch,
) -> Staged:
    """Stage every shard in a task of its own, and show the contracts what was really written.

    A shard whose worker dies is done again by Ray; what the first one wrote is never committed. Raises ScaleOutError.
    """
    collection = connections.store.create(plan.collection)
    project = replace(connections.project, notify=Notify())  # whose addresses are secrets that no shard needs
    shards = [
        Shard(f"shard {number} of {len(parts)} ({_named(part)})", part, work, project)
        for number, part in enumerate(parts, start=1)
    ]
    staged = []
    with open_runner(connections.settings) as runner:
        futures = [(each, runner.submit(stage_shard, {"carried": Carried(each)})) for each in shards]
        prepare()
        for shard, future in watch(futures, "shards", len(shards)):
            done = _result(shard, future)
            for stage, seconds in done.seconds.items():
                stopwatch.seconds[stage] += seconds
            with stopwatch("validate"):
                for fragment in done.staged.fragments:
                    contracts.add(collection.staged(fragment))
            staged.append(done.staged)
    return join(plan, staged)


@task(name="stage shard", task_run_name="stage {carried.value.name}", cache_policy=NO_CACHE)
def stage_shard(carried: Carried) -> Carried:
    """Parse, split and embed the documents of a shard, and write their rows aside. One process parses them."""
    shard: Shard = carried.value
    stopwatch = Stopwatch()
    connections = Connections(shard.project)
    wanted = [step.document for step in shard.plan.steps if step.needs_parser]
    with closing(connections):
        staged = stage_rows(
            shard.plan,
            parse_documents(wanted, shard.work, workers=1, stopwatch=stopwatch),
            connections.store.open(shard.plan.collection),
            connections.store.schema,
            connections.embedder,
            stopwatch=stopwatch,
        )
    return Carried(StagedShard(staged, dict(stopwatch.seconds)))


def _result(shard: Shard, future: Any) -> StagedShard:
    future.wait()
    if future.state.is_crashed():
        raise ScaleOutError(
            f"{shard.name}: Ray could not finish it ({future.state.message}). Nothing was committed, and what serves "
            "stays; run `plumbline ingest` again, or set 'ray' in params.yaml to null."
        )
    if future.state.is_failed():
        say(f"ingest: {shard.name} failed")
    done: StagedShard = future.result().value
    return done


@contextmanager
def open_runner(settings: Settings) -> Iterator["RayTaskRunner[Any]"]:
    """The cluster of the settings, or a Ray of this machine, which ends with the block. Raises ScaleOutError."""
    address = settings.ray.address if settings.ray else None
    with tempfile.TemporaryDirectory(prefix="plumbline-ray-") as folder:
        local: dict[str, Any] = {
            "num_cpus": settings.parsing.workers,
            "object_store_memory": _OBJECT_STORE_BYTES,
            "include_dashboard": False,
            "_temp_dir": folder,
        }
        if address is None:
            os.environ.update(_LOCAL)  # read when Ray is imported
        from prefect_ray import RayTaskRunner

        common = {"log_to_driver": False, "logging_level": "ERROR"}
        with ExitStack() as opened:
            try:
                runner = opened.enter_context(RayTaskRunner(address, common if address else {**common, **local}))
            except ConnectionError as problem:
                raise ScaleOutError(
                    f"params.yaml: 'ray.address' {address}: no cluster answers ({problem}). "
                    "Start it, or set 'ray' to null."
                ) from None
            yield runner


def _named(plan: Plan) -> str:
    return f"{plan.steps[0].document.doc_id} to {plan.steps[-1].document.doc_id}"
