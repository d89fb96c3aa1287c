"""validate: the staged rows against their contracts; a broken contract stops the commit, not the service."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from knowledge.contracts import Contract, Validated
from knowledge.errors import ContractError
from pipelines.ingestion.tally import LANGUAGE_SHARE, Tally, compare

OF_ROWS = ("documents", "chunks", "vectors")
CONTRACTS = (*OF_ROWS, "collection")
FAMILIES = ("secret", "personal", "hidden")  # of findings
AT_ONCE = 20_000  # rows held against a contract in one go: a go costs 10 ms an expectation, whatever it holds


def contract_path(folder: Path, collection: str, name: str) -> Path:
    """The collection's own contract of this name where people wrote one, else the one of every collection."""
    own = folder / collection / f"{name}.json"
    return own if own.exists() else folder / f"{name}.json"


class Validation:
    """Holds the contracts of a collection against its staged rows as they come; they are not kept.

    known_groups: the access groups that its sources declare. run: what the pages call this validation.
    Raises ContentError where a contract cannot be used.
    """

    def __init__(self, contracts: Path, collection: str, *, known_groups: Iterable[str], run: str):
        self._contracts = {name: Contract(contract_path(contracts, collection, name)) for name in CONTRACTS}
        self._known_groups = pa.array(sorted(known_groups), pa.string())
        self._run = run
        self._waiting: dict[str, list[pd.DataFrame]] = defaultdict(list)
        self._waiting_rows = 0
        self._now = Tally()

    def add(self, rows: pa.Table) -> None:
        """Take the next staged rows. All rows of a document come together."""
        if not rows.num_rows:
            return
        for name, frame in frames_of(rows, self._known_groups).items():
            self._waiting[name].append(frame)
        self._now.add(rows)
        self._waiting_rows += rows.num_rows
        if self._waiting_rows >= AT_ONCE:
            self._hold()

    def finish(self, standing: Iterable[pa.Table], replaced: Sequence[str]) -> list[Validated]:
        """What every contract found; nothing where nothing was staged.

        standing: the rows of the version before, of the columns COUNTED. replaced: the documents whose rows there go.
        """
        if not self._now.chunks:
            return []
        self._hold()
        last, gone = Tally(), pa.array(sorted(replaced), pa.string())
        for rows in standing:
            last.add(rows)
            self._now.add(rows.filter(pc.invert(pc.is_in(rows["doc_id"], value_set=gone))))
        figures = {**self._now.figures(), **compare(self._now, last)}
        # a language that no document is in any more has no figure
        missing = {name: 0.0 for name in self._contracts["collection"].columns if name.startswith(LANGUAGE_SHARE)}
        self._contracts["collection"].hold(pd.DataFrame([{**missing, **figures}], dtype="float64"))
        return [contract.validated(run=self._run) for contract in self._contracts.values()]

    def _hold(self) -> None:
        for name, frames in self._waiting.items():
            if frames:
                self._contracts[name].hold(pd.concat(frames, ignore_index=True))
                frames.clear()
        self._waiting_rows = 0


def frames_of(rows: pa.Table, known_groups: pa.Array) -> dict[str, pd.DataFrame]:
    """What the contracts of documents, chunks and vectors are about; no text and no vector is in it."""
    chunk_ids, doc_ids = rows["chunk_id"].to_numpy(), rows["doc_id"].to_numpy()
    vectors = rows["vector"].combine_chunks().flatten().to_numpy().reshape(rows.num_rows, -1)
    codes, names = pd.factorize(doc_ids)
    first = np.unique(codes, return_index=True)[1]
    chunks = np.bincount(codes, minlength=len(names))
    last_ordinal = pd.Series(rows["ordinal"].to_numpy()).groupby(codes).max().to_numpy()
    return {
        "documents": pd.DataFrame(
            {
                "doc_id": names,
                "doc_sha": rows["doc_sha"].to_numpy()[first],
                "chunks": chunks,
                "missing_ordinals": last_ordinal + 1 - chunks,
                "group_count": pc.list_value_length(rows["groups"]).to_numpy()[first],
                "unknown_group": _unknown_groups(rows, known_groups)[first],
                "language_count": pc.list_value_length(rows["languages"]).to_numpy()[first],
            }
        ),
        "chunks": pd.DataFrame(
            {
                "chunk_id": chunk_ids,
                "doc_id": doc_ids,
                "characters": pc.utf8_length(rows["text"]).to_numpy(),
                "tokens": rows["tokens"].to_numpy(),
                **{f"{family}_findings": _findings(rows, family) for family in FAMILIES},
            }
        ),
        "vectors": pd.DataFrame(
            {
                "chunk_id": chunk_ids,
                "not_finite": (~np.isfinite(vectors)).sum(axis=1),  # a norm that is no number breaks no bound
                "norm": np.linalg.norm(vectors, axis=1),
            }
        ),
    }


def _findings(rows: pa.Table, family: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """For each row how many kinds of one family were found in it."""
    kinds = rows["findings"].combine_chunks()
    holders = pc.list_parent_indices(kinds).filter(pc.starts_with(pc.list_flatten(kinds), f"{family}:"))
    return np.bincount(holders.to_numpy(), minlength=rows.num_rows)


def _unknown_groups(rows: pa.Table, known: pa.Array) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    """For each row a group that no source declares; None where there is none."""
    groups = rows["groups"].combine_chunks()
    names = pc.list_flatten(groups)
    odd = pc.invert(pc.is_in(names, value_set=known))
    found = np.full(rows.num_rows, None, dtype=object)
    found[pc.list_parent_indices(groups).filter(odd).to_numpy()] = names.filter(odd).to_pylist()
    return found


def refuse_broken(validated: Sequence[Validated], pages: Path) -> None:
    """Let nothing pass that breaks a contract; `pages` is where the data docs are. Raises ContractError."""
    broken = [(contract, each) for contract in validated for each in contract.broken]
    if broken:
        contract, first = broken[0]
        more = f" and {len(broken) - 1} more" if len(broken) > 1 else ""
        raise ContractError(
            f"{first}{more}. Nothing was committed, and what serves stays. See {pages / contract.contract}.html; "
            f"mend the documents, or change {contract.path.name} in {contract.path.parent.name}/ by review."
        )
