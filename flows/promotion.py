"""Promotion: all that a check has seen is weighed, and the pointer moves, stays, or goes back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evals.access import Leak
from evals.freshness import Freshness, later_than
from evals.gate import Gate, Gates, hold_for_quarantine, judge_differences, judge_retrieval, named, read_gates
from evals.paired import POOLED_NIGHTS
from flows.connect import Connections
from flows.labelled import Compared, Measured
from flows.nights import date_of
from flows.pointers import Standing, go_back, hold_pointers, move_pointers, prove, stand, why_closed
from knowledge.promotion import Promotions
from knowledge.quarantine import accept_all


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a check has seen. freshness: by version, of the three. broken: expectations of the contract on results."""

    standing: Standing
    freshness: Mapping[int, tuple[Freshness, ...]]
    measured: Measured
    compared: Compared
    broken: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of a candidate. production: what serves now. proven: what the next candidate is held against."""

    gate: Gate
    production: int | None
    proven: int | None
    moved: bool = False
    rolled_back: bool = False


def promote(connections: Connections, collection: str, evidence: Evidence) -> Decision:
    """Judge a candidate and let it serve if nothing forbids that.

    Where it may not, and what serves unproven shows by now to be worse than the proven version, that one serves again.
    """
    with hold_pointers(connections, collection):
        now = stand(connections, collection, evidence.standing.version)
        if now != evidence.standing:
            moved_by_another = Gate("fail", "what serves was moved while this check looked at it; run the check again")
            return Decision(moved_by_another, now.serving, now.proven)
        if now.serving is not None and now.proven == now.serving:
            prove(connections, collection, now.serving)  # so that what serves unproven later does not take its place
        return _decide(connections, collection, evidence)


def _decide(connections: Connections, collection: str, evidence: Evidence) -> Decision:
    standing, gates = evidence.standing, read_gates(connections.project.evals / "gates.yaml")
    promotions, tonight = Promotions(connections.history), date_of(connections)
    proven = standing.proven or 0
    earlier = promotions.earlier(collection, proven=proven, before=tonight, last=POOLED_NIGHTS - 1)
    gate = judge_retrieval(
        evidence.measured.quality,
        gates,
        collection,
        tonight=evidence.compared.differences.get(standing.version),
        earlier=earlier,
        problems=_forbidden(evidence),
    )
    gate = _look_at_quarantine(connections, collection, gate, evidence)
    gate = _look_at_closure(connections, collection, gate, standing)
    moved = back = False
    if gate.opens:
        moved = _serve(connections, collection, standing, gate)
    elif worse := _worse(evidence, earlier, gates):
        gate, back = _go_back(connections, collection, evidence, gate, to=proven, worse=worse)
    after = stand(connections, collection, standing.version)
    if after.serving in evidence.compared.differences and after.serving != after.proven:
        served = evidence.compared.differences[after.serving].differences
        promotions.note(collection, tonight, version=after.serving, proven=proven, differences=served)
    return Decision(gate, after.serving, after.proven, moved=moved, rolled_back=back)


def _forbidden(evidence: Evidence) -> list[str]:
    """What no figure of retrieval makes good."""
    serving, version = evidence.standing.serving, evidence.standing.version
    late: tuple[str, ...] = ()
    if serving is not None:  # where nothing serves, late is better than nothing
        late = later_than(evidence.freshness[serving], evidence.freshness[version])
    return [
        *_leaking(evidence.measured.leaks),
        *named("past its freshness target, and not so in what serves", late),
        *evidence.broken,
    ]


def _look_at_quarantine(connections: Connections, collection: str, gate: Gate, evidence: Evidence) -> Gate:
    """Hold a version that lost too many documents at once; not the first one, whose place no better one has."""
    if evidence.standing.serving is None:
        return gate
    listed = sum(each.documents for each in evidence.freshness[evidence.standing.version])
    kept_out = connections.history.quarantined(collection)
    new = [entry.rejected.doc_id for entry in kept_out if entry.accepted_at is None]
    held = hold_for_quarantine(gate, new, listed, max_share=connections.settings.alarms.quarantine_share)
    if held == gate:
        return gate
    remedy = f"mend them, or let them pass with `plumbline quarantine accept --all --collection {collection}`"
    return Gate("fail", f"{held.reason}; {remedy}")


def _look_at_closure(connections: Connections, collection: str, gate: Gate, standing: Standing) -> Gate:
    """Hold every candidate of a closed collection; what serves may go on serving."""
    if standing.serving == standing.version:
        return gate
    closed = why_closed(connections, collection, standing.version)
    return Gate("fail", f"{gate.reason}; {closed}" if gate.verdict == "fail" else closed) if closed else gate


def _serve(connections: Connections, collection: str, standing: Standing, gate: Gate) -> bool:
    """Let a version serve, and say whether that moved a pointer; what passed, or is the first, is proven."""
    if gate.verdict == "pass" or standing.proven is None:
        prove(connections, collection, standing.version)
    unproven = "" if gate.verdict == "pass" else "unproven, "
    reason = f"check: {unproven}{gate.reason}"
    moved = move_pointers(connections, collection, standing.version, by="check", reason=reason)
    accept_all(connections.history, collection)
    return moved


def _go_back(
    connections: Connections, collection: str, evidence: Evidence, gate: Gate, *, to: int, worse: str
) -> tuple[Gate, bool]:
    """Let the proven version serve again, and say whether it does: one that leaks does not."""
    leaks = _leaking(evidence.compared.proven_leaks)
    reason = f"version {evidence.standing.serving} serves unproven; {worse}"
    if leaks:
        outcome = f"{reason}; version {to} is proven, but cannot serve again: {', '.join(leaks)}"
        return Gate("fail", f"{gate.reason}; {outcome}"), False
    go_back(connections, collection, to=to, by="check", reason=f"check: {reason}")
    outcome = f"version {to} serves again and promotion is closed, as {reason}"
    return Gate("fail", f"{gate.reason}; {outcome}"), True


def _leaking(leaks: Sequence[Leak]) -> list[str]:
    return named("shown to somebody whom it is not for", [str(leak) for leak in leaks])


def _worse(evidence: Evidence, earlier: Sequence[Mapping[str, float]], gates: Gates) -> str:
    """Why what serves unproven is worse than the proven version; empty where nothing shows it."""
    standing, differences = evidence.standing, evidence.compared.differences
    if standing.serving is None or standing.serving == standing.proven or standing.serving not in differences:
        return ""
    nights = [*earlier, differences[standing.serving].differences]
    judged = judge_differences(nights, margin=gates.margin, min_queries=gates.min_queries)
    return judged.reason if judged.verdict == "fail" else ""
