"""The commands `plumbline collection …`: what served and when, going back, and how two versions differ. No Prefect."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from evals.diff import Moved, changed_documents, moved_documents
from flows.doors import GOOD, json_option, show
from knowledge.errors import CollectionError, PlumblineError

if TYPE_CHECKING:
    from flows.connect import Connections
    from knowledge.store import Collection

NAMED = 20  # of each list that is shown on the screen
RANKED = 10  # documents of a query's ranking that are compared

collection_option = click.option("--collection", default="support", show_default=True)


@click.group()
def collection() -> None:
    """Versions of a collection: what served, going back, and what differs."""


@collection.command("history")
@collection_option
@json_option
def collection_history(collection: str, as_json: bool) -> int:
    """Every move of what serves, with who made it and why, oldest first."""
    from flows.connect import connect
    from knowledge.promotion import PROVEN, Promotions

    connections = connect()
    opened = connections.store.open(collection)
    closure = Promotions(connections.history).closure(collection)
    content = {
        "collection": collection,
        "production_version": connections.production_version(collection),
        "proven_version": opened.tagged(PROVEN),
        "kept_versions": opened.kept(),
        "closed": asdict(closure) if closure else None,
        "history": _entries(connections, collection),
    }
    show(content, _told_history, as_json)
    return GOOD


@collection.command("rollback")
@collection_option
@click.option("--to", "version", type=int, metavar="VERSION", help="Which one; that before what serves if left out.")
@click.option("--reason", default="rolled back by hand", show_default=True, help="What the audit says.")
@json_option
def collection_rollback(collection: str, version: int | None, reason: str, as_json: bool) -> int:
    """Serve an earlier version again, at once; no candidate serves until `collection open` or its cause has changed."""
    from flows.connect import connect
    from flows.pointers import go_back, version_before

    connections = connect()
    serving = connections.serving_version(collection)
    to = version_before(connections, collection) if version is None else version
    if to == serving:
        raise CollectionError(f"collection '{collection}': version {to} serves already.")
    connections.searchable(connections.store.open(collection, version=to))
    go_back(connections, collection, to=to, by="person", reason=reason)
    content = {"collection": collection, "before": serving, "production_version": to, "closed": True}
    show(content | _leaks(connections, collection, to), _told_move, as_json)
    return GOOD


def _leaks(connections: "Connections", collection: str, version: int) -> dict[str, Any]:
    """What a version shows to whom it is not for by now, or why that could not be looked for: it serves already."""
    from flows.labelled import measure_version

    try:
        found = measure_version(connections, collection, version).leaks
    except PlumblineError as problem:
        return {"leaks": None, "leaks_unknown": str(problem)}
    return {"leaks": [asdict(leak) for leak in found], "leaks_unknown": None}


@collection.command("open")
@collection_option
@click.option("--reason", default="opened by hand", show_default=True, help="What the audit says.")
@json_option
def collection_open(collection: str, reason: str, as_json: bool) -> int:
    """Let candidates of a collection serve again that was closed when it went back."""
    from flows.connect import connect
    from knowledge.promotion import Promotions

    connections = connect()
    connections.store.open(collection)
    opened = Promotions(connections.history).open(collection, reason=reason, by="person")
    connections.store.open(collection).keep("closed", [])
    show({"collection": collection, "opened": opened}, _told_open, as_json)
    return GOOD


@collection.command("diff")
@click.argument("before", type=int)
@click.argument("after", type=int)
@collection_option
@json_option
def collection_diff(before: int, after: int, collection: str, as_json: bool) -> int:
    """Which documents differ between versions BEFORE and AFTER, and which labelled queries that moved, and why."""
    from evals.query import read_queries
    from flows.connect import connect

    connections = connect()
    old, new = (connections.searchable(connections.store.open(collection, version=each)) for each in (before, after))
    changed = changed_documents(old.documents(), new.documents())
    queries = read_queries(connections.project.evals / "queries", collection)
    with closing(connections):
        rankings = [_rankings(connections, each, queries) for each in (old, new)]
    moved = moved_documents(rankings[0], rankings[1], changed)
    texts = {query.id: query.text for query in queries}
    content = {
        "collection": collection,
        "before": before,
        "after": after,
        "documents": [{"doc_id": doc_id, "difference": why} for doc_id, why in changed.items()],
        "queries": [
            {"query": query, "text": texts[query], "moved": [_row(each) for each in moved if each.query == query]}
            for query in dict.fromkeys(each.query for each in moved)
        ],
    }
    show(content, _told_diff, as_json)
    return GOOD


def _rankings(connections: "Connections", opened: "Collection", queries: Sequence[Any]) -> dict[str, list[str]]:
    """The documents each query finds in a version, asked by its own reader."""
    from pipelines.answering.retrieve import Asked, retrieve_many

    asked = [Asked(query.text, query.groups) for query in queries]
    found = retrieve_many(asked, opened, connections.embedder, limit=5 * RANKED)
    documents = (list(dict.fromkeys(hit.doc_id for hit in hits))[:RANKED] for hits in found)
    return {query.id: each for query, each in zip(queries, documents, strict=True)}


def _row(moved: Moved) -> dict[str, Any]:
    return {name: getattr(moved, name) for name in ("doc_id", "before", "after", "why")}


def _entries(connections: "Connections", collection: str) -> list[dict[str, Any]]:
    """What the audit has of a collection: moves of its pointers, closing and opening."""
    found = []
    for subject in dict.fromkeys([*connections.holders(collection), f"collection:{collection}"]):
        for entry in connections.history.audit(subject):
            moved = entry["action"] == "move pointer"
            if moved or entry["action"] in ("close promotion", "open promotion"):
                found.append(
                    {
                        "at": entry["at"],
                        "by": entry["actor"],
                        "what": entry["action"],
                        "whose": subject,
                        "from": _version(entry["before"], collection) if moved else None,
                        "to": _version(entry["after"], collection) if moved else None,
                        "reason": entry["reason"],
                    }
                )
    return sorted(found, key=lambda each: each["at"])


def _version(state: Mapping[str, Any] | None, collection: str) -> int | None:
    versions: Mapping[str, int] = (state or {}).get("versions", {})
    return versions.get(collection)


def _told_history(content: dict[str, Any]) -> str:
    lines = []
    for each in content["history"]:
        what = f"version {each['from'] or 'none'} -> {each['to']}" if each["what"] == "move pointer" else each["what"]
        lines.append(f"{each['at']:%Y-%m-%d %H:%M}  {each['whose']}: {what}, by {each['by']} ({each['reason']})")
    serves, proven = content["production_version"], content["proven_version"]
    lines.append(f"Serves       {f'version {serves}, proven is version {proven}' if serves else 'nothing yet'}")
    if closed := content["closed"]:
        lines.append(f"Closed       since {closed['since']:%Y-%m-%d %H:%M}: {closed['reason']}")
    return "\n".join(lines)


def _told_move(content: dict[str, Any]) -> str:
    name, before = content["collection"], content["before"]
    lines = [f"Serves       version {content['production_version']} of '{name}' again, instead of {before}"]
    lines += [
        f"LEAK         {each['doc_id']} to {each['principal']}: {each['rule']}" for each in content["leaks"] or ()
    ]
    lines += [f"Leaks        not looked for: {content['leaks_unknown']}"] if content["leaks_unknown"] else []
    lines.append(
        f"Closed       no candidate serves until `plumbline collection open --collection {name}`, or until what "
        f"version {before} had changed is changed again"
    )
    return "\n".join(lines)


def _told_open(content: dict[str, Any]) -> str:
    was = "the next `plumbline check` may let a candidate serve" if content["opened"] else "it was not closed"
    return f"Open         '{content['collection']}': {was}"


def _told_diff(content: dict[str, Any]) -> str:
    documents, queries = content["documents"], content["queries"]
    lines = [f"Documents    {len(documents)} differ between version {content['before']} and {content['after']}"]
    lines += [f"             {each['doc_id']}: {each['difference']}" for each in documents[:NAMED]]
    lines += [f"             and {len(documents) - NAMED} more"] if len(documents) > NAMED else []
    lines.append(f"Queries      {len(queries)} rank other documents, or in another order")
    for query in queries[:NAMED]:
        lines.append(f"Query        {query['query']}: {query['text']}")
        for each in query["moved"]:
            places = f"{each['before'] or 'not found'} -> {each['after'] or 'not found'}"
            lines.append(f"             {each['doc_id']}: {places} ({each['why'] or 'others moved'})")
    lines += [f"Query        and {len(queries) - NAMED} more; --json has them all"] if len(queries) > NAMED else []
    return "\n".join(lines)
