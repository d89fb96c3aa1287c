"""Commands that look something up: plain calls that change nothing and never import Prefect."""

from dataclasses import asdict

import click

from flows import summaries
from flows.doors import GOOD, as_option, check_groups, json_option, show


def _not_empty(_: click.Context, parameter: click.Parameter, text: str) -> str:
    if not text.strip():
        raise click.BadParameter("it is empty; say what you look for.", param=parameter)
    return text


question_argument = click.argument("question", callback=_not_empty)


@click.command()
@question_argument
@click.option("--collection", default="support", show_default=True)
@click.option("--limit", type=click.IntRange(1, 100), default=5, show_default=True)
@as_option
@json_option
def search(question: str, collection: str, limit: int, groups: tuple[str, ...], as_json: bool) -> int:
    """The passages nearest to QUESTION among those the reader may see."""
    from flows.connect import connect
    from pipelines.answering.retrieve import retrieve

    reader = check_groups(groups)
    connections = connect()
    serving = connections.serving(collection)
    hits = retrieve(question, serving, connections.embedder, groups=reader, limit=limit)
    content = {
        "collection": collection,
        "version": serving.version,
        "passages": [asdict(hit) for hit in hits],
    }
    show(content, summaries.search, as_json)
    return GOOD


@click.command()
@question_argument
@click.option("--assistant", default="support", show_default=True)
@as_option
@json_option
def ask(question: str, assistant: str, groups: tuple[str, ...], as_json: bool) -> int:
    """One traced answer to QUESTION."""
    from flows.connect import connect
    from pipelines.answering.answer import answer

    connections = connect()
    manifest = connections.manifest(assistant)
    found = answer(
        question,
        manifest=manifest,
        policy=connections.policy(manifest),
        collection=connections.serving(manifest.collection),
        embedder=connections.embedder,
        groups=check_groups(groups),
    )
    show(found.as_row(), summaries.answer, as_json)
    return GOOD


@click.command()
@json_option
def status(as_json: bool) -> int:
    """What serves, since when, how the last night went, and where its report is."""
    from flows.connect import connect
    from flows.nights import status_of

    show(status_of(connect()), summaries.status, as_json)
    return GOOD


@click.group()
def quarantine() -> None:
    """Documents that are kept out."""


@quarantine.command("list")
@click.option("--collection", default="support", show_default=True)
@json_option
def quarantine_list(collection: str, as_json: bool) -> int:
    """Which documents are kept out of a collection, why, and since when."""
    from flows.connect import connect

    connections = connect()
    connections.store.open(collection)
    entries = connections.history.quarantined(collection)
    rows = [
        {
            **asdict(each.rejected),
            "attempts": each.attempts,
            "first_seen": each.first_seen,
            "last_seen": each.last_seen,
        }
        for each in entries
    ]
    show({"collection": collection, "quarantine": rows}, summaries.quarantine, as_json)
    return GOOD
