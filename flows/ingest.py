"""The flow `ingest`: bring a collection up to date with its sources."""

import time

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from flows.connect import connect, hold_state, make_folder
from flows.nights import night_or_now
from flows.results import IngestResult
from flows.screen import say, watch
from flows.tracking.steps import log_ingest
from knowledge.record import Document
from pipelines.ingestion.commit import commit_rows, final_counts, reconcile
from pipelines.ingestion.embed import Staged, stage_rows
from pipelines.ingestion.plan import Plan, make_plan, refuse_mass_delete
from pipelines.ingestion.sync import list_documents
from pipelines.ingestion.validate import refuse_broken, validate_staged
from pipelines.ingestion.workers import parse_documents


@flow(name="ingest")
def ingest(
    collection: str = "support",
    source: str | None = None,
    allow_mass_delete: bool = False,
) -> IngestResult:
    """Bring a collection up to date with its sources."""
    started = time.perf_counter()
    with hold_state(connect().project, f"ingest {collection}"):
        listing = sync_sources(collection, source)
        plan = plan_changes(collection, listing, allow_mass_delete)
        staged = stage_documents(plan)
        validate_rows(collection, staged)
        result = commit_changes(plan, staged, started)
        return log_ingest(result)


@task(cache_policy=NO_CACHE)
def sync_sources(collection: str, source: str | None) -> list[Document]:
    """List every source of the collection; a folder given on the command line becomes one and is remembered."""
    connections = connect()
    sources = connections.find_sources(collection, given=source)
    listing = [document for each in sources for document in list_documents(each, project=connections.project.folder)]
    if source is not None:
        connections.history.remember_source(name=collection, collection=collection, url=sources[-1].url)
    say(f"ingest: {len(listing)} documents listed in collection '{collection}'")
    return listing


@task(cache_policy=NO_CACHE)
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


@task(cache_policy=NO_CACHE)
def stage_documents(plan: Plan) -> Staged:
    """Parse, split and embed what is new or changed; what cannot be parsed is kept out with its reason."""
    connections = connect()
    settings = connections.settings
    wanted = [step.document for step in plan.steps if step.change in ("added", "changed") and step.reuse is None]
    outcomes = watch(parse_documents(wanted, settings.parsing, settings.splitting), "parse", len(wanted))
    collection = connections.store.create(plan.collection)
    return stage_rows(plan, outcomes, collection, connections.store.schema, connections.embedder)


@task(cache_policy=NO_CACHE)
def validate_rows(collection: str, staged: Staged) -> None:
    """Hold the staged rows against their contracts, and keep the data docs of what was found."""
    connections = connect()
    contracts = connections.project.knowledge / "expectations"
    validated = validate_staged(staged, contracts, run=night_or_now(connections))
    for each in validated:
        page = make_folder(connections.project.data_docs(collection)) / f"{each.contract}.html"
        page.write_text(each.page, encoding="utf-8")
    refuse_broken(validated, contracts)


@task(cache_policy=NO_CACHE)
def commit_changes(plan: Plan, staged: Staged, started: float) -> IngestResult:
    """One atomic commit, then the proof that every listed document is in the index or in quarantine."""
    connections = connect()
    collection = connections.store.create(plan.collection)
    version = commit_rows(collection, plan, staged)
    history = connections.history
    listed = {step.document.doc_id for step in plan.steps}
    still = {step.document.doc_id for step in plan.steps if step.change == "quarantined"}
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
        recipe_id=plan.recipe.recipe_id,
        seconds=round(time.perf_counter() - started, 2),
        rows_validated=staged.rows.num_rows,
    )
