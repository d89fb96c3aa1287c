"""The contracts of an ingest: what they are held against, and where their data docs go."""

from collections.abc import Sequence

from flows.connect import Connections
from flows.nights import night_or_now
from flows.state import make_folder
from flows.tracking.steps import log_broken_contracts
from knowledge.contracts import Validated
from pipelines.ingestion.validate import Validation, refuse_broken


def open_validation(connections: Connections, collection: str) -> Validation:
    """The contracts of a collection, ready for its staged rows. Raises ContentError."""
    groups = {group for source in connections.sources(collection) for group in source.every_group}
    contracts = connections.project.knowledge / "expectations"
    return Validation(contracts, collection, known_groups=groups, run=night_or_now(connections))


def settle_contracts(connections: Connections, collection: str, validated: Sequence[Validated]) -> None:
    """Keep the data docs of what was found, in MLflow too where a contract is broken. Raises ContractError."""
    if not validated:
        return
    folder = make_folder(connections.project.data_docs(collection))
    for left in folder.glob("*.html"):  # of a contract that is no more
        left.unlink()
    for each in validated:
        (folder / f"{each.contract}.html").write_text(each.page, encoding="utf-8")
    if any(each.broken for each in validated):
        log_broken_contracts(collection, validated)
    refuse_broken(validated, folder)
