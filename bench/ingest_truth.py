"""Is a change of a collection what git says it is, and does it leave the index that a fresh build leaves?"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from bench.ingest_run import COLLECTION, ingest
from flows.connect import Connections
from flows.params import find_project
from pipelines.ingestion.plan import Plan, make_plan

SHOWN = 20
# `modified_at` tells when a document's rows were made, so it differs; vectors are compared by themselves
_NOT_COMPARED = ("modified_at", "vector")


@dataclass(frozen=True, slots=True)
class Changes:
    """What git says of two revisions. renamed: the new name by the old one, where the content is the same."""

    modified: frozenset[str]
    added: frozenset[str]
    deleted: frozenset[str]
    renamed: Mapping[str, str]


def read_changes(path: Path) -> Changes:
    """Git's name-status, tab-separated. A rename with a changed content is a deletion and an addition."""
    names: dict[str, set[str]] = defaultdict(set)
    renamed = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        status, *paths = line.split("\t")
        if status == "R100":
            renamed[paths[0]] = paths[1]
        elif status.startswith("R"):
            names["D"].add(paths[0])
            names["A"].add(paths[1])
        else:
            names[status].add(paths[0])
    return Changes(frozenset(names["M"]), frozenset(names["A"]), frozenset(names["D"]), renamed)


def plan_of(source: Path, state: Path) -> tuple[Plan, frozenset[str]]:
    """What the next ingest would do, and the names that are in quarantine before it."""
    connections = _connections(state)
    found = connections.find_sources(COLLECTION, given=str(source))
    kept_out = connections.history.quarantined(COLLECTION)
    plan = make_plan(
        COLLECTION,
        connections.list_documents(found[-1]),
        connections.store.open(COLLECTION).each_document(),
        kept_out,
        connections.recipe,
        attempt_id=connections.settings.parsing.attempt_id,
    )
    return plan, frozenset(_name(entry.rejected.doc_id) for entry in kept_out)


@dataclass(frozen=True, slots=True)
class Told:
    """A plan by the names of files. renamed: the new name by the old one; copied: the old name by the new one."""

    by_change: Mapping[str, set[str]]
    deleted: set[str]
    renamed: Mapping[str, str]
    copied: Mapping[str, str]


def told_by(plan: Plan) -> Told:
    """What a plan says."""
    by_change: dict[str, set[str]] = defaultdict(set)
    for step in plan.steps:
        by_change[step.change].add(_name(step.document.doc_id))
    renamed = {_name(each.reuse): _name(each.document.doc_id) for each in plan.steps if each.change == "renamed"}
    copied = {_name(step.document.doc_id): _name(step.reuse) for step in plan.steps if step.change == "copied"}
    return Told(by_change, {_name(doc_id) for doc_id in plan.deleted}, renamed, copied)


def compare_plan(
    plan: Plan, git: Changes, before: Mapping[str, str], after: Mapping[str, str], kept_out: frozenset[str]
) -> dict[str, Any]:
    """The plan beside git's truth. before, after: digests of the files by name; kept_out: in quarantine before.

    Git pairs a deletion and an addition of equal content where it looks for renames, and knows no copies: where the
    plan says renamed or copied, the contents prove it. What was in quarantine is not in the index, so that its
    modification is an addition to the index, and its deletion deletes nothing.
    """
    told = told_by(plan)
    both = _beside_git(told, git, before, after, kept_out)
    wrong = {what: sorted(ours ^ truth)[:SHOWN] for what, (ours, truth) in both.items() if ours != truth}
    return {
        "counts": {change: len(names) for change, names in sorted(told.by_change.items())}
        | {"deleted": len(told.deleted)},
        "git": {
            "modified": len(git.modified),
            "added": len(git.added),
            "deleted": len(git.deleted),
            "renamed": len(git.renamed),
        },
        "explained": {
            "renamed as git says": sum(git.renamed.get(old) == now for old, now in told.renamed.items()),
            "renamed by content, two names for git": sum(
                git.renamed.get(old) != now for old, now in told.renamed.items()
            ),
            "copied: new for git": len(told.copied),
            "in quarantine before": len(kept_out),
            "of these modified, so added to the index": len(git.modified & kept_out),
        },
        "wrong": wrong,
    }


def _beside_git(
    told: Told, git: Changes, before: Mapping[str, str], after: Mapping[str, str], kept_out: frozenset[str]
) -> dict[str, tuple[set[str], Set[str]]]:
    """By what is claimed: the names for which the plan claims it, and those for which it is true."""
    gone = (git.deleted | git.renamed.keys()) - kept_out
    new = git.added | set(git.renamed.values())
    known = {(sha, _ending(name)) for name, sha in before.items() if name not in kept_out}
    return {
        "changed": (told.by_change["changed"], git.modified - kept_out),
        "added, renamed or copied": (
            told.by_change["added"] | told.by_change["renamed"] | told.by_change["copied"],
            new | (git.modified & kept_out),
        ),
        "deleted or renamed": (told.deleted | told.renamed.keys(), gone),
        "added: content that was nowhere": (
            {name for name in told.by_change["added"] if (after[name], _ending(name)) in known},
            set(),
        ),
        "renamed: the same content": (
            {old for old, now in told.renamed.items() if before[old] != after[now] or old in after},
            set(),
        ),
        "copied: the same content": ({now for now, old in told.copied.items() if before[old] != after[now]}, set()),
        "unchanged: the same content": (
            {name for name in told.by_change["unchanged"] if before.get(name) != after[name]},
            set(),
        ),
        "quarantined: still the same": (
            {name for name in told.by_change["quarantined"] if before.get(name) != after[name]},
            set(),
        ),
    }


def compare_indexes(state: Path, fresh: Path) -> dict[str, Any]:
    """Every column of two indexes, row by row, and the quarantine beside them."""
    ours, theirs = (_connections(each).store.open(COLLECTION) for each in (state, fresh))
    one, other = ({row["chunk_id"]: row for row in _rows(each)} for each in (ours, theirs))
    differing: Counter[str] = Counter()
    distance, exactly = 0.0, 0
    for chunk_id in one.keys() & other.keys():
        for column in one[chunk_id].keys() - set(_NOT_COMPARED):
            differing[column] += one[chunk_id][column] != other[chunk_id][column]
        apart = np.abs(np.asarray(one[chunk_id]["vector"]) - np.asarray(other[chunk_id]["vector"])).max()
        distance, exactly = max(distance, float(apart)), exactly + int(apart == 0)
    kept_out = [
        {(each.rejected.doc_id, each.rejected.reason) for each in _connections(place).history.quarantined(COLLECTION)}
        for place in (state, fresh)
    ]
    wrong: dict[str, Any] = {f"column {name}": count for name, count in differing.items() if count}
    for what, names in (
        ("chunk_ids", one.keys() ^ other.keys()),
        ("quarantine", kept_out[0] ^ kept_out[1]),
    ):
        if names:
            wrong[what] = sorted(map(str, names))[:SHOWN]
    if ours.count_chunks() != len(one):
        wrong["doubled"] = ours.count_chunks() - len(one)
    if distance > 1e-6:
        wrong["vectors"] = distance
    return {
        "chunks": len(one),
        "columns": len(ours.schema.names) - 1,
        "vectors_equal": exactly,
        "vectors_farthest": distance,
        "wrong": wrong,
    }


def prove(source: Path, place: Path, *, fill: Any, changes: Path, files: tuple[dict[str, str], ...]) -> dict[str, Any]:
    """Ingest both revisions one after the other, and the second by itself. fill: puts a revision into the source."""
    fill(0)
    ingest(source, place / "state")
    fill(1)
    plan, kept_out = plan_of(source, place / "state")
    found = {"plan": compare_plan(plan, read_changes(changes), *files, kept_out)}
    changed = ingest(source, place / "state").result["documents"]
    ingest(source, place / "fresh")
    found["index"] = compare_indexes(place / "state", place / "fresh")
    found["flow_counts"] = changed
    return found


def _connections(state: Path) -> Connections:
    return Connections(replace(find_project(), state=state, database_url=f"sqlite:///{state / 'plumbline.db'}"))


def _rows(collection: Any) -> list[dict[str, Any]]:
    return [row for table in collection.batches(collection.schema.names) for row in table.to_pylist()]


def _name(doc_id: str | None) -> str:
    return (doc_id or "").removeprefix(f"{COLLECTION}/")


def _ending(name: str) -> str:
    return PurePosixPath(name).suffix.lower()
