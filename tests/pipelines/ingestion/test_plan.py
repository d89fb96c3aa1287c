"""plan: what happens to each document, from the listing and the index alone."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.errors import MassDeleteError, SourceError
from knowledge.record import Document, DocumentCounts, IndexedDocument, Quarantined, Recipe, Rejected
from pipelines.ingestion.plan import DeleteLimits, make_plan, refuse_mass_delete

_RECIPE = Recipe("parse", "split", "embed")
_OLDER = Recipe("older parse", "split", "embed")
_OTHER_EMBEDDER = Recipe("parse", "split", "older embed")


def _listed(doc_id, sha="1", *, groups=("public",), languages=("eng",), folder="docs", tags=(), by=None):
    source = doc_id.split("/")[0]
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    said = {"tags": tags, "superseded_by": by}
    return Document(doc_id, sha, source, f"{folder}/{doc_id}", Path(doc_id), 1, moment, groups, languages, **said)


def _indexed(*entries):
    """Entries: doc_id, or (doc_id, sha), or (doc_id, sha, recipe), or (doc_id, sha, recipe, groups)."""
    found = {}
    for entry in entries:
        doc_id, sha, recipe, groups = (*([entry] if isinstance(entry, str) else entry), *(None,) * 3)[:4]
        source = doc_id.split("/")[0]
        found[doc_id] = IndexedDocument(
            doc_id, sha or "1", recipe or _RECIPE, source, f"docs/{doc_id}", groups or ("public",), ("eng",)
        )
    return found


def _plan(listing, indexed, held=(), recipe=_RECIPE):
    return make_plan("support", listing, indexed.values(), held, recipe, attempt_id="parse")


def _kept_out(doc_id, sha, attempt_id, reason, detail, *, state="held"):
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    return Quarantined(Rejected(doc_id, sha, attempt_id, reason, detail), 1, moment, moment, state)


def _changes(plan):
    return {step.document.doc_id: (step.change, step.reuse) for step in plan.steps}


@pytest.mark.parametrize(
    ("fact", "listing", "indexed", "changes", "deleted"),
    [
        ("nothing at all", [], [], {}, ()),
        ("a new file", [_listed("d/a")], [], {"d/a": ("added", None)}, ()),
        ("the same file", [_listed("d/a")], ["d/a"], {"d/a": ("unchanged", None)}, ()),
        ("other bytes", [_listed("d/a", "2")], ["d/a"], {"d/a": ("changed", None)}, ()),
        ("another recipe", [_listed("d/a")], [("d/a", "1", _OLDER)], {"d/a": ("changed", None)}, ()),
        ("a file that is gone", [], ["d/a"], {}, ("d/a",)),
        ("another name", [_listed("d/b")], ["d/a"], {"d/b": ("renamed", "d/a")}, ()),
        ("another name and recipe", [_listed("d/b")], [("d/a", "1", _OLDER)], {"d/b": ("added", None)}, ("d/a",)),
        (
            "a copy beside it",
            [_listed("d/a"), _listed("d/b")],
            ["d/a"],
            {"d/a": ("unchanged", None), "d/b": ("copied", "d/a")},
            (),
        ),
        (
            "two names for one that is gone",
            [_listed("d/b"), _listed("d/c")],
            ["d/a"],
            {"d/b": ("renamed", "d/a"), "d/c": ("copied", "d/a")},
            (),
        ),
        (
            "two twins are gone, one new name",
            [_listed("d/c")],
            ["d/a", "d/b"],
            {"d/c": ("renamed", "d/a")},
            ("d/b",),
        ),
        (
            "two twins are gone, two new names",
            [_listed("d/x"), _listed("d/y")],
            ["d/a", "d/b"],
            {"d/x": ("renamed", "d/a"), "d/y": ("renamed", "d/b")},
            (),
        ),
        (
            "two equal new files are two new files",
            [_listed("d/a"), _listed("d/b")],
            [],
            {"d/a": ("added", None), "d/b": ("added", None)},
            (),
        ),
        (
            "two files that swapped their contents",
            [_listed("d/a", "2"), _listed("d/b", "1")],
            [("d/a", "1"), ("d/b", "2")],
            {"d/a": ("changed", "d/b"), "d/b": ("changed", "d/a")},
            (),
        ),
        (
            "a file that got the bytes of one that is gone",
            [_listed("d/a", "2")],
            [("d/a", "1"), ("d/b", "2")],
            {"d/a": ("changed", "d/b")},
            ("d/b",),
        ),
        ("another embedder", [_listed("d/a")], [("d/a", "1", _OTHER_EMBEDDER)], {"d/a": ("changed", "d/a")}, ()),
        (
            "another name and embedder",
            [_listed("d/b")],
            [("d/a", "1", _OTHER_EMBEDDER)],
            {"d/b": ("renamed", "d/a")},
            (),
        ),
        ("another ending", [_listed("d/a.txt")], ["d/a.md"], {"d/a.txt": ("added", None)}, ("d/a.md",)),
        ("another language", [_listed("d/a", languages=("deu",))], ["d/a"], {"d/a": ("changed", None)}, ()),
        ("other readers", [_listed("d/a", groups=("hr",))], ["d/a"], {"d/a": ("changed", "d/a")}, ()),
        ("other tags", [_listed("d/a", tags=("old",))], ["d/a"], {"d/a": ("changed", "d/a")}, ()),
        ("another document replaces it", [_listed("d/a", by="d/b")], ["d/a"], {"d/a": ("changed", "d/a")}, ()),
        ("a moved folder", [_listed("d/a", folder="moved")], ["d/a"], {"d/a": ("unchanged", "d/a")}, ()),
        ("another source", [_listed("e/a")], ["d/a"], {"e/a": ("renamed", "d/a")}, ()),
    ],
)
def test_what_happens_to_a_document(fact, listing, indexed, changes, deleted):
    plan = _plan(listing, _indexed(*indexed))
    assert (_changes(plan), plan.deleted) == (changes, deleted), fact


@pytest.mark.parametrize(
    ("fact", "held", "change"),
    [
        ("the same bytes are not tried again", _kept_out("d/a", "1", "parse", "corrupt", ""), "quarantined"),
        ("other bytes are tried again", _kept_out("d/a", "0", "parse", "corrupt", ""), "added"),
        ("another parser tries again", _kept_out("d/a", "1", "older parse", "corrupt", ""), "added"),
        ("somebody asked for a retry", _kept_out("d/a", "1", "parse", "corrupt", "", state="retry"), "added"),
        ("what is dropped stays so", _kept_out("d/a", "1", "parse", "corrupt", "", state="dropped"), "quarantined"),
        ("under any parser", _kept_out("d/a", "1", "older parse", "corrupt", "", state="dropped"), "quarantined"),
        ("until its bytes change", _kept_out("d/a", "0", "parse", "corrupt", "", state="dropped"), "added"),
        (
            "what was written to while it was read is tried again",
            _kept_out("d/a", "1", "parse", "changing", ""),
            "added",
        ),
        ("what could not be opened is tried again", _kept_out("d/a", "1", "parse", "unreadable", ""), "added"),
        ("unless it was dropped", _kept_out("d/a", "1", "parse", "changing", "", state="dropped"), "quarantined"),
        ("another document's entry is not this one's", _kept_out("d/b", "1", "parse", "corrupt", ""), "added"),
    ],
)
def test_what_was_rejected_before(fact, held, change):
    assert _changes(_plan([_listed("d/a")], {}, [held])) == {"d/a": (change, None)}, fact


def test_what_cannot_even_be_listed_with_its_bytes_is_not_tried_again():
    held = _kept_out("d/a", "", "parse", "unreadable", "")
    assert _changes(_plan([_listed("d/a", "")], {}, [held])) == {"d/a": ("quarantined", None)}


def test_a_rejected_new_version_leaves_the_indexed_one_alone():
    plan = _plan([_listed("d/a", "2")], _indexed("d/a"), [_kept_out("d/a", "2", "parse", "corrupt", "")])
    assert (_changes(plan), plan.deleted) == ({"d/a": ("quarantined", None)}, ())


def test_the_rows_of_a_dropped_document_leave_the_index():
    dropped = _kept_out("d/a", "2", "parse", "corrupt", "", state="dropped")
    plan = _plan([_listed("d/a", "2"), _listed("d/b")], _indexed("d/a", "d/b"), [dropped])
    assert _changes(plan) == {"d/a": ("quarantined", None), "d/b": ("unchanged", None)}
    assert (plan.dropped, plan.deleted, plan.may_change_rows) == (("d/a",), (), True)
    done = _plan([_listed("d/a", "2"), _listed("d/b")], _indexed("d/b"), [dropped])
    assert done.dropped == ()


def test_a_rejected_version_that_is_taken_back_is_unchanged():
    plan = _plan([_listed("d/a", "1")], _indexed("d/a"), [_kept_out("d/a", "2", "parse", "corrupt", "")])
    assert _changes(plan) == {"d/a": ("unchanged", None)}


@pytest.mark.parametrize(
    ("listing", "indexed", "may_change_rows"),
    [
        ([_listed("d/a")], ["d/a"], False),
        ([], [], False),
        ([_listed("d/a")], [], True),
        ([], ["d/a"], True),
        ([_listed("d/b")], ["d/a"], True),
        ([_listed("d/a", folder="moved")], ["d/a"], True),
    ],
)
def test_there_is_something_to_stage_when_rows_may_change(listing, indexed, may_change_rows):
    assert _plan(listing, _indexed(*indexed)).may_change_rows is may_change_rows


def test_every_change_is_counted():
    listing = [_listed("d/a"), _listed("d/b", "2"), _listed("d/c", "3"), _listed("d/d", "4"), _listed("d/e", "1")]
    held = [_kept_out("d/d", "4", "parse", "empty", "")]
    plan = _plan([*listing, _listed("d/f", "6")], _indexed("d/a", "d/b", ("d/x", "3"), ("d/y", "9")), held)
    counts = DocumentCounts(added=1, changed=1, renamed=1, copied=1, deleted=1, unchanged=1, quarantined=1)
    assert (plan.counts, plan.counts.listed) == (counts, 6)


def test_one_doc_id_listed_twice_is_refused():
    with pytest.raises(SourceError, match="two sources list the same doc_id"):
        _plan([_listed("d/a"), _listed("d/a", "2")], {})


# --- the guard against mass deletion


def _names(count, source="d", start=0):
    return [f"{source}/{number:03}" for number in range(start, start + count)]


def _listing(names):
    return [_listed(name, name) for name in names]


def _full(names):
    return _indexed(*((name, name) for name in names))


@pytest.mark.parametrize(
    ("fact", "indexed", "left", "limits", "refused"),
    [
        ("nothing is deleted", 10, 10, {}, False),
        ("a share at the limit", 25, 20, {}, False),
        ("a share over the limit", 24, 19, {}, True),
        ("over the share, but few", 10, 6, {}, False),
        ("few are many when the limit says so", 10, 6, {"min_documents": 4}, True),
        ("a wider limit", 10, 1, {"max_share": 0.9}, False),
        ("a source that is emptied", 100, 0, {"max_share": 1.0}, True),
        ("a source of one that is emptied", 1, 0, {}, True),
        ("nothing was there", 0, 0, {}, False),
    ],
)
def test_a_mass_deletion_is_refused(fact, indexed, left, limits, refused):
    held = _full(_names(indexed))
    plan = _plan(_listing(_names(left)), held)
    if refused:
        with pytest.raises(MassDeleteError, match=r"Nothing was changed\. .*--collection support --allow-mass-delete"):
            refuse_mass_delete(plan, DeleteLimits(**limits))
    else:
        assert refuse_mass_delete(plan, DeleteLimits(**limits)) is None, fact


def test_a_refused_mass_deletion_tells_its_size():
    held = _full(_names(10))
    with pytest.raises(MassDeleteError, match="6 of 10 documents would be deleted, over the limit of 20%"):
        refuse_mass_delete(_plan(_listing(_names(4)), held), DeleteLimits())


def test_one_emptied_source_is_refused_though_the_share_is_small():
    held = _full([*_names(100), *_names(2, "small")])
    with pytest.raises(MassDeleteError, match="source 'small': lists nothing, but 2 documents are indexed"):
        refuse_mass_delete(_plan(_listing(_names(100)), held), DeleteLimits())


def test_a_source_whose_files_all_have_new_names_is_no_mass_deletion():
    held = _full(_names(10))
    plan = _plan([_listed(f"d/new {name[2:]}", name) for name in _names(10)], held)
    assert refuse_mass_delete(plan, DeleteLimits()) is None


# --- for any two sets of documents

_IDS = st.sampled_from([f"{source}/{name}" for source in "de" for name in "abcde"])
_SHAS = st.sampled_from(["1", "2", "3", "4"])
_SOME_GROUPS = st.sampled_from([("public",), ("hr",)])
_INDEXES = st.dictionaries(_IDS, st.tuples(_SHAS, st.sampled_from([_RECIPE, _RECIPE, _OLDER]), _SOME_GROUPS))
_LISTINGS = st.dictionaries(_IDS, st.tuples(_SHAS, _SOME_GROUPS))
_HELD = st.dictionaries(_IDS, st.tuples(_SHAS, st.sampled_from(["held", "held", "retry", "dropped"])), max_size=6)


def _applied(plan, indexed):
    """doc_id -> (sha, groups) after the plan, where parsing always succeeds."""
    index = {doc_id: (entry.doc_sha, entry.groups) for doc_id, entry in indexed.items()}
    for step in plan.steps:
        if step.change == "renamed":
            index.pop(step.reuse)
    for step in plan.steps:
        if step.reuse:
            index[step.document.doc_id] = (indexed[step.reuse].doc_sha, step.document.groups)
        elif step.stages_rows:
            index[step.document.doc_id] = (step.document.doc_sha, step.document.groups)
    for doc_id in (*plan.deleted, *plan.dropped):
        index.pop(doc_id)
    return index


@settings(max_examples=300)
@given(before=_INDEXES, now=_LISTINGS, held=_HELD)
def test_a_plan_leads_from_any_index_to_any_listing(before, now, held):
    indexed = _indexed(*((doc_id, *entry) for doc_id, entry in before.items()))
    listing = [_listed(doc_id, sha, groups=groups) for doc_id, (sha, groups) in now.items()]
    quarantine = [_kept_out(doc_id, sha, "parse", "corrupt", "", state=state) for doc_id, (sha, state) in held.items()]
    plan = _plan(listing, indexed, quarantine)
    kept_out = {step.document.doc_id for step in plan.steps if step.change == "quarantined"}
    after = _applied(plan, indexed)
    assert plan.counts.listed == len(listing)
    assert kept_out == {
        doc_id for doc_id, (sha, _) in now.items() if held.get(doc_id) in ((sha, "held"), (sha, "dropped"))
    }
    dropped = {doc_id for doc_id in kept_out if held[doc_id][1] == "dropped"}
    assert dropped.isdisjoint(after)
    assert {doc_id: entry for doc_id, entry in after.items() if doc_id not in kept_out} == {
        doc_id: entry for doc_id, entry in now.items() if doc_id not in kept_out
    }
    assert {doc_id: after[doc_id][0] for doc_id in kept_out & after.keys()} == {
        doc_id: before[doc_id][0] for doc_id in kept_out & before.keys() - dropped
    }
    assert {indexed[step.reuse].recipe for step in plan.steps if step.reuse and step.change != "quarantined"} <= {
        _RECIPE
    }


def test_a_touched_file_that_is_parsed_anew_keeps_the_time_its_content_was_first_indexed():
    first = datetime(2025, 5, 5, tzinfo=UTC)
    indexed = {doc_id: replace(each, modified_at=first) for doc_id, each in _indexed("d/a", "d/b").items()}
    plan = make_plan("support", [_listed("d/a"), _listed("d/b", "2")], indexed.values(), (), _OLDER, attempt_id="parse")
    assert [(step.change, step.document.modified_at) for step in plan.steps] == [
        ("changed", first),
        ("changed", _listed("d/b").modified_at),
    ]


def test_a_held_document_keeps_its_rows_but_shows_them_to_todays_readers_alone():
    held = [_kept_out("d/a", "2", "parse", "corrupt", "")]
    narrowed = _plan([_listed("d/a", "2", groups=("hr",))], _indexed("d/a"), held)
    assert _changes(narrowed) == {"d/a": ("quarantined", "d/a")}
    tagged = _plan([_listed("d/a", "2", tags=("old",))], _indexed("d/a"), held)
    assert _changes(tagged) == {"d/a": ("quarantined", "d/a")}
    same = _plan([_listed("d/a", "2")], _indexed("d/a"), held)
    assert _changes(same) == {"d/a": ("quarantined", None)}
    assert same.may_change_rows  # its old rows may have other columns
