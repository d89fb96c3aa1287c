"""What an assistant's manifest says of retrieval reaches its searches."""

import shutil
from pathlib import Path

import pytest
import yaml
from made_versions import connections_to, make_version

from flows.assistant import Assistant
from knowledge.call import Account
from pipelines.answering.retrieve import Asked
from pipelines.answering.route import Purse

ROOT = Path(__file__).parents[2]
TWINS = {"d/a": "A refund takes five days.", "d/b": "A refund takes five days!", "d/c": "A parcel takes a week."}


@pytest.mark.parametrize(
    ("settings", "contexts"),
    [
        ({"limit": 6}, {"d/a", "d/b", "d/c"}),
        ({"limit": 6, "collapse": True}, {"d/a", "d/c"}),
        ({"limit": 6, "min_score": 1.0}, set()),
        ({"limit": 1}, {"d/a"}),
    ],
)
def test_a_manifest_shapes_what_is_retrieved(tmp_path: Path, settings: dict[str, object], contexts: set[str]) -> None:
    connections = connections_to(tmp_path)
    for name in ("manifests", "policies"):
        shutil.copytree(ROOT / "knowledge" / name, connections.project.knowledge / name)
    path = connections.project.knowledge / "manifests" / "support.yaml"
    written = yaml.safe_load(path.read_text(encoding="utf-8"))
    written |= {"collection": "mine", "retrieval": settings}
    path.write_text(yaml.safe_dump(written), encoding="utf-8")
    opened = connections.store.open("mine", version=make_version(connections, TWINS))
    manifest = connections.manifest("support")
    purse = Purse(Account("answer", "support", "tonight", run="tonight"), 1)
    assistant = Assistant(connections, manifest, opened, purse)
    answer = connections.calls.run(assistant.answer(Asked("How long does a refund take?")))
    connections.close()
    assert {each.doc_id for each in answer.contexts} == contexts
