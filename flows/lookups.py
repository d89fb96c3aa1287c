"""Commands that look something up: plain calls that change nothing and never import Prefect."""

import math
import uuid
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from flows import summaries
from flows.doors import GOOD, as_option, check_groups, json_option, show
from knowledge.errors import PlumblineError

if TYPE_CHECKING:
    from knowledge.filter import Filter
    from knowledge.store import Collection

MOST_CHARACTERS = 128  # of a reader's or segment's name in the ledger


def _not_empty(_: click.Context, parameter: click.Parameter, text: str) -> str:
    if not text.strip():
        raise click.BadParameter("it is empty; say what you look for.", param=parameter)
    return text


def _short(_: click.Context, parameter: click.Parameter, text: str) -> str:
    if len(text) > MOST_CHARACTERS:
        raise click.BadParameter(f"it has {len(text)} characters; {MOST_CHARACTERS} are kept.", param=parameter)
    return text


def _moment(_: click.Context, parameter: click.Parameter, text: str | None) -> datetime | None:
    """A date, or a time; without a zone it is UTC."""
    try:
        moment = datetime.fromisoformat(text) if text is not None else None
    except ValueError:
        raise click.BadParameter(f"{text!r} is no date; write 2026-01-31, or a time.", param=parameter) from None
    return moment if moment is None or moment.utcoffset() is not None else moment.replace(tzinfo=UTC)


def _not_nan(_: click.Context, parameter: click.Parameter, number: float | None) -> float | None:
    if number is not None and math.isnan(number):
        raise click.BadParameter("it is no number; give one from 0 to 1.", param=parameter)
    return number


def _named(option: str, about: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    return click.option(option, multiple=True, metavar="NAME", help=f"Only passages {about}; repeat for more.")


question_argument = click.argument("question", callback=_not_empty)


@click.command()
@question_argument
@click.option("--collection", default="support", show_default=True)
@click.option("--limit", type=click.IntRange(1, 100), default=5, show_default=True)
@as_option
@_named("--source", "from this source")
@_named("--language", "in this language, as sources name it (eng)")
@_named("--tag", "with this tag")
@click.option("--since", callback=_moment, metavar="DATE", help="Only passages of files that changed since.")
@click.option(
    "--min-score", type=click.FloatRange(0, 1), callback=_not_nan, help="The least cosine of passage and question."
)
@click.option(
    "--neighbours", type=click.IntRange(0, 10), default=0, help="Join so many passages before and after each."
)
@click.option("--max-tokens", type=click.IntRange(1), help="Leave out what exceeds so many tokens together.")
@click.option("--version", type=click.IntRange(1), help="Search this version, in the place of the one that serves.")
@click.option(
    "--on",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="DATE",
    help="Search the version that served at the end of this day.",
)
@json_option
def search(
    *,
    question: str,
    collection: str,
    limit: int,
    groups: tuple[str, ...],
    source: tuple[str, ...],
    language: tuple[str, ...],
    tag: tuple[str, ...],
    since: datetime | None,
    min_score: float | None,
    neighbours: int,
    max_tokens: int | None,
    version: int | None,
    on: datetime | None,
    as_json: bool,
) -> int:
    """The passages nearest to QUESTION among those the reader may see; near-duplicates are one."""
    from flows.connect import connect
    from flows.pointers import opened_as_of
    from knowledge.filter import Filter
    from pipelines.answering.retrieve import Asked, retrieve
    from pipelines.answering.shape import Shape

    reader = check_groups(groups)
    try:
        wanted = Filter(source, language, tag, since)
    except ValueError as problem:
        raise PlumblineError(f"search: {problem}.") from None
    shape = Shape(min_score, collapse=True, neighbours=neighbours, max_tokens=max_tokens)
    if version is not None and on is not None:
        raise click.UsageError("--version and --on name one version each; give one of them.")
    connections = connect()
    opened = opened_as_of(connections, collection, version=version, on=on.date() if on else None)
    with closing(connections):
        hits = retrieve(Asked(question, reader, wanted), opened, connections.embedder, limit=limit, shape=shape)
    if not hits:
        _check_names(opened, wanted, reader)
    content = {
        "collection": collection,
        "version": opened.version,
        "passages": [asdict(hit) for hit in hits],
    }
    show(content, summaries.search, as_json)
    return GOOD


def _check_names(opened: "Collection", wanted: "Filter", reader: tuple[str, ...]) -> None:
    """Is there anything of each name that a filter gives? Raises PlumblineError with those there are."""
    for column, names in (("source", wanted.sources), ("languages", wanted.languages), ("tags", wanted.tags)):
        there = opened.names(column, reader) if names else []
        for name in names:
            if name not in there:
                raise PlumblineError(
                    f"search: nothing that this reader may see has '{name}' in its {column}. "
                    f"There are: {', '.join(there) or 'none'}."
                )


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
