"""plan: what must be done, computed from the listing and from what the index really holds."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import Field

from knowledge.content import Content
from knowledge.errors import MassDeleteError, SourceError
from knowledge.record import Change, Document, DocumentCounts, IndexedDocument, Recipe, Rejected


class DeleteLimits(Content):
    """How much one run may delete before it stops: a share of the indexed documents, and from how many on."""

    max_share: float = Field(default=0.2, gt=0, le=1)
    min_documents: int = Field(default=5, ge=1)


@dataclass(frozen=True, slots=True)
class Step:
    """What happens to one listed document. reuse: the indexed document whose rows it takes over, unparsed."""

    document: Document
    change: Change
    reuse: str | None = None

    @property
    def stages_rows(self) -> bool:
        """Does it put rows into the index?"""
        return self.reuse is not None or self.change in ("added", "changed")


@dataclass(frozen=True, slots=True)
class Plan:
    """One step for every listed document, and the doc_ids whose rows go."""

    collection: str
    recipe: Recipe
    steps: tuple[Step, ...]
    deleted: tuple[str, ...]

    @property
    def counts(self) -> DocumentCounts:
        """How many documents each change has."""
        found: dict[str, int] = defaultdict(int)
        for step in self.steps:
            found[step.change] += 1
        return DocumentCounts(deleted=len(self.deleted), **found)

    @property
    def changes_rows(self) -> bool:
        """Is there anything to commit?"""
        return bool(self.deleted) or any(step.stages_rows for step in self.steps)


def make_plan(
    collection: str,
    listing: Sequence[Document],
    indexed: Mapping[str, IndexedDocument],
    quarantined: Iterable[Rejected],
    recipe: Recipe,
    *,
    attempt_id: str,
) -> Plan:
    """Compare what is listed with what is indexed.

    A document that was rejected before, and is the same under the same parser and limits (`attempt_id`),
    is not tried again.
    Raises SourceError when two listed files have the same doc_id.
    """
    listed = {document.doc_id: document for document in listing}
    if len(listed) < len(listing):
        raise SourceError(f"collection '{collection}': two sources list the same doc_id. Give them other names.")
    gone = indexed.keys() - listed.keys()
    held = {(item.doc_id, item.doc_sha, item.attempt_id) for item in quarantined}
    same_bytes: dict[str, list[str]] = defaultdict(list)
    for doc_id, entry in sorted(indexed.items()):
        if entry.recipe == recipe:
            same_bytes[entry.doc_sha].append(doc_id)
    taken: set[str] = set()
    steps = []
    for document in sorted(listing, key=lambda each: each.doc_id):
        if (document.doc_id, document.doc_sha, attempt_id) in held:
            steps.append(_held(document, indexed.get(document.doc_id)))
        else:
            steps.append(_step(document, indexed.get(document.doc_id), same_bytes, gone - taken, recipe))
        if steps[-1].change == "renamed" and steps[-1].reuse:
            taken.add(steps[-1].reuse)
    return Plan(collection, recipe, tuple(steps), tuple(sorted(gone - taken)))


def _held(document: Document, entry: IndexedDocument | None) -> Step:
    """Its last good version stays served, but to no other readers than today's."""
    regrouped = entry is not None and entry.groups != document.groups
    return Step(document, "quarantined", reuse=document.doc_id if regrouped else None)


def _step(
    document: Document,
    entry: IndexedDocument | None,
    same_bytes: Mapping[str, list[str]],
    gone: set[str],
    recipe: Recipe,
) -> Step:
    if entry and entry.doc_sha == document.doc_sha and entry.recipe == recipe:
        if entry.groups != document.groups:
            return Step(document, "changed", reuse=entry.doc_id)
        # the folder has moved, the document has not changed: its rows get the new address
        return Step(document, "unchanged", reuse=None if entry.uri == document.uri else entry.doc_id)
    twins = same_bytes.get(document.doc_sha, [])
    left = next((doc_id for doc_id in twins if doc_id in gone), None)
    if entry:
        return Step(document, "changed", reuse=twins[0] if twins else None)
    if left:
        return Step(document, "renamed", reuse=left)
    return Step(document, "copied", reuse=twins[0]) if twins else Step(document, "added")


def refuse_mass_delete(plan: Plan, indexed: Mapping[str, IndexedDocument], limits: DeleteLimits) -> None:
    """Raise MassDeleteError when the plan would empty a source, or delete more than the limits allow."""
    remedy = (
        f"Nothing was changed. If that is right, run `plumbline ingest --collection {plan.collection} "
        "--allow-mass-delete` once; if not, look at the source's folder."
    )
    left = {step.document.source for step in plan.steps}
    for source in sorted({indexed[doc_id].source for doc_id in plan.deleted}):
        if source not in left:
            count = sum(entry.source == source for entry in indexed.values())
            raise MassDeleteError(f"source '{source}': lists nothing, but {count} documents are indexed. {remedy}")
    share = len(plan.deleted) / max(len(indexed), 1)
    if len(plan.deleted) >= limits.min_documents and share > limits.max_share:
        raise MassDeleteError(
            f"collection '{plan.collection}': {len(plan.deleted)} of {len(indexed)} documents would be deleted, "
            f"over the limit of {limits.max_share:.0%}. {remedy}"
        )
