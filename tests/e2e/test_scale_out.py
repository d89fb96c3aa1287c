"""Scale-out: shards staged on a real Ray are what one machine stages, whatever happens to a worker or a document."""

import ipaddress
import json
import os
import pickle
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pytest
from checkout import Checkout, copy_project

from flows.connect import Connections
from flows.ingest import ingest_work
from flows.params import Project, RaySettings, Settings
from flows.scale_out import Shard, StagedShard, cut_for_ray, open_runner, stage_on_ray, stage_shard
from flows.step import Carried
from knowledge.record import Document
from pipelines.ingestion.commit import commit_rows
from pipelines.ingestion.parsing import ParseSettings
from pipelines.ingestion.plan import Plan, make_plan
from pipelines.ingestion.read import Work
from pipelines.ingestion.stage import Staged, join, stage_rows
from pipelines.ingestion.stopwatch import Stopwatch
from pipelines.ingestion.workers import parse_documents


@dataclass
class _Shown:
    """What the contracts were shown."""

    tables: list[pa.Table]

    def add(self, rows: pa.Table) -> None:
        self.tables.append(rows)

    def rows(self) -> list[dict[str, Any]]:
        return sorted((row for each in self.tables for row in each.to_pylist()), key=lambda row: row["chunk_id"])


@dataclass(frozen=True)
class _Bench:
    """A collection that is empty, and what is done with documents."""

    connections: Connections
    work: Work

    def plan(self, listing: Sequence[Document]) -> Plan:
        indexed = self.connections.store.create("support").each_document()
        plan = make_plan("support", listing, indexed, (), self.connections.recipe, attempt_id="a")
        return replace(plan, deleted=())

    def on_ray(self, plan: Plan, documents: int) -> tuple[Staged, _Shown]:
        shown = _Shown([])
        parts = plan.cut(documents)
        staged = stage_on_ray(plan, parts, self.connections, self.work, contracts=shown, stopwatch=Stopwatch())
        return staged, shown

    def here(self, plan: Plan) -> tuple[Staged, _Shown]:
        shown = _Shown([])
        store = self.connections.store
        outcomes = parse_documents([step.document for step in plan.steps], self.work, workers=1)
        collection = store.create(plan.collection)
        return stage_rows(plan, outcomes, collection, store.schema, self.connections.embedder, contracts=shown), shown


@pytest.fixture
def bench(tmp_path: Path) -> _Bench:
    folder = copy_project(tmp_path).folder
    connections = Connections(Project(folder, folder / "state", f"sqlite:///{folder}/state/plumbline.db", None))
    return _Bench(connections, replace(ingest_work(connections, "support"), cache=None))  # so every run parses


@pytest.fixture(scope="module")
def ray(prefect: None) -> Iterator[None]:
    """One Ray for all tests here, as a run starts it for itself; with one worker it starts in half the time."""
    with open_runner(Settings(ray=RaySettings(), parsing=ParseSettings(workers=1))):
        yield


def _same(on_ray: tuple[Staged, _Shown], here: tuple[Staged, _Shown]) -> None:
    (staged, shown), (alone, expected) = on_ray, here
    assert shown.rows() == expected.rows()
    assert (staged.rows, staged.replaced, staged.rejected) == (alone.rows, alone.replaced, alone.rejected)


def test_a_shard_may_be_staged_wherever_the_state_folder_is_seen(bench: _Bench, write_document: Any) -> None:
    """The short form of what follows: a shard goes through pickle, and so does what comes back."""
    texts = ["", *(f"<h1>Refund {number}</h1><p>It takes {number} working days.</p>" for number in range(6))]
    plan = bench.plan([write_document(f"{number}.html", text) for number, text in enumerate(texts)])
    store, shown, done = bench.connections.store, _Shown([]), []
    for part in plan.cut(3):
        sent = pickle.dumps(Carried(Shard("a shard", part, bench.work, bench.connections.project)))
        back: StagedShard = pickle.loads(pickle.dumps(stage_shard.fn(pickle.loads(sent)))).value
        shown.tables += [store.open("support").staged(fragment) for fragment in back.staged.fragments]
        done.append(back.staged)
    assert store.open("support").count_chunks() == 0
    _same((join(plan, done), shown), bench.here(plan))


@pytest.mark.nightly
def test_shards_on_ray_are_what_one_machine_stages(ray: None, bench: _Bench, write_document: Any) -> None:
    texts = ["", *(f"<h1>Refund {number}</h1><p>It takes {number} working days.</p>" for number in range(6))]
    plan = bench.plan([write_document(f"{number}.html", text) for number, text in enumerate(texts)])
    on_ray = bench.on_ray(plan, 3)
    assert [(each.doc_id, each.reason) for each in on_ray[0].rejected] == [("docs/0.html", "empty")]
    assert (on_ray[0].rows, len(on_ray[0].fragments)) == (6, 3)
    _same(on_ray, bench.here(plan))


@pytest.mark.nightly
def test_ray_listens_on_this_machine_alone(ray: None) -> None:
    addresses = [
        ipaddress.ip_address(each.laddr.ip)
        for process in psutil.Process().children(recursive=True)
        for each in process.net_connections(kind="inet")
        if each.status == psutil.CONN_LISTEN
    ]
    assert len(addresses) > 3
    assert {str(getattr(each, "ipv4_mapped", None) or each) for each in addresses} == {"127.0.0.1"}


def test_a_plan_that_fits_in_one_shard_stays_here(bench: _Bench, write_document: Any) -> None:
    plan = bench.plan([write_document(f"{number}.html", f"<p>{number}</p>") for number in range(4)])
    shards = [cut_for_ray(plan, Settings(ray=RaySettings(shard_documents=size))) for size in (4, 3, 1)]
    assert [len(each) for each in shards] == [0, 2, 4]
    assert cut_for_ray(plan, Settings()) == []


@pytest.mark.nightly
def test_a_worker_killed_in_the_middle_changes_nothing(ray: None, bench: _Bench) -> None:
    connections = bench.connections
    listing = [each for source in connections.sources("support") for each in connections.list_documents(source)]
    plan = bench.plan(listing)
    killed: list[int] = []
    killer = threading.Thread(target=lambda: killed.append(_kill_first_worker()))
    killer.start()
    on_ray = bench.on_ray(plan, 16)
    killer.join()
    assert len(killed) == 1
    _same(on_ray, bench.here(plan))
    collection = connections.store.create("support")
    commit_rows(collection, on_ray[0], connections.store.schema)
    assert collection.count_doubled() == 0
    assert collection.count_chunks() == on_ray[0].rows
    assert set(collection.documents()) == on_ray[0].replaced


@pytest.mark.nightly
def test_a_document_that_hangs_on_ray_costs_itself_alone(ray: None, bench: _Bench, write_document: Any) -> None:
    documents = [write_document(f"{number}.html", f"<h1>Number {number}</h1><p>Words.</p>") for number in range(4)]
    documents[1].path.unlink()
    os.mkfifo(documents[1].path)  # whose bytes never come
    parsing = bench.work.parsing.model_copy(update={"timeout_seconds": 1.5})
    quick = replace(bench, work=replace(bench.work, parsing=parsing))
    staged, shown = quick.on_ray(quick.plan(documents), 2)
    assert [(each.doc_id, each.reason) for each in staged.rejected] == [("docs/1.html", "timeout")]
    assert [row["doc_id"] for row in shown.rows()] == ["docs/0.html", "docs/2.html", "docs/3.html"]


@pytest.mark.nightly
def test_a_broken_contract_in_one_shard_stops_the_commit(ray: None, checkout: Checkout, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    for number in range(4):
        words = "words " * (100 if number == 3 else 9)
        (mine / f"{number}.md").write_text(f"# Number {number}\n\n{words}", encoding="utf-8")
    checkout.edit("params.yaml", "ray: null", "ray: {shard_documents: 2}")
    contract = tmp_path / "knowledge/expectations/chunks.json"
    suite = json.loads(contract.read_text(encoding="utf-8"))
    bound = {"column": "tokens", "min_value": 1, "max_value": 100}
    suite["expectations"] = [{"type": "expect_column_values_to_be_between", "kwargs": bound}]
    contract.write_text(json.dumps(suite), encoding="utf-8")
    line = checkout.error("ingest", "--collection", "mine", "--source", str(mine))
    assert line.startswith("ContractError: contract 'chunks'")
    assert "does not hold in 1 rows" in line
    assert "Nothing was committed" in line


def _kill_first_worker() -> int:
    """Kill the first process of Ray that has begun to parse a shard."""
    while True:
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):  # it may have just ended
                if process.cmdline()[:1] == ["ray::stage shard"] and process.children():
                    process.kill()
                    return process.pid
        time.sleep(0.01)
