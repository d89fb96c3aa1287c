"""Versions of a collection `mine` with a few one-passage documents, labelled queries on them, and a check of them."""

from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml
from made_nights import CHECKED_AT

from evals.freshness import Freshness
from flows.connect import Connections
from flows.labelled import compare_with, measure_version
from flows.listed import measure_versions
from flows.params import Project
from flows.pointers import stand
from flows.promotion import Decision, Evidence, promote
from knowledge.digest import digest
from knowledge.history import Night
from knowledge.terms import terms_of

WORDS = ("refund", "invoice", "holiday", "printer", "password", "workshop", "parcel", "garden", "meeting", "contract")
NAMES = [f"{one} {other}" for one in WORDS for other in WORDS[:3] if one != other]
TEXTS = {f"d/{name}": f"Everything about {name} stands here." for name in NAMES}
QUERIES = [{"id": name, "text": f"about {name}", "relevant": {f"d/{name}": 2}} for name in NAMES]


def connections_to(folder: Path) -> Connections:
    (folder / "params.yaml").write_text("min_free_mb: 0\n")
    return Connections(Project(folder, folder / "state", f"sqlite:///{folder / 'state.db'}", None))


def ask(connections: Connections, *queries: dict[str, Any], **more: Any) -> None:
    folder = connections.project.evals / "queries"
    folder.mkdir(parents=True, exist_ok=True)
    written = {"collection": "mine", "queries": list(queries), **more}
    (folder / "mine.yaml").write_text(yaml.safe_dump(written))


def write_source(connections: Connections, **values: Any) -> None:
    folder = connections.project.folder / "knowledge" / "sources"
    folder.mkdir(parents=True, exist_ok=True)
    (connections.project.folder / "d").mkdir(exist_ok=True)
    written = {"name": "d", "collection": "mine", "url": "d", "owner": "tests", **values}
    (folder / "d.yaml").write_text(yaml.safe_dump(written))


def make_version(
    connections: Connections,
    texts: dict[str, str],
    embed_id: str | None = None,
    *,
    groups: tuple[str, ...] = ("public",),
    superseded_by: str | None = None,
) -> int:
    """A version in which these documents have these texts, and the others are as they were."""
    collection = connections.store.create("mine")
    plain = {field.name: "" for field in connections.store.schema if field.type == pa.string()}
    rows = [
        {
            **plain,
            **{"headings": [], "findings": [], "languages": ["eng"], "groups": list(groups), "ordinal": 0, "tokens": 4},
            **{"chunk_id": f"{doc_id}#0", "doc_id": doc_id, "text": text, "terms": terms_of(text, ["eng"])},
            **{"doc_sha": digest(text), "source": "d", "modified_at": 0, "duplicate_of": None},
            **{"tags": [], "superseded_by": superseded_by},
            **{"embed_id": embed_id or connections.embedder.embed_id},
            "vector": connections.embedder.embed([text])[0].tolist(),
        }
        for doc_id, text in texts.items()
    ]
    staged = collection.stage(pa.Table.from_pylist(rows, schema=connections.store.schema))
    collection.commit(staged, connections.store.schema, replaced=list(texts))
    collection.upkeep()
    return collection.version


def look(connections: Connections, version: int, *, fresh: dict[int, tuple[Freshness, ...]] | None = None) -> Evidence:
    """What a check sees of a version."""
    standing = stand(connections, "mine", version)
    measured = measure_version(connections, "mine", version)
    compared = compare_with(connections, "mine", standing, measured)
    freshness = fresh or measure_versions(connections, "mine", standing.versions, CHECKED_AT)
    return Evidence(standing, freshness, measured, compared)


def check_night(connections: Connections, version: int, *, day: int) -> Decision:
    """The decision about a version in the night of that day of December."""
    from flows.nights import within

    with within(Night("a", f"2026-12-{day:02}", date(2026, 12, day), "running")):
        return promote(connections, "mine", look(connections, version))
