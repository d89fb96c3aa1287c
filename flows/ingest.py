"""The flow `ingest`: bring a collection up to date with its sources."""

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

from prefect import flow

from flows.announce import announce_ingest
from flows.connect import Connections, connect
from flows.forms import CollectionName
from flows.listing import list_sources
from flows.nights import TONIGHT, night_or_now
from flows.results import CorpusResult, IngestResult
from flows.scale_out import cut_for_ray, stage_on_ray
from flows.screen import say, watch
from flows.snapshots import Kept, keep_documents, push_documents, revision
from flows.state import hold_state
from flows.step import step
from flows.tracking.steps import log_ingest
from flows.validation import open_validation, settle_contracts
from knowledge import contracts
from knowledge.errors import CorpusError
from knowledge.record import Document
from knowledge.snapshot import Snapshot, read_snapshots, record_snapshot
from pipelines.ingestion.commit import commit_rows, final_counts, named_changes, reconcile, refuse_overtaken
from pipelines.ingestion.duplicates import settle_duplicates
from pipelines.ingestion.plan import Plan, make_plan, refuse_mass_delete
from pipelines.ingestion.read import Work
from pipelines.ingestion.stage import NOTHING_STAGED, Staged, stage_rows
from pipelines.ingestion.stopwatch import Stopwatch
from pipelines.ingestion.tally import COUNTED
from pipelines.ingestion.validate import Validation
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
    stopwatch = Stopwatch()
    with hold_state(connect().project, f"ingest {collection}"):
        listing = sync_sources(collection, source, stopwatch)
        plan = plan_changes(collection, listing, stopwatch, allow_mass_delete=allow_mass_delete)
        kept = keep_corpus(plan, stopwatch)
        staged = stage_documents(plan, stopwatch)
        committed = commit_changes(plan, staged, stopwatch)
        result = take_snapshot(committed, kept)
        log_ingest(result)
        announce_ingest(result)
        return result


@step
def sync_sources(collection: str, source: str | None, stopwatch: Stopwatch) -> list[Document]:
    """List every source of the collection; a folder given on the command line becomes one and is remembered."""
    connections = connect()
    sources = connections.find_sources(collection, given=source)
    with stopwatch("list"):
        listing = list_sources(connections, sources)
    if source is not None:
        connections.history.remember_source(name=collection, collection=collection, url=sources[-1].url)
    say(f"ingest: {len(listing)} documents listed in collection '{collection}'")
    return listing


@step
def plan_changes(collection: str, listing: list[Document], stopwatch: Stopwatch, *, allow_mass_delete: bool) -> Plan:
    """Compare the listing with the index; a mass deletion stops here."""
    connections = connect()
    with stopwatch("plan"):
        opened = connections.store.create(collection)
        plan = make_plan(
            collection,
            listing,
            opened.each_document(),
            connections.history.quarantined(collection),
            connections.recipe,
            attempt_id=connections.settings.parsing.attempt_id,
            other_columns=not opened.schema.equals(connections.store.schema),
        )
        plan = replace(plan, version=opened.version)
    if not allow_mass_delete:
        refuse_mass_delete(plan, connections.settings.mass_delete)
    return plan


@step
def keep_corpus(plan: Plan, stopwatch: Stopwatch) -> Kept | None:
    """Keep the documents of versioned sources in the corpus; None where no source is versioned.

    It follows the plan, so that a run that is refused for its deletions leaves the kept corpus alone.
    """
    connections = connect()
    versioned = {source.name for source in connections.sources(plan.collection) if source.versioned}
    if not versioned:
        return None
    documents = [step.document for step in plan.steps if step.document.source in versioned]
    with stopwatch("keep"):
        kept = keep_documents(connections.project, plan.collection, documents)
    for left in kept.left_out:
        say(f"ingest: {left.doc_id} is not kept in the corpus: {left.detail}")
    return kept


def stage_documents(plan: Plan, stopwatch: Stopwatch) -> Staged:
    """Parse, split and embed what is new or changed, and hold the rows against the contracts.

    What cannot be parsed is kept out with its reason; a broken contract stops the run. Nobody sees the rows yet.
    """
    connections = connect()
    validation = open_validation(connections, plan.collection)  # a contract that cannot be read is told in any run
    if not plan.may_change_rows:
        return NOTHING_STAGED
    shards = cut_for_ray(plan, connections.settings)
    if shards:
        work = ingest_work(connections, plan.collection)
        staged = stage_on_ray(plan, shards, connections, work, contracts=validation, stopwatch=stopwatch)
    else:
        staged = stage_here(plan, validation, stopwatch)
    hold_contracts(plan, staged, validation, stopwatch)
    return staged


@step
def stage_here(plan: Plan, validation: Validation, stopwatch: Stopwatch) -> Staged:
    """Stage the whole plan in worker processes of this machine."""
    connections = connect()
    settings = connections.settings
    wanted = [step.document for step in plan.steps if step.needs_parser]
    work = ingest_work(connections, plan.collection)
    outcomes = parse_documents(
        wanted, work, workers=settings.parsing.workers, meanwhile=contracts.prepare, stopwatch=stopwatch
    )
    with closing(connections):
        return stage_rows(
            plan,
            watch(outcomes, "parse", len(wanted)),
            connections.store.create(plan.collection),
            connections.store.schema,
            connections.embedder,
            contracts=validation,
            stopwatch=stopwatch,
        )


@step
def hold_contracts(plan: Plan, staged: Staged, validation: Validation, stopwatch: Stopwatch) -> None:
    """Hold the staged rows against the contracts, each by itself and the collection as it will be."""
    connections = connect()
    with stopwatch("validate"):
        standing = connections.store.create(plan.collection).batches(COUNTED)
        settle_contracts(connections, plan.collection, validation.finish(standing, sorted(staged.replaced)))


def ingest_work(connections: Connections, collection: str) -> Work:
    """What is done with every document of a collection."""
    settings = connections.settings
    return Work(settings.parsing, settings.splitting, connections.project.elements(collection))


@step
def commit_changes(plan: Plan, staged: Staged, stopwatch: Stopwatch) -> IngestResult:
    """One atomic commit, then the proof that every listed document is in the index or in quarantine."""
    connections = connect()
    settings = connections.settings
    collection = connections.store.create(plan.collection)
    refuse_overtaken(plan, collection)
    commit_rows(collection, staged, connections.store.schema, settings.index, stopwatch=stopwatch)
    with stopwatch("near-duplicates"):
        noted = connections.project.near_duplicates(plan.collection)
        duplicates = settle_duplicates(collection, settings.hygiene, noted, settings.index)
    history = connections.history
    listed = {step.document.doc_id for step in plan.steps}
    still = {step.document.doc_id for step in plan.steps if step.change == "quarantined"}
    before = {entry.rejected.doc_id for entry in history.quarantined(plan.collection)}
    history.update_quarantine(plan.collection, rejected=staged.rejected, still=still, listed=listed)
    kept_out = [entry.rejected for entry in history.quarantined(plan.collection)]
    with stopwatch("reconcile"):
        reconcile(collection, plan, kept_out)
        if staged.replaced and (elements := ingest_work(connections, plan.collection).elements):
            elements.keep_only(step.document for step in plan.steps)
    counts = final_counts(plan, staged.rejected)
    say(f"ingest: version {collection.version}, {counts.listed} documents, {len(kept_out)} of them in quarantine")
    return IngestResult(
        collection=plan.collection,
        version=collection.version,
        documents=counts,
        chunks=collection.count_chunks(),
        texts_embedded=staged.texts_embedded,
        quarantine=tuple(kept_out),
        newly_quarantined=tuple(each.doc_id for each in kept_out if each.doc_id not in before),
        recipe_id=plan.recipe.recipe_id,
        seconds=round(stopwatch.total, 2),
        stages={stage: round(seconds, 3) for stage, seconds in stopwatch.seconds.items()},
        changes=named_changes(plan, staged.rejected),
        rows_validated=staged.rows,
        findings={kind: sum(passages.values()) for kind, passages in collection.findings().items()},
        near_duplicates=duplicates,
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
