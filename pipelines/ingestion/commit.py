"""commit: one atomic commit, index upkeep, and the proof that nothing was lost or doubled."""

from collections.abc import Iterable

from knowledge.errors import ReconciliationError
from knowledge.record import DocumentCounts, Rejected
from knowledge.store import Collection
from pipelines.ingestion.embed import Staged
from pipelines.ingestion.plan import Plan

CANDIDATE = "candidate"
NAMED = 50  # documents named by kind of change; the counts tell of all


def commit_rows(collection: Collection, plan: Plan, staged: Staged) -> int:
    """Commit the staged rows, bring the text index up to them, tag the version `candidate` and return it.

    With nothing to commit the version stays what it was.
    """
    if staged.replaced:
        collection.commit(staged.rows, staged.replaced)
    collection.upkeep()
    collection.tag(CANDIDATE, collection.version)
    return collection.version


def reconcile(collection: Collection, plan: Plan, kept_out: Iterable[Rejected]) -> None:
    """Documents listed = documents in the index + quarantine, and no chunk twice. Raises ReconciliationError."""
    indexed = collection.documents()
    out = {item.doc_id for item in kept_out}
    shas = {step.document.doc_id: step.document.doc_sha for step in plan.steps}
    lost = sorted(
        doc_id
        for doc_id, sha in shas.items()
        if doc_id not in out and (doc_id not in indexed or indexed[doc_id].doc_sha != sha)
    )
    left = sorted(set(plan.deleted) & indexed.keys())
    ids = collection.chunk_ids()
    for names, what in (
        (lost, "listed but neither indexed nor in quarantine"),
        (left, "deleted but still indexed"),
    ):
        if names:
            raise ReconciliationError(
                f"collection '{collection.name}': {names[0]} and {len(names) - 1} others are {what} at version "
                f"{collection.version}. It will not be served; run `plumbline ingest` again."
            )
    if len(ids) != len(set(ids)):
        raise ReconciliationError(
            f"collection '{collection.name}': {len(ids) - len(set(ids))} chunks stand twice at version "
            f"{collection.version}. It will not be served; another writer was at work: run `plumbline ingest` again."
        )


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
