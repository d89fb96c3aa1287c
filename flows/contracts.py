"""The commands `plumbline contracts …`: bounds that people review. No flow, no Prefect."""

import json
from datetime import UTC, datetime
from difflib import unified_diff
from pathlib import Path
from typing import Any

import click

from flows.changes import counted
from flows.doors import GOOD, json_option, show


@click.group()
def contracts() -> None:
    """What must hold for the rows of a collection before they are committed."""


@contracts.command("propose")
@click.option("--collection", default="support", show_default=True)
@click.option("--version", type=click.IntRange(min=1), help="The version to learn from; what serves if left out.")
@click.option("--write", is_flag=True, help="Write the files, for a review in git; else only the difference is shown.")
@json_option
def contracts_propose(collection: str, version: int | None, write: bool, as_json: bool) -> int:
    """Make the bounds of a collection's contracts from a version of it that is known to be good."""
    from flows.connect import connect
    from knowledge.contracts import read_suite
    from pipelines.ingestion.propose import OBSERVED, observe, propose, written
    from pipelines.ingestion.validate import CONTRACTS, contract_path

    connections = connect()
    wanted = version or connections.production_version(collection)
    reference = connections.store.open(collection, version=wanted)
    observed = observe(collection, reference.version, reference.batches(OBSERVED))
    folder = connections.project.knowledge / "expectations"
    files = []
    for name in CONTRACTS:
        path = contract_path(folder, collection, name)
        suite = propose(read_suite(path), observed, datetime.now(UTC).date())
        if suite:
            own = folder / collection / path.name
            files.append(_file(path, own, written(suite), connections.project.folder))
            if write:
                own.parent.mkdir(exist_ok=True)
                own.write_text(written(suite), encoding="utf-8")
    content = {"collection": collection, "version": reference.version, "written": write, "files": files}
    show(content, _screen, as_json)
    return GOOD


def _screen(content: dict[str, Any]) -> str:
    differences = [each["difference"] for each in content["files"]]
    done = "written; review them with git diff" if content["written"] else "not written; --write does it"
    from_version = f"Proposed     from version {content['version']} of collection '{content['collection']}'"
    return "\n".join([*differences, f"{from_version}: {counted(len(differences), 'contract')}, {done}"])


def _file(path: Path, own: Path, text: str, project: Path) -> dict[str, Any]:
    before, after = (str(each.relative_to(project)) for each in (path, own))
    old = path.read_text(encoding="utf-8").splitlines()
    difference = unified_diff(old, text.splitlines(), before, after, lineterm="", n=0)
    return {"path": after, "contract": json.loads(text), "difference": "\n".join(difference)}
