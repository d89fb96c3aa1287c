"""The commands `plumbline quarantine …`: what is kept out, and what people decide about it. No flow, no Prefect."""

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, get_args

import click

from flows.doors import GOOD, json_option, show
from flows.summaries import by_reason
from knowledge.record import IndexedDocument, Quarantined, Reason, source_of

if TYPE_CHECKING:
    from flows.connect import Connections
    from knowledge.quarantine import Decision

collection_option = click.option("--collection", default="support", show_default=True)
reason_option = click.option("--reason", type=click.Choice(get_args(Reason)), help="Those kept out for this reason.")
all_option = click.option("--all", "everything", is_flag=True, help="Everything that is kept out.")
doc_ids_argument = click.argument("doc_ids", nargs=-1, metavar="[DOC_ID]...")


@click.group()
def quarantine() -> None:
    """Documents that are kept out, and what is to be done about them."""


@quarantine.command("list")
@collection_option
@reason_option
@json_option
def quarantine_list(collection: str, reason: Reason | None, as_json: bool) -> int:
    """Which documents are kept out of a collection, why, since when, and what of them still serves."""
    from flows.connect import connect

    connections = connect()
    found = [entry for entry in connections.history.quarantined(collection) if reason in (None, entry.rejected.reason)]
    owners = {source.name: source.owner for source in connections.sources(collection)}
    version, served = _served(connections, collection)
    rows = [_row(entry, owners, served.get(entry.rejected.doc_id)) for entry in found]
    reasons = dict(Counter(entry.rejected.reason for entry in found).most_common())
    content = {"collection": collection, "serving_version": version, "reasons": reasons, "quarantine": rows}
    show(content, _listed, as_json)
    return GOOD


@quarantine.command("retry")
@doc_ids_argument
@all_option
@reason_option
@collection_option
@json_option
def quarantine_retry(
    *, doc_ids: tuple[str, ...], everything: bool, reason: Reason | None, collection: str, as_json: bool
) -> int:
    """Let the next ingest try documents again, although neither they nor the parser have changed."""
    _one_way(doc_ids, everything, reason)
    return _decide("retry", doc_ids, reason, collection, as_json=as_json)


@quarantine.command("drop")
@click.argument("doc_ids", nargs=-1, required=True, metavar="DOC_ID...")
@collection_option
@json_option
def quarantine_drop(doc_ids: tuple[str, ...], collection: str, as_json: bool) -> int:
    """Leave documents out until they change: the next ingest takes their old rows out of the index as well."""
    return _decide("drop", doc_ids, None, collection, as_json=as_json)


@quarantine.command("accept")
@doc_ids_argument
@all_option
@reason_option
@collection_option
@json_option
def quarantine_accept(
    *, doc_ids: tuple[str, ...], everything: bool, reason: Reason | None, collection: str, as_json: bool
) -> int:
    """Let the next check serve a version although these documents are newly kept out."""
    _one_way(doc_ids, everything, reason)
    return _decide("accept", doc_ids, reason, collection, as_json=as_json)


def _one_way(doc_ids: tuple[str, ...], everything: bool, reason: Reason | None) -> None:
    if sum((bool(doc_ids), everything, reason is not None)) != 1:
        raise click.UsageError("say which documents: their DOC_IDs, or --all, or --reason, and one of them alone.")


def _decide(
    decision: "Decision", doc_ids: tuple[str, ...], reason: Reason | None, collection: str, *, as_json: bool
) -> int:
    from flows.connect import connect
    from knowledge.quarantine import choose, enter_decision

    history = connect().history
    chosen = choose(history.quarantined(collection), doc_ids, collection=collection, reason=reason)
    why = f"plumbline quarantine {decision}"
    enter_decision(history, collection, chosen, decision=decision, by="person", reason=why)
    documents = [entry.rejected.doc_id for entry in chosen]
    show({"collection": collection, "decision": decision, "documents": documents}, _decided, as_json)
    return GOOD


def _served(connections: "Connections", collection: str) -> tuple[int | None, dict[str, IndexedDocument]]:
    """The version that serves, and what it holds of each document."""
    connections.store.open(collection)
    version = connections.production_version(collection)
    if version is None:
        return None, {}
    return version, connections.store.open(collection, version=version).documents()


def _row(entry: Quarantined, owners: dict[str, str], served: IndexedDocument | None) -> dict[str, Any]:
    """served_sha: the content of the last good version that readers still get; null where they get none."""
    return {
        **asdict(entry.rejected),
        "state": entry.state,
        "new": entry.accepted_at is None,
        "attempts": entry.attempts,
        "first_seen": entry.first_seen,
        "last_seen": entry.last_seen,
        "owner": owners.get(source_of(entry.rejected.doc_id)),
        "served_sha": served.doc_sha if served else None,
    }


def _listed(content: dict[str, Any]) -> str:
    if not content["quarantine"]:
        return f"Nothing is in quarantine in collection '{content['collection']}'."
    return "\n".join([*map(_kept_out, content["quarantine"]), f"Reasons      {by_reason(content['reasons'])}"])


def _kept_out(row: dict[str, Any]) -> str:
    told = {"held": "", "retry": ", tried again by the next ingest", "dropped": ", dropped until it changes"}
    serves = f"its version {row['served_sha'][:12]} still serves" if row["served_sha"] else "nothing of it serves"
    return (
        f"{row['doc_id']}: {row['reason']} ({row['detail']}), tried {row['attempts']} x, "
        f"since {row['first_seen']:%Y-%m-%d}{', new' if row['new'] else ''}{told[row['state']]}; "
        f"{serves}; owner: {row['owner'] or 'its source is gone'}"
    )


def _decided(content: dict[str, Any]) -> str:
    collection, documents = content["collection"], content["documents"]
    more = f" and {len(documents) - 5} more" if len(documents) > 5 else ""
    said = {
        "retry": f"Retry        at the next `plumbline ingest --collection {collection}`",
        "drop": f"Dropped      from the next `plumbline ingest --collection {collection}` on",
        "accept": f"Accepted     at the next `plumbline check --collection {collection}`",
    }
    return f"{said[content['decision']]}: {', '.join(documents[:5])}{more}"
