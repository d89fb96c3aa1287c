"""Quarantine: what people decide about a document lasts until it is tried again."""

import pytest

from knowledge.errors import QuarantineError
from knowledge.history import History
from knowledge.quarantine import accept_all, choose, enter_decision
from knowledge.record import Rejected


@pytest.fixture
def history(tmp_path):
    made = History(f"sqlite:///{tmp_path / 'state.db'}")
    _reject(made, _rejected("d/a"), _rejected("d/b"), _rejected("d/c", reason="empty"))
    return made


def _rejected(doc_id, *, reason="corrupt"):
    return Rejected(doc_id, "1" * 64, "parser", reason, "why")


def _reject(history, *rejected, still=()):
    history.update_quarantine("support", rejected=rejected, still=set(still), listed={"d/a", "d/b", "d/c"})


def _decide(history, decision, *doc_ids):
    chosen = choose(history.quarantined("support"), doc_ids, collection="support")
    enter_decision(history, "support", chosen, decision=decision, by="person", reason="why")


def _states(history):
    return {entry.rejected.doc_id: entry.state for entry in history.quarantined("support")}


def _new(history):
    return [entry.rejected.doc_id for entry in history.quarantined("support") if entry.accepted_at is None]


@pytest.mark.parametrize(
    ("decision", "state", "new"),
    [
        ("retry", "retry", ["d/a", "d/b", "d/c"]),
        ("drop", "dropped", ["d/b", "d/c"]),
        ("accept", "held", ["d/b", "d/c"]),
    ],
)
def test_a_decision_is_about_the_named_documents_alone_and_stands_in_the_audit(history, decision, state, new):
    _decide(history, decision, "d/a")
    assert (_states(history), _new(history)) == ({"d/a": state, "d/b": "held", "d/c": "held"}, new)
    (entry,) = history.audit("collection:support")
    assert (entry["actor"], entry["action"], entry["reason"]) == ("person", f"quarantine {decision}", "why")
    assert (entry["before"], entry["after"]) == ({"d/a": "held"}, {"decision": decision, "documents": ["d/a"]})


def test_an_attempt_spends_a_decision_and_leaves_what_was_accepted_accepted(history):
    _decide(history, "retry", "d/a")
    _decide(history, "drop", "d/b")
    accept_all(history, "support")
    _reject(history, _rejected("d/a"), still=["d/b"])
    assert _states(history) == {"d/a": "held", "d/b": "dropped"}
    assert _new(history) == []


def test_a_document_that_was_good_in_between_is_newly_kept_out(history):
    accept_all(history, "support")
    _reject(history, still=["d/b", "d/c"])
    _reject(history, _rejected("d/a"), still=["d/b", "d/c"])
    assert _new(history) == ["d/a"]


def test_another_collections_decisions_are_its_own(history):
    history.update_quarantine("other", rejected=[_rejected("d/a")], still=set(), listed={"d/a"})
    _decide(history, "drop", "d/a")
    accept_all(history, "support")
    (other,) = history.quarantined("other")
    assert (other.state, other.accepted_at) == ("held", None)


@pytest.mark.parametrize(
    ("doc_ids", "reason", "chosen"),
    [
        ([], None, ["d/a", "d/b", "d/c"]),
        (["d/c", "d/a", "d/c"], None, ["d/c", "d/a"]),
        ([], "empty", ["d/c"]),
    ],
)
def test_documents_are_chosen_by_name_or_reason(history, doc_ids, reason, chosen):
    found = choose(history.quarantined("support"), doc_ids, collection="support", reason=reason)
    assert [entry.rejected.doc_id for entry in found] == chosen


@pytest.mark.parametrize(
    ("doc_ids", "reason", "line"),
    [
        (["d/x"], None, "collection 'support': d/x is not in quarantine"),
        (["d/x", "d/a", "d/y"], None, "collection 'support': d/x and 1 more are not in quarantine"),
        ([], "timeout", "nothing is in quarantine for the reason 'timeout', so there is nothing to do"),
    ],
)
def test_what_is_not_there_is_refused_with_where_to_look(history, doc_ids, reason, line):
    with pytest.raises(QuarantineError, match=rf"{line}.*`plumbline quarantine list --collection support`"):
        choose(history.quarantined("support"), doc_ids, collection="support", reason=reason)


def test_decisions_about_more_documents_than_a_statement_takes(history):
    many = [_rejected(f"d/{number}") for number in range(1_201)]
    history.update_quarantine("many", rejected=many, still=set(), listed=set())
    chosen = choose(history.quarantined("many"), (), collection="many")
    enter_decision(history, "many", chosen, decision="drop", by="person", reason="why")
    assert {entry.state for entry in history.quarantined("many")} == {"dropped"}
