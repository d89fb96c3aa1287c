"""Labelled queries: what a reader asks, and which documents, chunks or quotes should be found."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, Field, model_validator

from knowledge.content import Content, read_content
from knowledge.digest import digest
from knowledge.errors import ContentError
from knowledge.source import NAME, check_group

Grade = Annotated[int, Field(ge=1, le=2)]
T = TypeVar("T")
Group = Annotated[str, AfterValidator(check_group)]
LANGUAGE = r"^[a-z]{2,3}$"
KINDS_OF_LABEL = ("relevant", "relevant_chunks", "relevant_spans")


class Span(Content):
    """Some words of a document, as they stand there; white space and case do not count."""

    doc_id: str
    quote: str = Field(pattern=r"\S")
    grade: Grade


class Query(Content):
    """A labelled query: relevance of each document, chunk or quote that helps, 2 = answers it, 1 = helps.

    It has one kind of label. language: of the query, two or three letters. reviewed: a label that was proposed and that
    nobody reviewed does not count.
    """

    id: str
    text: str = Field(min_length=1)
    groups: tuple[Group, ...] = ()
    tags: tuple[Annotated[str, Field(pattern=NAME)], ...] = ()
    language: str | None = Field(default=None, pattern=LANGUAGE)
    reviewed: bool = True
    relevant: dict[str, Grade] = Field(default_factory=dict, min_length=1)
    relevant_chunks: dict[str, Grade] = Field(default_factory=dict, min_length=1)
    relevant_spans: tuple[Span, ...] = Field(default=(), min_length=1)

    @property
    def documents(self) -> set[str]:
        """The documents that its labels are about."""
        chunks = {chunk_id.rpartition("#")[0] for chunk_id in self.relevant_chunks}
        return {*self.relevant, *chunks, *(span.doc_id for span in self.relevant_spans)}

    @model_validator(mode="after")
    def _one_kind_of_label(self) -> "Query":
        given = [name for name in KINDS_OF_LABEL if getattr(self, name)]
        if len(given) != 1:
            has = " and ".join(given) or "no label"
            raise ValueError(f"query '{self.id}' has {has}; give it exactly one of {', '.join(KINDS_OF_LABEL)}")
        return self


class Principal(Content):
    """Somebody whom every labelled query is asked as.

    must_not_retrieve: globs of documents (`people/**`) that they must never see, whatever the sources say.
    """

    name: str = Field(pattern=NAME)
    groups: tuple[Group, ...] = ()
    must_not_retrieve: tuple[str, ...] = ()


class Queries(Content):
    """One YAML file in `evals/queries/`: labelled queries for one collection, and as whom they are asked as well."""

    collection: str = Field(pattern=NAME)
    queries: tuple[Query, ...] = Field(min_length=1)
    principals: tuple[Principal, ...] = ()


def read_queries(folder: Path, collection: str) -> list[Query]:
    """All labelled queries of a collection; an empty list where nobody wrote any. Raises ContentError."""
    return _unique([(path, each, each.id) for path, file in _files(folder, collection) for each in file.queries])


def read_principals(folder: Path, collection: str) -> list[Principal]:
    """As whom the queries of a collection are asked as well. Raises ContentError."""
    return _unique([(path, each, each.name) for path, file in _files(folder, collection) for each in file.principals])


def _files(folder: Path, collection: str) -> Iterator[tuple[Path, Queries]]:
    for path in sorted(folder.glob("*.yaml")):
        file = read_content(path, Queries)
        if file.collection == collection:
            yield path, file


def _unique(written: Iterable[tuple[Path, T, str]]) -> list[T]:
    """What is written, each under a name of its own. Raises ContentError."""
    found: dict[str, T] = {}
    for path, each, name in written:
        if name in found:
            what = type(each).__name__.lower()
            raise ContentError(f"{path}: {what} '{name}' stands twice. Give one of them another name.")
        found[name] = each
    return list(found.values())


def queries_digest(queries: Sequence[Query]) -> str:
    """Names exactly this set of labelled queries."""
    return digest([query.model_dump(mode="json") for query in queries])
