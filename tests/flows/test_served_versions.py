"""Versions that have served stay, however many are made after them: that is what going back needs."""

from pathlib import Path

import pyarrow as pa
import pytest

from flows.connect import Connections
from flows.params import Project
from flows.pointers import SERVED, move_pointers
from knowledge.errors import CollectionError
from knowledge.store import Collection, Question
from knowledge.upkeep import UpkeepSettings
from pipelines.ingestion.commit import CANDIDATE

HOLDER = "collection-mine"
KEEP = UpkeepSettings(keep_versions=3)


@pytest.fixture
def connections(tmp_path: Path) -> Connections:
    (tmp_path / "params.yaml").write_text("min_free_mb: 0\n")
    return Connections(Project(tmp_path, tmp_path / "state", f"sqlite:///{tmp_path / 'state.db'}", None))


def _night(connections: Connections, number: int) -> Collection:
    """One document more or less, as a night commits it."""
    collection = connections.store.create("mine")
    name, text = f"d/{number % 7}", f"words of night {number}"
    plain = {field.name: "" for field in connections.store.schema if field.type == pa.string()}
    lists: dict[str, list[str]] = {"headings": [], "findings": [], "languages": ["eng"], "groups": ["public"]}
    row = plain | lists | {"chunk_id": f"{name}#0", "doc_id": name, "text": text, "terms": text}
    row |= {"ordinal": 0, "tokens": 4, "modified_at": 0, "signature": None, "duplicate_of": None, "vector": _vector()}
    staged = collection.stage(pa.Table.from_pylist([row], schema=connections.store.schema))
    collection.commit(staged, connections.store.schema, replaced=[name])
    collection.upkeep(KEEP)
    collection.tag(CANDIDATE, collection.version)
    collection.clean_up(KEEP)
    return collection


def _vector() -> list[float]:
    return [1.0] + [0.0] * 255


def test_what_serves_and_what_served_before_can_be_searched_after_thirty_nights(connections: Connections) -> None:
    first = _night(connections, 0).version
    move_pointers(connections, "mine", first, by="check", reason="pass")
    second = _night(connections, 1).version
    move_pointers(connections, "mine", second, by="check", reason="pass")
    for number in range(2, 32):
        newest = _night(connections, number)
    question = Question("words", connections.embedder.embed(["words"])[0])
    for version, nights in ((first, 1), (second, 2), (newest.version, 7)):
        (hits,) = connections.store.open("mine", version=version).search_many([question], limit=10)
        assert len(hits) == nights
    kept = {each["version"] for each in newest._dataset.versions()}
    assert len(kept) == 2 + KEEP.keep_versions
    assert len(newest._dataset.get_fragments()) <= 33


def test_the_last_versions_that_served_stay_and_the_ones_before_go(connections: Connections) -> None:
    served = []
    for number in range(SERVED + 3):
        served.append(_night(connections, number).version)
        move_pointers(connections, "mine", served[-1], by="check", reason="pass")
    move_pointers(connections, "mine", served[-2], by="check", reason="back")
    last = _night(connections, 99)
    assert connections.history.served("collection:mine", "mine", last=2) == [served[-2], served[-1]]
    tags = {name: each["version"] for name, each in last._dataset.tags.list().items()}
    kept = {f"served-{HOLDER}-{version}": version for version in served[-SERVED:]}
    assert tags == kept | {f"production-{HOLDER}": served[-2], CANDIDATE: last.version}
    for version in served[-SERVED:]:
        assert connections.store.open("mine", version=version).version == version
    with pytest.raises(CollectionError, match=f"version {served[0]} is not in"):
        connections.store.open("mine", version=served[0])
