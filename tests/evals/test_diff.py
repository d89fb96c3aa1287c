"""Two versions: which documents differ, where they moved in rankings, and whether a cause is still the same."""

from dataclasses import replace

import pytest

from evals.diff import Moved, changed_documents, moved_documents, same_cause
from knowledge.record import IndexedDocument, Recipe

OLD = IndexedDocument("d/a", "sha", Recipe("p", "s", "e"), "d", "d/a", ("public",), ("eng",))
TEXT = replace(OLD, doc_sha="other")


@pytest.mark.parametrize(
    ("before", "after", "difference"),
    [
        (OLD, OLD, None),
        (None, OLD, "added"),
        (OLD, None, "gone"),
        (OLD, TEXT, "text changed"),
        (OLD, replace(OLD, recipe=Recipe("p", "s2", "e")), "recipe changed"),
        (OLD, replace(OLD, groups=("hr",)), "access changed"),
        (OLD, replace(TEXT, groups=("hr",)), "text changed"),
        (OLD, replace(OLD, uri="elsewhere"), None),
    ],
)
def test_how_a_document_differs(before, after, difference):
    found = changed_documents({"d/a": before} if before else {}, {"d/a": after} if after else {})
    assert found == ({"d/a": difference} if difference else {})


def test_what_moved_in_a_ranking_and_why():
    before = {"q": ["a", "b", "c"], "same": ["a"], "only before": ["a"]}
    after = {"q": ["b", "new", "c"], "same": ["a"]}
    assert moved_documents(before, after, {"new": "added", "c": "text changed"}) == [
        Moved("q", "b", 2, 1, None),
        Moved("q", "new", None, 2, "added"),
        Moved("q", "a", 1, None, None),
    ]


@pytest.mark.parametrize(
    ("candidate", "same"),
    [
        ({"d/a": TEXT}, True),
        ({"d/a": TEXT, "d/b": OLD}, True),
        ({"d/a": OLD}, False),
        ({}, False),
        ({"d/a": replace(TEXT, groups=("hr",))}, False),
    ],
    ids=["as it was", "something else has changed", "as before", "gone", "changed again"],
)
def test_a_cause_is_the_same_while_what_differed_is_as_it_was(candidate, same):
    assert same_cause({"d/a": OLD}, {"d/a": TEXT}, candidate) is same
