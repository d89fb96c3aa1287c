"""The command `plumbline queries propose`: a model writes questions for passages, and people review them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

import click

from evals.proposal import Excerpt, proposed, question_order, question_schema, written
from evals.query import Queries, Query, read_queries
from flows.changes import counted
from flows.doors import GOOD, json_option, show
from knowledge.content import read_content
from knowledge.digest import digest
from knowledge.errors import SettingsError
from knowledge.manifest import LOCAL_MODEL

if TYPE_CHECKING:
    from knowledge.call import Account
    from knowledge.store import Collection
    from pipelines.batch import Calls, Result

TOKENS = 200  # a question


@click.group()
def queries() -> None:
    """Labelled queries of a collection."""


@queries.command("propose")
@click.option("--assistant", default="support", show_default=True, help="Whose collection, and whose models.")
@click.option("--count", type=click.IntRange(1, 500), default=20, show_default=True)
@json_option
def queries_propose(assistant: str, count: int, as_json: bool) -> int:
    """Let the assistant's model propose labelled queries; they count once a person has reviewed them."""
    from flows.connect import connect
    from knowledge.call import Account

    connections = connect()
    manifest = connections.manifest(assistant)
    models = tuple(model for model in connections.models(manifest) if model != LOCAL_MODEL)
    if not models:
        raise SettingsError(
            f"assistant '{assistant}': no hosted model of its route can be asked, and the embedded one writes no "
            "questions. Set OPENAI_API_KEY or OPENAI_BASE_URL."
        )
    collection = manifest.collection
    folder = connections.project.evals / "queries"
    known = read_queries(folder, collection)
    excerpts = list(_excerpts(connections.serving(collection), known, count))
    account = Account("label", assistant, run=f"propose {collection}")
    with closing(connections.calls) as calls:
        said = list(calls.each(excerpts, lambda excerpt: _ask(calls, models, account, excerpt)))
    found = sorted((each for each in said if isinstance(each, Query)), key=lambda query: query.id)
    path = folder / f"proposed-{collection}.yaml"
    if found:
        standing = read_content(path, Queries) if path.exists() else None
        folder.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(".part")  # no check reads half of it
        aside.write_text(written(standing, collection, found), encoding="utf-8")
        aside.replace(path)
    content = {
        "collection": collection,
        "file": str(path.relative_to(connections.project.folder)),
        "proposed": [query.model_dump(mode="json") for query in found],
        "missing": [each for each in said if isinstance(each, str)],
    }
    show(content, _told, as_json)
    return GOOD


async def _ask(calls: "Calls", models: tuple[str, ...], account: "Account", excerpt: Excerpt) -> Query | str:
    """The query for a passage, or why there is none."""
    from pipelines.calling.request import CallError, ChatRequest, Schema
    from pipelines.calling.structured import buy_structured

    system, user = question_order(excerpt)
    messages = ({"role": "system", "content": system}, {"role": "user", "content": user})
    request = ChatRequest(messages, TOKENS, Schema("question", question_schema()))

    async def buy(wanted: ChatRequest) -> "Result":
        return await calls.buy(wanted, route=models, account=account)

    try:
        return proposed(excerpt, (await buy_structured(request, buy)).content)
    except CallError as problem:
        return f"{excerpt.doc_id}: {problem}"
    except ValueError:
        return f"{excerpt.doc_id}: the model wrote an empty question"


def _excerpts(opened: "Collection", known: Sequence[Query], count: int) -> Iterator[Excerpt]:
    """A passage of each of so many documents, those first that the fewest queries are about; no passage twice."""
    about = Counter(doc_id for query in known for doc_id in query.documents)
    documents = opened.documents().keys() - opened.duplicates().keys()
    chosen = sorted(documents, key=lambda doc_id: (about[doc_id], digest(doc_id)))[:count]
    rows = opened.rows_of(chosen, columns=["doc_id", "text", "groups", "languages"]).to_pylist() if chosen else []
    asked, taken = {query.id for query in known}, set()
    for row in rows:
        language = row["languages"][0] if len(row["languages"]) == 1 else None
        excerpt = Excerpt(row["doc_id"], row["text"], tuple(row["groups"]), language)
        if excerpt.doc_id not in taken and excerpt.query_id not in asked:
            taken.add(excerpt.doc_id)
            yield excerpt


def _told(content: dict[str, Any]) -> str:
    lines = [f"Proposed     {query['text']}  ({', '.join(query['relevant'])})" for query in content["proposed"]]
    lines += [f"Missing      {each}" for each in content["missing"]]
    done = f"written to {content['file']}" if content["proposed"] else "nothing is written"
    number = counted(len(content["proposed"]), "proposal")
    return "\n".join([*lines, f"Review       {number}, {done}; each counts once its `reviewed: false` is taken out"])
