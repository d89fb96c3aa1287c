"""The flow `ingest`: bring a collection up to date with its sources."""

import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

from prefect import flow

from flows.announce import announce_ingest
from flows.connect import Connections, connect
from flows.forms import CollectionName
from flows.nights import TONIGHT, night_or_now
from flows.results import CorpusResult, IngestResult
from flows.screen import say, watch
from flows.snapshots import Kept, keep_documents, push_documents, revision
from flows.state import hold_state, make_folder
from flows.step import step
from flows.tracking.steps import log_ingest
from knowledge.errors import CorpusError
from knowledge.record import Document
from knowledge.snapshot import Snapshot, read_snapshots, record_snapshot
from pipelines.ingestion.commit import commit_rows, final_counts, named_changes, reconcile
from pipelines.ingestion.embed import Staged, stage_rows
from pipelines.ingestion.plan import Plan, make_plan, refuse_mass_delete
from pipelines.ingestion.sync import list_documents
from pipelines.ingestion.validate import refuse_broken, validate_staged
from pipelines.ingestion.workers import parse_documents


@flow(name="ingest", flow_run_name="ingest {collection}")
def ingest(
    collection: CollectionName = "support",
    source: str | None = None,
    allow_mass_delete: bool = False,
) -> IngestResult:
    """Bring a collection up to date with its sources; the new version is a candidate.

    Args:
        collection: Which collection of passages to bring up to date.
        source: A folder of documents to add as the collection's own source, without writing YAML; it is remembered.
            Leave it empty to read the sources there are.
        allow_mass_delete: Let this run delete more documents than the limit in params.yaml.
    """
    started = time.perf_counter()
    with hold_state(connect().project, f"ingest {collection}"):
        listing = sync_sources(collection, source)
        plan = plan_changes(collection, listing, allow_mass_delete)
        kept = keep_corpus(plan)
        staged = stage_documents(plan)
        validate_rows(collection, staged)
        committed = commit_changes(plan, staged, started)
        result = take_snapshot(committed, kept)
        log_ingest(result)
        announce_ingest(result)
        return result


@step
def sync_sources(collection: str, source: str | None) -> list[Document]:
    """List every source of the collection; a folder given on the command line becomes one and is remembered."""
    connections = connect()
    sources = connections.find_sources(collection, given=source)
    listing = [document for each in sources for document in list_documents(each, project=connections.project.folder)]
    if source is not None:
        connections.history.remember_source(name=collection, collection=collection, url=sources[-1].url)
    say(f"ingest: {len(listing)} documents listed in collection '{collection}'")
    return listing


@step
def plan_changes(collection: str, listing: list[Document], allow_mass_delete: bool) -> Plan:
    """Compare the listing with the index; a mass deletion stops here."""
    connections = connect()
    indexed = connections.store.create(collection).documents()
    held = [entry.rejected for entry in connections.history.quarantined(collection)]
    attempt_id = connections.settings.parsing.attempt_id
    plan = make_plan(collection, listing, indexed, held, connections.recipe, attempt_id=attempt_id)
    if not allow_mass_delete:
        refuse_mass_delete(plan, indexed, connections.settings.mass_delete)
    return plan


@step
def keep_corpus(plan: Plan) -> Kept | None:
    """Keep the documents of versioned sources in the corpus; None where no source is versioned.

    It follows the plan, so that a run that is refused for its deletions leaves the kept corpus alone.
    """
    connections = connect()
    versioned = {source.name for source in connections.sources(plan.collection) if source.versioned}
    if not versioned:
        return None
    documents = [step.document for step in plan.steps if step.document.source in versioned]
    kept = keep_documents(connections.project, plan.collection, documents)
    for left in kept.left_out:
        say(f"ingest: {left.doc_id} is not kept in the corpus: {left.detail}")
    return kept


@step
def stage_documents(plan: Plan) -> Staged:
    """Parse, split and embed what is new or changed; what cannot be parsed is kept out with its reason."""
    connections = connect()
    settings = connections.settings
    wanted = [step.document for step in plan.steps if step.change in ("added", "changed") and step.reuse is None]
    outcomes = watch(parse_documents(wanted, settings.parsing, settings.splitting), "parse", len(wanted))
    collection = connections.store.create(plan.collection)
    with closing(connections):
        return stage_rows(plan, outcomes, collection, connections.store.schema, connections.embedder)


@step
def validate_rows(collection: str, staged: Staged) -> None:
    """Hold the staged rows against their contracts, and keep the data docs of what was found."""
    connections = connect()
    contracts = connections.project.knowledge / "expectations"
    validated = validate_staged(staged, contracts, run=night_or_now(connections))
    for each in validated:
        page = make_folder(connections.project.data_docs(collection)) / f"{each.contract}.html"
        page.write_text(each.page, encoding="utf-8")
    refuse_broken(validated, contracts)


@step
def commit_changes(plan: Plan, staged: Staged, started: float) -> IngestResult:
    """One atomic commit, then the proof that every listed document is in the index or in quarantine."""
    connections = connect()
    collection = connections.store.create(plan.collection)
    version = commit_rows(collection, plan, staged)
    history = connections.history
    listed = {step.document.doc_id for step in plan.steps}
    still = {step.document.doc_id for step in plan.steps if step.change == "quarantined"}
    before = {entry.rejected.doc_id for entry in history.quarantined(plan.collection)}
    history.update_quarantine(plan.collection, rejected=staged.rejected, still=still, listed=listed)
    kept_out = [entry.rejected for entry in history.quarantined(plan.collection)]
    reconcile(collection, plan, kept_out)
    counts = final_counts(plan, staged.rejected)
    say(f"ingest: version {version}, {counts.listed} documents, {len(kept_out)} of them in quarantine")
    return IngestResult(
        collection=plan.collection,
        version=version,
        documents=counts,
        chunks=collection.count_chunks(),
        texts_embedded=staged.texts_embedded,
        quarantine=tuple(kept_out),
        newly_quarantined=tuple(each.doc_id for each in kept_out if each.doc_id not in before),
        recipe_id=plan.recipe.recipe_id,
        seconds=round(time.perf_counter() - started, 2),
        changes=named_changes(plan, staged.rejected),
        rows_validated=staged.rows.num_rows,
    )


@step
def take_snapshot(result: IngestResult, kept: Kept | None) -> IngestResult:
    """Record which documents the version was made from; in a night, also send them to the remote there may be.

    A remote that cannot be reached is told and does not stop the night: the next one sends what is missing.
    """
    connections = connect()
    made = Snapshot(
        collection=result.collection,
        night=night_or_now(connections),
        version=result.version,
        recipe_id=result.recipe_id,
        documents=kept.documents if kept else 0,
        chunks=result.chunks,
        corpus=kept.text if kept else None,
        made_at=datetime.now(UTC),
    )
    record_snapshot(connections.history, made)
    if kept is None:
        return result
    unsent = send_corpus(connections, result.collection) if TONIGHT.get() else None
    corpus = CorpusResult(kept.documents, kept.copied, revision(kept.text), unsent)
    return replace(result, corpus=corpus)


def send_corpus(connections: Connections, collection: str) -> str | None:
    """Send every snapshot that the remote has not got; why not, when that failed."""
    snapshots = read_snapshots(connections.history, collection)
    try:
        push_documents(connections.project, [each.corpus for each in snapshots if each.corpus])
    except CorpusError as problem:
        say(f"ingest: {problem}")
        return str(problem)
    return None
