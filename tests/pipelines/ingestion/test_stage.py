"""stage: rows with their vectors, where no text is embedded twice."""

from dataclasses import replace
from datetime import timedelta

import lance
import numpy as np
import pytest

from knowledge.store import Question, Store
from pipelines.embedder import DIMENSIONS, WordLlamaEmbedder
from pipelines.ingestion.commit import commit_rows
from pipelines.ingestion.parsing import ParseSettings
from pipelines.ingestion.plan import make_plan
from pipelines.ingestion.read import Work, read_document
from pipelines.ingestion.split import SplitSettings
from pipelines.ingestion.stage import Staged, join, stage_rows
from pipelines.ingestion.stopwatch import Stopwatch

pytestmark = pytest.mark.usefixtures("prepared_parser")


def _refund(number):
    return f"# Refund {number}\n\nRefund number {number} takes {number} working days."


def _rows(collection, column):
    rows = collection.rows_of(collection.documents()).to_pylist()
    return {row["chunk_id"]: row[column] for row in rows}


def test_a_row_holds_what_the_document_says_and_where_it_stands(ingestion, write_document):
    document = write_document("a.md", "# Refunds\n\nA refund takes five working days.", groups=("hr", "it"))
    run = ingestion.run([document])
    (row,) = run.collection.rows_of([document.doc_id]).to_pylist()
    assert (row["chunk_id"], row["doc_id"], row["ordinal"]) == ("docs/a.md#0", "docs/a.md", 0)
    assert (row["doc_sha"], row["uri"], row["source"]) == (document.doc_sha, "docs/a.md", "docs")
    assert (row["title"], row["headings"], row["page"]) == ("Refunds", ["Refunds"], None)
    assert row["text"] == "Refunds\n\nA refund takes five working days."
    assert row["indexed_text"] == f"Refunds\n{row['text']}"
    assert (row["groups"], row["languages"]) == (["hr", "it"], ["eng"])
    assert row["modified_at"] == document.modified_at
    assert row["tokens"] == len(row["text"]) // 4
    assert np.linalg.norm(row["vector"]) == pytest.approx(1, abs=1e-5)
    assert len(row["vector"]) == DIMENSIONS


def test_a_row_has_the_vector_of_its_own_text(ingestion, write_document):
    run = ingestion.run([write_document(f"{n}.md", _refund(n)) for n in range(5)])
    rows = run.collection.rows_of(run.collection.documents()).to_pylist()
    expected = ingestion.embedder.embed([row["indexed_text"] for row in rows])
    assert np.allclose([row["vector"] for row in rows], expected, atol=1e-6)


def test_the_second_run_embeds_only_what_changed(ingestion, write_document):
    documents = [write_document(f"{n}.md", _refund(n)) for n in range(4)]
    assert ingestion.run(documents).staged.texts_embedded == 4
    documents[1] = write_document("1.md", _refund(99))
    again = ingestion.run(documents).staged
    assert (again.texts_embedded, again.replaced, again.rows) == (1, {"docs/1.md"}, 1)


def test_the_same_text_in_two_documents_is_embedded_once(ingestion, write_document):
    twins = [write_document("a.md", _refund(1)), write_document("b.md", _refund(1) + "\n\n")]
    staged = ingestion.stage(twins).staged
    assert (staged.texts_embedded, staged.rows) == (1, 2)


def test_an_added_paragraph_does_not_embed_the_others_again(ingestion, write_document):
    long = "\n\n".join(f"## Part {n}\n\n" + f"words about part {n} " * 30 for n in range(4))
    before = ingestion.run([write_document("a.md", long)]).staged
    after = ingestion.run([write_document("a.md", f"{long}\n\n## Part 5\n\n" + "words about part 5 " * 30)]).staged
    assert (before.texts_embedded, after.texts_embedded, after.rows) == (4, 1, 5)


@pytest.mark.parametrize(
    ("fact", "names", "groups", "change"),
    [
        ("a new name", ("b.md",), ("public",), "renamed"),
        ("a copy", ("a.md", "b.md"), ("public",), "copied"),
        ("other readers", ("a.md",), ("hr",), "changed"),
    ],
)
def test_the_same_bytes_are_neither_parsed_nor_embedded_again(ingestion, write_document, fact, names, groups, change):
    before = ingestion.run([write_document("a.md", _refund(1))])
    vectors = _rows(before.collection, "vector")
    run = ingestion.run([write_document(name, _refund(1), groups=groups) for name in names])
    assert (run.parsed, run.staged.texts_embedded) == ((), 0), fact
    assert change in {step.change for step in run.plan.steps}
    assert _rows(run.collection, "vector") == {f"docs/{name}#0": vectors["docs/a.md#0"] for name in names}
    assert _rows(run.collection, "groups") == {f"docs/{name}#0": list(groups) for name in names}


_SAID = {"tags": ("old",), "superseded_by": "docs/b.md"}


def test_what_a_source_newly_says_reaches_the_rows_without_parsing_or_embedding(ingestion, write_document):
    document = write_document("a.md", _refund(1))
    ingestion.run([document])
    run = ingestion.run([replace(document, **_SAID)])
    assert (run.parsed, run.staged.texts_embedded, run.staged.rows) == ((), 0, 1)
    assert (_rows(run.collection, "tags"), _rows(run.collection, "superseded_by")) == (
        {"docs/a.md#0": ["old"]},
        {"docs/a.md#0": "docs/b.md"},
    )
    assert ingestion.run([replace(document, **_SAID)]).staged.rows == 0
    unsaid = ingestion.run([document])
    assert _rows(unsaid.collection, "superseded_by") == {"docs/a.md#0": None}


def test_a_document_whose_new_version_is_broken_is_spoken_of_as_its_source_does_now(ingestion, write_document):
    ingestion.run([write_document("a.md", _refund(1))])
    run = ingestion.run([replace(write_document("a.md", ""), **_SAID)])
    assert [item.reason for item in run.staged.rejected] == ["empty"]
    assert _rows(run.collection, "tags") == {"docs/a.md#0": ["old"]}


def test_a_file_that_is_merely_touched_changes_no_row_and_keeps_its_time(ingestion, write_document):
    document = write_document("a.md", _refund(1))
    ingestion.run([document])
    touched = replace(document, modified_at=document.modified_at + timedelta(days=9))
    assert ingestion.run([touched]).staged.rows == 0
    run = ingestion.run([replace(touched, tags=("new",))])
    assert _rows(run.collection, "modified_at") == {"docs/a.md#0": document.modified_at}
    changed = replace(write_document("a.md", _refund(2)), modified_at=touched.modified_at)
    assert _rows(ingestion.run([changed]).collection, "modified_at") == {"docs/a.md#0": touched.modified_at}


def test_rows_of_a_release_without_these_columns_are_searched_and_filled_by_the_next_ingest(
    ingestion, write_document, tmp_path
):
    listing = [write_document("a.md", _refund(1)), write_document("b.md", _refund(2))]
    rows = ingestion.run(listing).collection.rows_of(["docs/a.md", "docs/b.md"])
    older = rows.drop_columns(["tags", "superseded_by", "findings"])
    lance.write_dataset(older, tmp_path / "lancedb" / "support.lance", mode="overwrite")
    collection = ingestion.store.open("support")
    question = Question("refund number 1", ingestion.embedder.embed(["refund number 1"])[0])
    assert collection.search_many([question], limit=1, mode="vector")[0][0].doc_id == "docs/a.md"
    assert {(each.tags, each.superseded_by) for each in collection.documents().values()} == {((), None)}
    run = ingestion.run([replace(listing[0], **_SAID), listing[1]])
    assert (run.parsed, run.staged.texts_embedded) == ((), 0)
    assert _rows(run.collection, "tags") == {"docs/a.md#0": ["old"], "docs/b.md#0": []}
    assert run.collection.documents()["docs/a.md"].superseded_by == "docs/b.md"


def test_a_renamed_document_keeps_its_rows_under_the_new_name_alone(ingestion, write_document):
    ingestion.run([write_document("old.md", _refund(1)), write_document("other.md", _refund(2))])
    run = ingestion.run([write_document("new.md", _refund(1)), write_document("other.md", _refund(2))])
    assert sorted(run.collection.chunk_ids()) == ["docs/new.md#0", "docs/other.md#0"]
    assert _rows(run.collection, "uri")["docs/new.md#0"] == "docs/new.md"
    assert run.staged.replaced == {"docs/new.md", "docs/old.md"}


def test_two_documents_that_swap_their_names_swap_their_rows(ingestion, write_document):
    ingestion.run([write_document("a.md", _refund(1)), write_document("b.md", _refund(2))])
    run = ingestion.run([write_document("a.md", _refund(2)), write_document("b.md", _refund(1))])
    assert run.staged.texts_embedded == 0
    assert {key: text[:8] for key, text in _rows(run.collection, "title").items()} == {
        "docs/a.md#0": "Refund 2",
        "docs/b.md#0": "Refund 1",
    }


def test_a_document_that_got_shorter_leaves_no_old_row(ingestion, write_document):
    long = "\n\n".join(f"## Part {n}\n\n" + f"words about part {n} " * 30 for n in range(4))
    ingestion.run([write_document("a.md", long)])
    run = ingestion.run([write_document("a.md", _refund(1))])
    assert run.collection.chunk_ids() == ["docs/a.md#0"]


def test_a_rejected_new_version_keeps_the_old_rows(ingestion, write_document):
    good = [write_document("a.md", _refund(1)), write_document("b.md", _refund(2))]
    ingestion.run(good)
    run = ingestion.run([write_document("a.md", b"\0\0 broken \0"), good[1]])
    assert [(item.doc_id, item.reason) for item in run.staged.rejected] == [("docs/a.md", "unsupported")]
    assert (run.staged.replaced, run.staged.rows) == (frozenset(), 0)
    assert _rows(run.collection, "title") == {"docs/a.md#0": "Refund 1", "docs/b.md#0": "Refund 2"}
    assert run.collection.documents()["docs/a.md"].doc_sha == good[0].doc_sha


def test_nothing_to_stage_writes_nothing(ingestion):
    assert ingestion.stage([]).staged == Staged((), 0, frozenset(), (), 0)


def test_staging_alone_changes_nothing(ingestion, write_document):
    run = ingestion.stage([write_document("a.md", _refund(1))])
    assert run.collection.chunk_ids() == []
    commit_rows(run.collection, run.staged, ingestion.store.schema)
    assert run.collection.chunk_ids() == ["docs/a.md#0"]


@pytest.mark.parametrize("texts", [[], [""], ["...", "words"], ["文書 のこと", "🦉"], ["REFUND", "refund"]])
def test_the_embedder_gives_a_unit_vector_for_any_text(ingestion, texts):
    vectors = ingestion.embedder.embed(texts)
    assert (vectors.shape, vectors.dtype) == ((len(texts), DIMENSIONS), np.float32)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_case_does_not_change_a_vector_and_neither_does_its_company(ingestion):
    alone = ingestion.embedder.embed(["How long does a REFUND take?"])[0]
    among = ingestion.embedder.embed(["parcels", "how long does a refund take?", "x" * 500])[1]
    assert np.allclose(alone, among, atol=1e-6)


def test_rows_kept_for_a_broken_version_are_shown_to_todays_readers_alone(ingestion, write_document):
    """A document is narrowed to hr in the very run in which its new version is broken."""
    import dataclasses

    good = write_document("a.md", "# Pay\n\nThe band P1 begins at 40,000 EUR a year.")
    ingestion.run([good])
    broken = write_document("a.md", "")
    run = ingestion.run([dataclasses.replace(broken, groups=("hr",))])
    assert [item.reason for item in run.staged.rejected] == ["empty"]
    assert {tuple(row["groups"]) for row in run.collection.rows_of([good.doc_id]).to_pylist()} == {("hr",)}
    assert run.collection.documents()[good.doc_id].doc_sha == good.doc_sha


class _Short(WordLlamaEmbedder):
    """Another embedder: the first 64 dimensions."""

    dimensions = 64
    embed_id = "short"

    def embed(self, texts):
        vectors = super().embed(texts)[:, :64]
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_another_embedder_writes_every_vector_anew_also_of_what_is_kept_out(ingestion, write_document, tmp_path):
    """Vectors of another width are other columns; the version before stays as it was."""
    good = [write_document(f"{name}.md", _refund(number)) for number, name in enumerate("abc")]
    before = ingestion.run(good)
    broken = [write_document("a.md", b"\0\0 broken \0"), *good[1:]]
    after = replace(ingestion, store=Store(tmp_path / "lancedb", 64), embedder=_Short()).run(broken)
    rows = after.collection.rows_of(after.collection.documents()).to_pylist()
    assert [item.doc_id for item in after.staged.rejected] == ["docs/a.md"]
    assert {row["doc_id"] for row in rows} == {"docs/a.md", "docs/b.md", "docs/c.md"}
    assert {(row["embed_id"], len(row["vector"])) for row in rows} == {("short", 64)}
    assert after.version == before.version + 2  # the rows, and their text index
    old = ingestion.store.open("support", version=before.version)
    assert old.embed_ids() == {ingestion.embedder.embed_id}
    vector = _Short().embed(["refund number 1"])[0]
    (hits,) = after.collection.search_many([Question("refund number 1", vector)], limit=1)
    assert hits[0].doc_id == "docs/b.md"


@pytest.mark.parametrize("documents", [1, 2, 100])
def test_shards_staged_apart_and_committed_together_are_the_whole(ingestion, write_document, tmp_path, documents):
    """A change of every kind: b goes, c is renamed, d changes, e is kept out, f comes, g stays."""
    before = [write_document(f"{name}.md", _refund(number)) for number, name in enumerate("abcdeg")]
    whole = replace(ingestion, store=Store(tmp_path / "whole", DIMENSIONS))
    for each in (ingestion, whole):
        each.run(before)
    moved = write_document("moved.md", _refund(2))
    now = [
        write_document("d.md", _refund(9)),
        write_document("e.md", b"\0\0 broken \0"),
        write_document("f.md", _refund(8)),
    ]
    listing = [before[0], before[5], moved, *now]
    expected = whole.run(listing)
    collection = ingestion.store.create("support")
    plan = make_plan("support", listing, collection.each_document(), (), ingestion.recipe, attempt_id="a")
    staged = join(plan, [_stage(ingestion, part, collection) for part in plan.cut(documents)])
    commit_rows(collection, staged, ingestion.store.schema)
    assert (staged.replaced, staged.rejected) == (expected.staged.replaced, expected.staged.rejected)
    assert (staged.rows, staged.texts_embedded) == (expected.staged.rows, 2)
    assert _all_rows(collection) == _all_rows(expected.collection)


def _stage(ingestion, plan, collection):
    wanted = [step.document for step in plan.steps if step.needs_parser]
    outcomes = [read_document(each, Work(ParseSettings(), SplitSettings()), Stopwatch()) for each in wanted]
    return stage_rows(plan, outcomes, collection, ingestion.store.schema, ingestion.embedder)


def _all_rows(collection):
    return collection.rows_of(collection.documents()).sort_by("chunk_id").to_pylist()


def test_staged_rows_can_be_read_before_their_commit(ingestion, write_document):
    run = ingestion.stage([write_document(f"{number}.md", _refund(number)) for number in range(3)])
    tables = [run.collection.staged(fragment) for fragment in run.staged.fragments]
    commit_rows(run.collection, run.staged, ingestion.store.schema)
    assert [row for table in tables for row in table.to_pylist()] == _all_rows(run.collection)
    assert all(table.schema.equals(ingestion.store.schema) for table in tables)
