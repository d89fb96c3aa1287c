"""commit: one version a run, and the proof that nothing was lost or doubled."""

import dataclasses

import lancedb
import pytest

from knowledge.errors import CollectionError, ReconciliationError
from knowledge.record import DocumentCounts, Rejected
from knowledge.store import Question
from pipelines.ingestion.commit import NAMED, final_counts, named_changes, reconcile, refuse_overtaken
from pipelines.ingestion.plan import Plan, Step

pytestmark = pytest.mark.usefixtures("prepared_parser")


def _refund(number):
    return f"# Refund {number}\n\nRefund number {number} takes {number} working days."


@pytest.fixture
def documents(write_document):
    return [write_document(f"{n}.md", _refund(n)) for n in range(3)]


@pytest.fixture
def table(tmp_path):
    """The collection's table, as another program sees it."""
    return lambda: lancedb.connect(tmp_path / "lancedb").open_table("support")


def test_a_run_without_changes_keeps_the_version(ingestion, documents):
    first = ingestion.run(documents)
    again = ingestion.run(documents)
    assert again.version == first.version
    assert again.plan.counts == DocumentCounts(unchanged=3)


def test_the_candidate_is_the_newest_version_that_adds_up(ingestion, documents):
    first = ingestion.run(documents)
    with pytest.raises(CollectionError, match="no ingest of it has ended well yet"):
        ingestion.store.candidate("support")
    reconcile(first.collection, first.plan, ())
    assert ingestion.store.candidate("support").version == first.version
    second = ingestion.run(documents[:2])
    assert second.version > first.version
    assert ingestion.store.candidate("support").version == first.version
    reconcile(second.collection, second.plan, ())
    assert ingestion.store.candidate("support").version == second.version


def test_the_version_before_stays_as_it_was(ingestion, documents):
    first = ingestion.run(documents)
    ingestion.run(documents[:1])
    assert sorted(ingestion.store.open("support", version=first.version).documents()) == [
        "docs/0.md",
        "docs/1.md",
        "docs/2.md",
    ]


def test_an_empty_collection_with_nothing_to_commit_has_a_version(ingestion):
    first = ingestion.run([])
    assert (ingestion.run([]).version, first.collection.chunk_ids()) == (first.version, [])


def test_deleted_documents_are_gone_after_the_commit(ingestion, documents):
    ingestion.run(documents)
    run = ingestion.run(documents[1:])
    assert sorted(run.collection.documents()) == ["docs/1.md", "docs/2.md"]
    assert reconcile(run.collection, run.plan, ()) is None


def test_a_collection_that_was_emptied_can_be_filled_again(ingestion, documents):
    first = ingestion.run(documents)
    empty = ingestion.run([])
    assert (empty.collection.chunk_ids(), empty.plan.counts) == ([], DocumentCounts(deleted=3))
    assert ingestion.run([]).version == empty.version
    again = ingestion.run(documents)
    assert again.collection.content_digest() == ingestion.store.open("support", version=first.version).content_digest()
    question = Question("refund number 2", ingestion.embedder.embed(["refund number 2"])[0])
    (hits,) = again.collection.search_many([question], limit=1)
    assert [hit.doc_id for hit in hits] == ["docs/2.md"]


def test_committing_the_same_rows_twice_changes_no_row(ingestion, documents):
    first = ingestion.run(documents)
    first.collection.commit(first.staged.fragments, ingestion.store.schema, replaced=first.staged.replaced)
    assert sorted(first.collection.chunk_ids()) == ["docs/0.md#0", "docs/1.md#0", "docs/2.md#0"]


# --- reconciliation


def _plan(ingestion, documents, deleted=()):
    return Plan("support", ingestion.recipe, tuple(Step(each, "unchanged") for each in documents), deleted)


def test_a_listed_document_that_is_nowhere_is_a_loss(ingestion, documents, write_document):
    run = ingestion.run(documents)
    plan = _plan(ingestion, [*documents, write_document("lost.md", "x"), write_document("lost too.md", "x")])
    with pytest.raises(ReconciliationError, match=r"docs/lost too\.md and 1 others are listed but neither indexed"):
        reconcile(run.collection, plan, ())


def test_a_listed_document_that_is_indexed_with_other_bytes_is_a_loss(ingestion, documents, write_document):
    run = ingestion.run(documents)
    plan = _plan(ingestion, [write_document("0.md", "other"), *documents[1:]])
    with pytest.raises(ReconciliationError, match=r"docs/0\.md and 0 others are listed but neither indexed"):
        reconcile(run.collection, plan, ())


@pytest.mark.parametrize("kept_out", [True, False])
def test_rows_for_other_readers_than_their_source_names_are_told(ingestion, documents, kept_out):
    run = ingestion.run(documents)
    narrowed = [dataclasses.replace(documents[0], groups=("hr",)), *documents[1:]]
    held = [Rejected(documents[0].doc_id, "0" * 64, "parse", "corrupt", "")] if kept_out else []
    with pytest.raises(ReconciliationError, match=r"docs/0\.md and 0 others are indexed for other readers"):
        reconcile(run.collection, _plan(ingestion, narrowed), held)


def test_a_plan_that_another_writer_has_overtaken_is_refused(ingestion, documents):
    run = ingestion.run(documents)
    plan = dataclasses.replace(run.plan, version=run.version)
    assert refuse_overtaken(plan, run.collection) is None
    later = ingestion.run(documents[1:])
    with pytest.raises(CollectionError, match=rf"another writer has committed since version {run.version} was read"):
        refuse_overtaken(plan, later.collection)


def test_a_listed_document_in_quarantine_is_no_loss(ingestion, documents, write_document):
    run = ingestion.run(documents)
    broken = write_document("broken.md", "x")
    kept_out = [Rejected(broken.doc_id, broken.doc_sha, "parse", "corrupt", "")]
    assert reconcile(run.collection, _plan(ingestion, [*documents, broken]), kept_out) is None


def test_a_deleted_document_that_is_still_indexed_is_told(ingestion, documents):
    run = ingestion.run(documents)
    with pytest.raises(ReconciliationError, match=r"docs/2\.md and 0 others are deleted or dropped but still indexed"):
        reconcile(run.collection, _plan(ingestion, documents[:2], ("docs/2.md",)), ())


def test_a_chunk_that_stands_twice_is_told(ingestion, documents, table):
    run = ingestion.run(documents)
    table().add(run.collection.rows_of(["docs/0.md", "docs/1.md"]))  # a writer that does not merge
    with pytest.raises(ReconciliationError, match=r"2 chunks stand twice .* will not be served"):
        reconcile(ingestion.store.open("support"), run.plan, ())


def test_what_was_rejected_on_the_way_counts_as_quarantined(ingestion, documents, write_document):
    ingestion.run(documents)
    run = ingestion.run([*documents[1:], write_document("broken.md", b""), write_document("new.md", _refund(9))])
    assert run.plan.counts == DocumentCounts(added=2, unchanged=2, deleted=1)
    counts = final_counts(run.plan, run.staged.rejected)
    assert counts == DocumentCounts(added=1, unchanged=2, deleted=1, quarantined=1)
    assert counts.listed == 4


def test_every_change_is_named_with_where_a_renamed_document_comes_from(ingestion, documents, write_document):
    ingestion.run(documents)
    moved, twin = write_document("moved.md", _refund(0)), write_document("twin.md", _refund(1))
    changed = write_document("2.md", _refund(22))
    run = ingestion.run([documents[1], changed, moved, twin, write_document("broken.md", b"")])
    assert named_changes(run.plan, run.staged.rejected) == {
        "changed": ("docs/2.md",),
        "renamed": ("docs/0.md -> docs/moved.md",),
        "copied": ("docs/1.md -> docs/twin.md",),
    }
    gone = ingestion.run([changed])
    assert named_changes(gone.plan, ()) == {"deleted": ("docs/1.md", "docs/moved.md", "docs/twin.md")}


def test_no_more_changes_are_named_than_a_page_can_show(ingestion, documents):
    many = tuple(f"docs/{number}.md" for number in range(NAMED + 7))
    assert named_changes(_plan(ingestion, documents, many), ())["deleted"] == many[:NAMED]
