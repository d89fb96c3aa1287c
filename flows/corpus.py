"""The commands `plumbline corpus …`: which documents each night had, and bringing them back. No flow, no Prefect."""

from dataclasses import asdict
from pathlib import Path

import click

from flows import summaries
from flows.doors import GOOD, json_option, show
from knowledge.errors import CorpusError

collection_option = click.option("--collection", default="support", show_default=True)


@click.group()
def corpus() -> None:
    """The documents of every night, kept in DVC."""


@corpus.command("list")
@collection_option
@json_option
def corpus_list(collection: str, as_json: bool) -> int:
    """The nights whose documents are kept, and their revisions."""
    from flows.connect import connect
    from flows.snapshots import revision
    from knowledge.snapshot import read_snapshots

    rows = [
        {
            **{name: value for name, value in asdict(each).items() if name != "corpus"},
            "revision": revision(each.corpus) if each.corpus else None,
        }
        for each in read_snapshots(connect().history, collection)
    ]
    show({"collection": collection, "snapshots": rows}, summaries.snapshots, as_json)
    return GOOD


@corpus.command("restore")
@click.argument("night")
@collection_option
@click.option("--to", metavar="DIR", help="An empty or new folder; state/restored/NIGHT/COLLECTION if left out.")
@json_option
def corpus_restore(night: str, collection: str, to: str | None, as_json: bool) -> int:
    """Bring the documents of NIGHT back, byte for byte."""
    from flows.connect import connect
    from flows.snapshots import restore_documents, revision
    from knowledge.snapshot import read_snapshots

    connections = connect()
    snapshots = {each.night: each for each in read_snapshots(connections.history, collection)}
    if night not in snapshots:
        raise CorpusError(
            f"night '{night}': no snapshot of collection '{collection}' has that name. "
            f"There are: {', '.join(snapshots) or 'none yet'}."
        )
    snapshot = snapshots[night]
    folder = Path(to).expanduser().absolute() if to else connections.project.state / "restored" / night / collection
    documents = restore_documents(connections.project, snapshot, folder)
    content = {
        "collection": collection,
        "night": night,
        "version": snapshot.version,
        "documents": documents,
        "revision": revision(snapshot.corpus or ""),
        "folder": str(folder),
    }
    show(content, summaries.restored, as_json)
    return GOOD
