"""validate: the staged rows against their contracts; a broken contract stops the commit, not the service."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from knowledge.contracts import Validated, validate
from knowledge.errors import ContractError
from pipelines.ingestion.embed import Staged

_PLAIN = ["chunk_id", "doc_id", "doc_sha", "embed_id", "text", "text_sha", "tokens"]


def validate_staged(staged: Staged, contracts: Path, *, run: str) -> list[Validated]:
    """Hold `chunks.json` against the rows and `commit.json` against their aggregates.

    Where nothing is staged there is nothing to hold. run: what the pages call this validation.
    """
    if not staged.rows.num_rows:
        return []
    rows = staged.rows.select(_PLAIN).to_pandas()
    rows["group_count"] = [len(groups) for groups in staged.rows["groups"].to_pylist()]
    vectors = np.asarray(staged.rows["vector"].combine_chunks().flatten()).reshape(len(rows), -1)
    rows["vector_norm"] = np.linalg.norm(vectors, axis=1)
    aggregates = pd.DataFrame(
        {
            "chunks_per_document": [len(rows) / rows["doc_id"].nunique()],
            "doubled_chunk_share": [float(rows.duplicated(["doc_id", "text_sha"]).mean())],
            "embed_ids": [rows["embed_id"].nunique()],
        }
    )
    return [
        validate(rows, contracts / "chunks.json", run=run),
        validate(aggregates, contracts / "commit.json", run=run),
    ]


def refuse_broken(validated: Sequence[Validated], contracts: Path) -> None:
    """Let nothing pass that breaks a contract. Raises ContractError."""
    broken = [each for contract in validated for each in contract.broken]
    if broken:
        more = f" and {len(broken) - 1} more" if len(broken) > 1 else ""
        raise ContractError(
            f"{broken[0]}{more}. Nothing was committed. Look at these documents, "
            f"or change the contract in {contracts.name}/ by review."
        )
