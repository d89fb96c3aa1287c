"""Commands that look something up: plain calls that change nothing and never import Prefect."""

import uuid
from contextlib import closing
from dataclasses import asdict
from datetime import timedelta

import click

from flows import summaries
from flows.doors import GOOD, as_option, check_groups, json_option, show

MOST_CHARACTERS = 128  # of a reader's or segment's name in the ledger


def _not_empty(_: click.Context, parameter: click.Parameter, text: str) -> str:
    if not text.strip():
        raise click.BadParameter("it is empty; say what you look for.", param=parameter)
    return text


def _short(_: click.Context, parameter: click.Parameter, text: str) -> str:
    if len(text) > MOST_CHARACTERS:
        raise click.BadParameter(f"it has {len(text)} characters; {MOST_CHARACTERS} are kept.", param=parameter)
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
    with closing(connections):
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
@click.option("--reader", default="", callback=_short, metavar="ID", help="Who asks: their budget is charged.")
@click.option(
    "--segment",
    default="",
    callback=_short,
    metavar="NAME",
    help="Which customers they belong to: its budget is charged.",
)
@json_option
def ask(*, question: str, assistant: str, groups: tuple[str, ...], reader: str, segment: str, as_json: bool) -> int:
    """One traced answer to QUESTION."""
    from flows.assistant import Assistant
    from flows.connect import connect
    from knowledge.call import Account
    from pipelines.answering.retrieve import Asked
    from pipelines.answering.route import Purse

    groups = check_groups(groups)
    connections = connect()
    manifest = connections.manifest(assistant)
    connections.models(manifest)
    settings = connections.settings.models
    # a name of its own, so that the ledger takes no other question's reply for this one's
    asking = f"ask {uuid.uuid4().hex[:20]}"
    purse = Purse(
        Account("answer", assistant, asking, run=asking, reader=reader, segment=segment),
        settings.retries.ask_attempts,
        fresh_within=timedelta(minutes=settings.ask_cache_minutes),
        stream=True,
    )
    serving = connections.serving(manifest.collection)
    calls = connections.calls
    with closing(calls):
        found = calls.run(Assistant(connections, manifest, serving, purse).answer(Asked(question, groups)))
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
