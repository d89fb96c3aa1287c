"""Promotion: all that a check has seen is weighed, and the pointer moves, stays, or goes back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evals.freshness import Freshness, later_than
from evals.gate import Gate, Gates, hold_for_quarantine, judge_differences, judge_retrieval, named, read_gates
from evals.paired import POOLED_NIGHTS, Paired
from flows.connect import Connections
from flows.labelled import Measured
from flows.nights import date_of
from flows.pointers import go_back, move_pointers, prove, proven_version, why_closed
from knowledge.promotion import Promotions
from knowledge.quarantine import accept_all


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a check has seen of a candidate.

    freshness: by version, of the candidate, of what serves and of the proven one. differences: by version, of the
    candidate and of what serves unproven, against the proven one. broken: expectations of the contract on results.
    """

    version: int
    freshness: Mapping[int, tuple[Freshness, ...]]
    measured: Measured
    differences: Mapping[int, Paired]
    broken: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of a candidate. production: what serves now. proven: what the next candidate is held against."""

    gate: Gate
    production: int | None
    proven: int | None
    moved: bool
    rolled_back: bool = False


def promote(connections: Connections, collection: str, evidence: Evidence) -> Decision:
    """Judge a candidate and let it serve if nothing forbids that.

    Where it may not, and what serves unproven shows by now to be worse than the proven version, that one serves again.
    """
    gates = read_gates(connections.project.evals / "gates.yaml")
    before, proven = connections.production_version(collection), proven_version(connections, collection)
    promotions, tonight = Promotions(connections.history), date_of(connections)
    earlier = promotions.earlier(collection, proven=proven, before=tonight, last=POOLED_NIGHTS - 1) if proven else []
    gate = judge_retrieval(
        evidence.measured.quality,
        gates,
        collection,
        tonight=evidence.differences.get(evidence.version),
        earlier=earlier,
        problems=_forbidden(evidence, before),
    )
    gate = _look_at_quarantine(connections, collection, gate, evidence)
    gate = _look_at_closure(connections, collection, gate, evidence.version)
    moved, worse = False, ""
    if gate.opens:
        moved = _serve(connections, collection, evidence.version, gate)
    elif before is not None and before in evidence.differences and before != proven:
        worse = _worse([*earlier, evidence.differences[before].differences], gates)
    if worse and proven is not None:
        go_back(
            connections, collection, to=proven, by="check", reason=f"check: version {before} serves unproven; {worse}"
        )
    production = connections.production_version(collection)
    if production is not None and proven is not None and production in evidence.differences:
        served = evidence.differences[production].differences
        promotions.note(collection, tonight, version=production, proven=proven, differences=served)
    return Decision(gate, production, proven_version(connections, collection), moved=moved, rolled_back=bool(worse))


def _forbidden(evidence: Evidence, serving: int | None) -> list[str]:
    """What no figure of retrieval makes good."""
    leaks = [str(leak) for leak in evidence.measured.leaks]
    late: tuple[str, ...] = ()
    if serving is not None:  # where nothing serves, late is better than nothing
        late = later_than(evidence.freshness[serving], evidence.freshness[evidence.version])
    return [
        *named("shown to somebody whom it is not for", leaks),
        *named("past its freshness target, and not so in what serves", late),
        *evidence.broken,
    ]


def _look_at_quarantine(connections: Connections, collection: str, gate: Gate, evidence: Evidence) -> Gate:
    """Hold a version that lost too many documents at once; not the first one, whose place no better one has."""
    if connections.production_version(collection) is None:
        return gate
    listed = sum(each.documents for each in evidence.freshness[evidence.version])
    kept_out = connections.history.quarantined(collection)
    new = [entry.rejected.doc_id for entry in kept_out if entry.accepted_at is None]
    held = hold_for_quarantine(gate, new, listed, max_share=connections.settings.alarms.quarantine_share)
    if held == gate:
        return gate
    remedy = f"mend them, or let them pass with `plumbline quarantine accept --all --collection {collection}`"
    return Gate("fail", f"{held.reason}; {remedy}")


def _look_at_closure(connections: Connections, collection: str, gate: Gate, version: int) -> Gate:
    """Hold every candidate of a closed collection; what serves may go on serving."""
    if connections.production_version(collection) == version:
        return gate
    closed = why_closed(connections, collection, version)
    return Gate("fail", f"{gate.reason}; {closed}" if gate.verdict == "fail" else closed) if closed else gate


def _serve(connections: Connections, collection: str, version: int, gate: Gate) -> bool:
    """Let a version serve, and say whether that moved a pointer; what passed, or is the first, is proven."""
    first = connections.production_version(collection) is None
    unproven = "" if gate.verdict == "pass" else "unproven, "
    moved = move_pointers(connections, collection, version, by="check", reason=f"check: {unproven}{gate.reason}")
    accept_all(connections.history, collection)
    if gate.verdict == "pass" or first:
        prove(connections, collection, version)
    return moved


def _worse(nights: Sequence[Mapping[str, float]], gates: Gates) -> str:
    """Why a version is worse than the proven one; empty where nothing shows that it is."""
    judged = judge_differences(nights, margin=gates.margin, min_queries=gates.min_queries)
    return judged.reason if judged.verdict == "fail" else ""
