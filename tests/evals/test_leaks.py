"""Access: which of what was found somebody must not see."""

import pytest

from evals.access import find_leaks
from knowledge.record import Hit

READERS = {"hr/pay.md": ("hr",), "help/a.md": ("public",), "ops/b.md": ("support", "hr")}


def _hit(doc_id):
    return Hit(f"{doc_id}#0", doc_id, "", doc_id, doc_id, "text", 1.0)


@pytest.mark.parametrize(
    ("fact", "groups", "found", "must_not", "leaked"),
    [
        ("everybody may read it", (), ["help/a.md"], (), {}),
        ("only hr may", (), ["help/a.md", "hr/pay.md"], (), {"hr/pay.md": "its source lets only hr read it"}),
        ("in the group", ("hr",), ["hr/pay.md", "ops/b.md"], (), {}),
        ("in another", ("support",), ["hr/pay.md", "ops/b.md"], (), {"hr/pay.md": "its source lets only hr read it"}),
        (
            "public, and on the list",
            (),
            ["help/a.md"],
            ("help/*",),
            {"help/a.md": "on the list of what must not be retrieved"},
        ),
        ("of a source that is gone", (), ["old/c.md"], (), {}),
        (
            "of a source that is gone, and on the list",
            (),
            ["old/c.md"],
            ("old/**",),
            {"old/c.md": "on the list of what must not be retrieved"},
        ),
    ],
)
def test_what_leaks(fact, groups, found, must_not, leaked):
    hits = {"q": [_hit(doc_id) for doc_id in found]}
    leaks = find_leaks("visitor", groups, hits, READERS, must_not_retrieve=must_not)
    assert {leak.doc_id: leak.rule for leak in leaks} == leaked, fact


def test_a_document_leaks_once_however_often_it_is_found():
    hits = {query: [_hit("hr/pay.md"), _hit("hr/pay.md")] for query in ("one", "two")}
    (leak,) = find_leaks("visitor", (), hits, READERS)
    assert (leak.query, str(leak)) == ("one", "hr/pay.md to visitor (its source lets only hr read it)")
