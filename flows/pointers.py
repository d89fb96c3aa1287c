"""What serves: moving the pointers of a collection on and back, and keeping the versions that served."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

from filelock import FileLock

from evals.diff import same_cause
from flows.connect import Connections
from flows.state import make_folder
from knowledge.errors import CollectionError
from knowledge.promotion import PROVEN, Promotions

if TYPE_CHECKING:
    from knowledge.store import Collection

SERVED = 30  # versions that have served are kept, however many have been made since: a month of nights


@dataclass(frozen=True, slots=True)
class Standing:
    """A candidate, and what it finds: the version that serves, and the proven one, with which it is compared."""

    version: int
    serving: int | None
    proven: int | None

    @property
    def versions(self) -> set[int]:
        """All three, each once."""
        return {each for each in (self.version, self.serving, self.proven) if each is not None}


def move_pointers(connections: Connections, collection: str, version: int, *, by: str, reason: str) -> bool:
    """Let everyone who uses the collection be served this version; say whether that moved anything."""
    moved = False
    for holder, release in connections.holders(collection).items():
        pointer = connections.history.pointer(holder)
        versions = {**(pointer.versions if pointer else {}), collection: version}
        if pointer is None or (pointer.release, pointer.versions) != (release, versions):
            connections.history.move_pointer(holder, release=release, versions=versions, moved_by=by, reason=reason)
            moved = True
        opened, tag = connections.store.open(collection), holder.replace(":", "-")
        opened.tag(f"production-{tag}", version)
        opened.keep(f"served-{tag}", connections.history.served(holder, collection, last=SERVED))
    return moved


def prove(connections: Connections, collection: str, version: int) -> None:
    """Let the candidates from now on be compared with this version."""
    connections.store.open(collection).tag(PROVEN, version)


def stand(connections: Connections, collection: str, version: int) -> Standing:
    """How a candidate finds the collection. What serves and is no more in the store counts as nothing."""
    production = connections.production_version(collection)
    serving = production if connections.store.has(collection, production) else None
    proven = connections.store.open(collection).tagged(PROVEN)
    return Standing(version, serving, serving if proven is None else proven)


@contextmanager
def hold_pointers(connections: Connections, collection: str) -> Iterator[None]:
    """Let nobody else move the pointers of a collection; whoever holds them does so for moments."""
    with FileLock(make_folder(connections.project.state) / f"pointers-{collection}.lock", is_singleton=True):
        yield


def go_back(connections: Connections, collection: str, *, to: int, by: str, reason: str) -> None:
    """Serve an earlier version again, and close the collection: no candidate serves until somebody opens it.

    Raises CollectionError where that version is no more. A process that ends in between leaves the collection closed,
    and the same command goes on.
    """
    connections.store.open(collection, version=to)
    with hold_pointers(connections, collection):
        serving = connections.production_version(collection)
        if serving is None:
            raise CollectionError(f"collection '{collection}': no version serves, so there is none to go back from.")
        promotions = Promotions(connections.history)
        promotions.close(collection, good=to, bad=serving, reason=reason, by=by)
        connections.store.open(collection).keep("closed", [to, serving])
        prove(connections, collection, to)
        move_pointers(connections, collection, to, by=by, reason=reason)


def opened_as_of(
    connections: Connections, collection: str, *, version: int | None = None, on: date | None = None
) -> "Collection":
    """A collection at a version, or as it served at the end of a day in the settings' zone; else as it serves.

    Raises CollectionError.
    """
    if on is not None:
        version = _served_on(connections, collection, on)
    if version is None:
        return connections.serving(collection)
    return connections.searchable(connections.store.open(collection, version=version))


def _served_on(connections: Connections, collection: str, on: date) -> int:
    connections.store.open(collection)
    end = datetime.combine(on + timedelta(days=1), time(), connections.settings.zone)
    moves = [
        (entry["at"], entry["after"]["versions"][collection])
        for holder in connections.holders(collection)
        for entry in connections.history.audit(holder)
        if entry["action"] == "move pointer" and collection in entry["after"]["versions"] and entry["at"] < end
    ]
    if not moves:
        raise CollectionError(
            f"collection '{collection}': nothing served at the end of {on}. "
            f"Look at `plumbline collection history --collection {collection}`."
        )
    return int(max(moves)[1])


def version_before(connections: Connections, collection: str) -> int:
    """The last version that served before the one that does and that nobody went back from. Raises CollectionError."""
    serving = connections.serving_version(collection)
    holders = connections.holders(collection)
    held = {pointer.versions.get(collection) for pointer in map(connections.history.pointer, holders) if pointer}
    closure = Promotions(connections.history).closure(collection)
    if closure and len(held) > 1 and closure.good in held:
        return closure.good  # a process that went back ended before all pointers had moved
    entries = connections.history.audit(f"collection:{collection}")
    left = {entry["after"]["bad"] for entry in entries if entry["action"] == "close promotion"}
    served = {version for holder in holders for version in connections.history.served(holder, collection, last=SERVED)}
    earlier = [version for version in served if version < serving]
    if not earlier:
        raise CollectionError(f"collection '{collection}': version {serving} is the first that served.")
    if not set(earlier) - left:
        raise CollectionError(
            f"collection '{collection}': every version that served before {serving} was gone back from. "
            "--to names any that is kept."
        )
    return max(set(earlier) - left)


def why_closed(connections: Connections, collection: str, version: int) -> str:
    """Why this candidate may not serve; empty where the collection is open.

    A candidate in which any of the documents differs that were the difference between the bad version and the good one
    opens it.
    """
    promotions = Promotions(connections.history)
    closure = promotions.closure(collection)
    if closure is None:
        return ""
    remedy = f"`plumbline collection open --collection {collection}`"
    if not all(connections.store.has(collection, each) for each in (closure.good, closure.bad)):
        return f"promotion is closed ({closure.reason}), and the versions it is about are gone; open it with {remedy}"
    good, bad, candidate = (
        connections.store.open(collection, version=each).documents() for each in (closure.good, closure.bad, version)
    )
    if same_cause(good, bad, candidate):
        return f"promotion is closed since {closure.since:%Y-%m-%d %H:%M} UTC ({closure.reason}); open it with {remedy}"
    reason = f"what version {closure.bad} had changed is not as it was"
    promotions.open(collection, by="check", reason=reason)
    connections.store.open(collection).keep("closed", [])
    return ""
