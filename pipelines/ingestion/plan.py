"""plan: what must be done, computed from the listing and from what the index really holds."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from pydantic import Field

from knowledge.content import Content
from knowledge.errors import MassDeleteError, SourceError
from knowledge.record import Change, Document, DocumentCounts, IndexedDocument, Quarantined, Recipe, source_of
from pipelines.ingestion.parsing.kinds import suffix_of

_Content = tuple[str, tuple[str, ...]]


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
        return self.reuse is not None or self.needs_parser

    @property
    def needs_parser(self) -> bool:
        """Is it parsed, or read from the parser's cache?"""
        return self.reuse is None and self.change in ("added", "changed")


@dataclass(frozen=True, slots=True)
class Plan:
    """One step for every listed document, and the doc_ids whose rows go.

    deleted: listed no more. dropped: still listed, but somebody decided to leave them out.
    indexed: by source, how many documents are indexed. version: the version of the collection it was made for, where
    that matters.
    """

    collection: str
    recipe: Recipe
    steps: tuple[Step, ...]
    deleted: tuple[str, ...]
    dropped: tuple[str, ...] = ()
    indexed: Mapping[str, int] = field(default_factory=dict)
    version: int | None = None

    @property
    def counts(self) -> DocumentCounts:
        """How many documents each change has."""
        found: dict[str, int] = defaultdict(int)
        for step in self.steps:
            found[step.change] += 1
        return DocumentCounts(deleted=len(self.deleted), **found)

    @property
    def may_change_rows(self) -> bool:
        """Can there be anything to commit? A document in quarantine may need new columns for its old rows."""
        return bool(self.deleted or self.dropped or self._to_stage)

    @property
    def _to_stage(self) -> list[Step]:
        return [step for step in self.steps if step.stages_rows or step.change == "quarantined"]

    def cut(self, documents: int) -> list["Plan"]:
        """The plan in shards of so many documents that may have rows to write, each to be staged apart.

        What is unchanged or deleted is in none of them.
        """
        steps = self._to_stage
        starts = range(0, len(steps), documents)
        return [replace(self, steps=tuple(steps[start : start + documents]), deleted=()) for start in starts]


def make_plan(
    collection: str,
    listing: Sequence[Document],
    indexed: Iterable[IndexedDocument],
    quarantined: Iterable[Quarantined],
    recipe: Recipe,
    *,
    attempt_id: str,
    other_columns: bool = False,
) -> Plan:
    """Compare what is listed with what is indexed.

    A document that was rejected before, and is the same under the same parser and limits (`attempt_id`),
    is not tried again, unless somebody asked for that; one that was dropped is not, until it changes.
    other_columns: the index has those of another release, so every row is written anew.
    Raises SourceError when two listed files have the same doc_id.
    """
    listed = {document.doc_id: document for document in listing}
    if len(listed) < len(listing):
        raise SourceError(f"collection '{collection}': two sources list the same doc_id. Give them other names.")
    kept_out = {entry.rejected.doc_id: entry for entry in quarantined}
    by_source: dict[str, int] = Counter()
    standing: set[str] = set()  # of a document that is as it should be no more than its name is kept
    others: dict[str, IndexedDocument] = {}
    for entry in indexed:
        by_source[entry.source] += 1
        document = listed.get(entry.doc_id)
        if document is None or other_columns or entry.doc_id in kept_out or not _stands(document, entry, recipe):
            others[entry.doc_id] = entry
        else:
            standing.add(document.doc_id)
    gone = others.keys() - listed.keys()
    same_content = _same_content(listed, standing, others, recipe)
    dropped, steps = [], []
    for document in sorted(listing, key=lambda each: each.doc_id):
        held = kept_out.get(document.doc_id)
        if document.doc_id in standing:
            steps.append(Step(document, "unchanged"))
        elif held and held.holds(document, attempt_id):
            leaves = held.state == "dropped" and document.doc_id in others
            dropped += [document.doc_id] if leaves else []
            steps.append(_held(document, None if leaves else others.get(document.doc_id)))
        else:
            step = _step(document, others.get(document.doc_id), same_content, gone, recipe)
            rewritten = other_columns and step.change == "unchanged"
            steps.append(replace(step, reuse=document.doc_id) if rewritten else step)
        if steps[-1].change == "renamed" and steps[-1].reuse:
            gone.discard(steps[-1].reuse)
    return Plan(collection, recipe, tuple(steps), tuple(sorted(gone)), tuple(dropped), by_source)


def _stands(document: Document, entry: IndexedDocument, recipe: Recipe) -> bool:
    """Are its rows as they should be, to the last column?"""
    same = _content(entry) == _content(document) and entry.recipe == recipe
    return same and says_the_same(document, entry) and entry.uri == document.uri


def says_the_same(document: Document, entry: IndexedDocument) -> bool:
    """Does the index hold what its source says of a document: who may read it, its tags, what replaces it?"""
    said, held = ((each.groups, each.tags, each.superseded_by) for each in (document, entry))
    return said == held


def _same_content(
    listed: Mapping[str, Document], standing: Collection[str], others: Mapping[str, IndexedDocument], recipe: Recipe
) -> dict[_Content, list[str]]:
    """The indexed documents whose passages another listed document could take over, by content, in order."""
    wanted = {_content(document) for doc_id, document in listed.items() if doc_id not in standing}
    found: dict[_Content, list[str]] = defaultdict(list)
    if not wanted:
        return found
    for doc_id in sorted({*standing, *others}):
        entry = others.get(doc_id)
        content = _content(entry or listed[doc_id])
        if content in wanted and (entry is None or _same_passages(entry.recipe, recipe)):
            found[content].append(doc_id)
    return found


def _held(document: Document, entry: IndexedDocument | None) -> Step:
    """Its last good version stays served, but to no other readers than today's."""
    respoken = entry is not None and not says_the_same(document, entry)
    return Step(document, "quarantined", reuse=document.doc_id if respoken else None)


def _step(
    document: Document,
    entry: IndexedDocument | None,
    same_content: Mapping[_Content, list[str]],
    gone: set[str],
    recipe: Recipe,
) -> Step:
    if entry and _content(entry) == _content(document) and _same_passages(entry.recipe, recipe):
        if entry.recipe != recipe or not says_the_same(document, entry):
            return Step(document, "changed", reuse=entry.doc_id)
        # the folder has moved, the document has not changed: its rows get the new address
        return Step(document, "unchanged", reuse=None if entry.uri == document.uri else entry.doc_id)
    # a parser goes by the ending of the name as well
    ending = _ending(document.doc_id)
    twins = [doc_id for doc_id in same_content.get(_content(document), []) if _ending(doc_id) == ending]
    left = next((doc_id for doc_id in twins if doc_id in gone), None)
    if entry:
        return Step(_timed(document, entry), "changed", reuse=twins[0] if twins else None)
    if left:
        return Step(document, "renamed", reuse=left)
    return Step(document, "copied", reuse=twins[0]) if twins else Step(document, "added")


def _timed(document: Document, entry: IndexedDocument) -> Document:
    """A file that was merely touched before it is parsed anew keeps the time at which its content was first indexed."""
    same = entry.doc_sha == document.doc_sha
    return replace(document, modified_at=entry.modified_at) if same and entry.modified_at else document


def _content(document: Document | IndexedDocument) -> _Content:
    """What decides the passages of a document, under names of one ending."""
    return document.doc_sha, document.languages


def _ending(doc_id: str) -> str:
    return suffix_of(PurePosixPath(doc_id).name)


def _same_passages(one: Recipe, other: Recipe) -> bool:
    return (one.parse_id, one.split_id) == (other.parse_id, other.split_id)


def refuse_mass_delete(plan: Plan, limits: DeleteLimits) -> None:
    """Raise MassDeleteError when the plan would empty a source, or delete more than the limits allow."""
    remedy = (
        f"Nothing was changed. If that is right, run `plumbline ingest --collection {plan.collection} "
        "--allow-mass-delete` once; if not, look at the source's folder."
    )
    left = {step.document.source for step in plan.steps}
    for source in sorted({source_of(doc_id) for doc_id in plan.deleted} - left):
        raise MassDeleteError(
            f"source '{source}': lists nothing, but {plan.indexed[source]} documents are indexed. {remedy}"
        )
    indexed = sum(plan.indexed.values())
    share = len(plan.deleted) / max(indexed, 1)
    if len(plan.deleted) >= limits.min_documents and share > limits.max_share:
        raise MassDeleteError(
            f"collection '{plan.collection}': {len(plan.deleted)} of {indexed} documents would be deleted, "
            f"over the limit of {limits.max_share:.0%}. {remedy}"
        )
