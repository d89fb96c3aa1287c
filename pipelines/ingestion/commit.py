"""commit: one atomic commit, index upkeep, and the proof that nothing was lost or doubled."""

from collections.abc import Iterable

import pyarrow as pa

from knowledge.errors import CollectionError, ReconciliationError
from knowledge.record import DocumentCounts, Rejected
from knowledge.store import CANDIDATE, Collection
from knowledge.upkeep import DEFAULT_UPKEEP, UpkeepSettings
from pipelines.ingestion.plan import Plan
from pipelines.ingestion.stage import Staged
from pipelines.ingestion.stopwatch import Stopwatch

NAMED = 50  # documents named by kind of change; the counts tell of all


def commit_rows(
    collection: Collection,
    staged: Staged,
    schema: pa.Schema,
    upkeep: UpkeepSettings = DEFAULT_UPKEEP,
    *,
    stopwatch: Stopwatch | None = None,
) -> int:
    """Commit the staged rows, bring the indices up to them and return the version.

    With nothing to commit the version stays what it was.
    """
    watch = stopwatch or Stopwatch()
    with watch("commit"):
        if staged.replaced:
            collection.commit(staged.fragments, schema, replaced=staged.replaced)
    with watch("index"):
        collection.upkeep(upkeep)
        if staged.replaced:
            collection.clean_up(upkeep)
    return collection.version


def refuse_overtaken(plan: Plan, collection: Collection) -> None:
    """Let no plan pass that was made for another version than stands now. Raises CollectionError."""
    if plan.version not in (None, collection.version):
        raise CollectionError(
            f"collection '{collection.name}': another writer has committed since version {plan.version} was read. "
            "Nothing was changed; run `plumbline ingest` again."
        )


def reconcile(collection: Collection, plan: Plan, kept_out: Iterable[Rejected]) -> None:
    """Documents listed = documents in the index + quarantine, each for its readers, and no chunk twice.

    Only a version that adds up is tagged `candidate`; no other is ever checked. Raises ReconciliationError.
    """
    listed = {step.document.doc_id: step.document for step in plan.steps}
    gone = {*plan.deleted, *plan.dropped}
    lost = listed.keys() - {item.doc_id for item in kept_out}
    left, shown = set(), set()
    for entry in collection.each_content():
        document = listed.get(entry.doc_id)
        if document and entry.doc_sha == document.doc_sha:
            lost.discard(entry.doc_id)
        if document and entry.groups != document.groups:
            shown.add(entry.doc_id)
        if entry.doc_id in gone:
            left.add(entry.doc_id)
    doubled = collection.count_doubled()
    for names, what in (
        (lost, "listed but neither indexed nor in quarantine"),
        (left, "deleted or dropped but still indexed"),
        (shown, "indexed for other readers than its source names"),
    ):
        if names:
            raise ReconciliationError(
                f"collection '{collection.name}': {min(names)} and {len(names) - 1} others are {what} at version "
                f"{collection.version}. It will not be served; run `plumbline ingest` again."
            )
    if doubled:
        raise ReconciliationError(
            f"collection '{collection.name}': {doubled} chunks stand twice at version "
            f"{collection.version}. It will not be served; another writer was at work: run `plumbline ingest` again."
        )
    collection.tag(CANDIDATE, collection.version)


def final_counts(plan: Plan, rejected: Iterable[Rejected]) -> DocumentCounts:
    """The plan's counts, with what was rejected on the way counted as quarantined instead."""
    out = {item.doc_id for item in rejected}
    counts = dict.fromkeys(("added", "changed", "renamed", "copied", "unchanged", "quarantined"), 0)
    for step in plan.steps:
        counts["quarantined" if step.document.doc_id in out else step.change] += 1
    return DocumentCounts(deleted=len(plan.deleted), **counts)


def named_changes(plan: Plan, rejected: Iterable[Rejected]) -> dict[str, tuple[str, ...]]:
    """The documents behind the counts, by change; a renamed or copied one with the name it took its rows from."""
    out = {item.doc_id for item in rejected}
    names: dict[str, list[str]] = {change: [] for change in ("added", "changed", "renamed", "copied")}
    for step in plan.steps:
        if step.change in names and step.document.doc_id not in out:
            taken = f"{step.reuse} -> " if step.change in ("renamed", "copied") else ""
            names[step.change].append(f"{taken}{step.document.doc_id}")
    names["deleted"] = list(plan.deleted)
    return {change: tuple(each[:NAMED]) for change, each in names.items() if each}
