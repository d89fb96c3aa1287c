"""The contract on what the labelled queries found: held after each check whose results are not those of the last."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from flows.connect import Connections
from flows.nights import night_or_now
from flows.state import make_folder
from knowledge.contracts import read_suite, validate
from knowledge.digest import digest
from knowledge.record import Hit
from pipelines.ingestion.validate import contract_path

CONTRACT = "retrieval"


def hold_results(connections: Connections, collection: str, found: Mapping[str, Sequence[Hit]]) -> tuple[str, ...]:
    """Which expectations the results break, in words; its page goes to the collection's data docs. Raises ContentError.

    To import Great Expectations takes six seconds: results that met this contract once are not held against it again.
    """
    if not found:
        return ()
    path = contract_path(connections.project.knowledge / "expectations", collection, CONTRACT)
    rows = [_row(query, hits) for query, hits in sorted(found.items())]
    page = connections.project.data_docs(collection) / f"{CONTRACT}.html"
    met = connections.project.state / "cache" / "contracts" / f"{collection}-{CONTRACT}"
    wanted = digest([rows, read_suite(path)])
    if page.exists() and met.exists() and met.read_text(encoding="utf-8") == wanted:
        return ()
    return _hold(rows, path, page, met, wanted, run=night_or_now(connections))


def _hold(rows: list[dict[str, Any]], path: Path, page: Path, met: Path, wanted: str, *, run: str) -> tuple[str, ...]:
    import pandas as pd

    validated = validate(pd.DataFrame(rows), path, run=run)
    make_folder(page.parent)
    page.write_text(validated.page, encoding="utf-8")
    make_folder(met.parent)
    met.write_text("" if validated.broken else wanted, encoding="utf-8")
    return tuple(map(str, validated.broken))


def _row(query: str, hits: Sequence[Hit]) -> dict[str, Any]:
    """One query: how many passages and documents it found, and what is wrong with them."""
    scores = [hit.score for hit in hits]
    ranked = [hit.score for hit in hits if not hit.superseded_by]  # the others stand behind what replaces them
    return {
        "query": query,
        "passages": len(hits),
        "documents": len({hit.doc_id for hit in hits}),
        "doubled": len(hits) - len({hit.chunk_id for hit in hits}),
        "blank": sum(not hit.text.strip() for hit in hits),
        "out_of_order": sum(after > before for before, after in pairwise(ranked)),
        "best_score": max(scores, default=0.0),
    }
