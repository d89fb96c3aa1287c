"""Figures of a whole collection, counted from rows that come in parts: thirty bytes a chunk, however many there are."""

from collections import defaultdict
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

COUNTED = ("chunk_id", "doc_id", "text_sha", "tokens", "languages", "embed_id", "split_id")
LANGUAGE_SHARE = "language_share_"  # and the language, as the documents name it
LEAST_DOCUMENTS = 20  # with fewer, one document more or less is a great share of all
BOILERPLATE_DOCUMENTS = 5  # a text that stands in so many documents tells nothing of any of them

Array = np.ndarray[Any, Any]


class Tally:
    """What is counted of the rows of a collection; `add` takes tables with the columns COUNTED."""

    def __init__(self) -> None:
        self._parts: dict[str, list[Array]] = defaultdict(list)
        self._languages: dict[str, int] = {}
        self.embed_ids: set[str] = set()
        self.split_ids: set[str] = set()

    def add(self, rows: pa.Table) -> None:
        """Count more rows. A document's rows may come in several parts."""
        if not rows.num_rows:
            return
        for column in ("chunk_id", "doc_id", "text_sha"):
            # 64 bits of a digest stand for a name: that two of ten million are taken for one is 1 in 400,000
            self._parts[column].append(pd.util.hash_array(rows[column].to_numpy(), categorize=False))
        self._parts["tokens"].append(rows["tokens"].to_numpy())
        spoken = pc.binary_join(rows["languages"].combine_chunks(), "+").dictionary_encode()
        codes = [self._languages.setdefault(each, len(self._languages)) for each in spoken.dictionary.to_pylist()]
        self._parts["languages"].append(np.asarray(codes, np.int32)[spoken.indices.to_numpy()])
        self.embed_ids |= set(pc.unique(rows["embed_id"]).to_pylist())
        self.split_ids |= set(pc.unique(rows["split_id"]).to_pylist())

    @property
    def chunks(self) -> int:
        """How many rows were counted."""
        return sum(map(len, self._parts["tokens"]))

    def tokens(self) -> Array:
        """The tokens of every chunk."""
        return self._all("tokens")

    def by_document(self) -> tuple[Array, Array]:
        """The documents, each a number, in order, and how many chunks each has."""
        found: tuple[Array, Array] = np.unique(self._all("doc_id"), return_counts=True)
        return found

    def languages(self) -> dict[str, float]:
        """Share of the documents in each language; one in two languages counts for both."""
        _, first = np.unique(self._all("doc_id"), return_index=True)
        counts = np.bincount(self._all("languages")[first], minlength=len(self._languages))
        shares: dict[str, float] = defaultdict(float)
        for spoken, code in self._languages.items():
            for language in spoken.split("+"):
                shares[language] += float(counts[code] / len(first))
        return dict(shares)

    def figures(self) -> dict[str, float | None]:
        """What contracts can be about; None where there are too few documents to say."""
        documents, chunks_each = self.by_document()
        texts, tokens = self._all("text_sha"), self.tokens()
        # one number for a text in its document; the sum wraps around
        _, once = np.unique(self._all("doc_id") * np.uint64(0x9E3779B97F4A7C15) + texts, return_index=True)
        names, standing = np.unique(texts[once], return_counts=True)
        common = np.isin(texts, names[standing >= BOILERPLATE_DOCUMENTS])
        figures = {
            "document_count": float(len(documents)),
            "chunk_count": float(len(texts)),
            "doubled_chunk_ids": float(len(texts) - len(np.unique(self._all("chunk_id")))),
            "embed_ids": float(len(self.embed_ids)),
            "doubled_chunk_share": 1.0 - len(once) / len(texts),
        }
        enough = len(documents) >= LEAST_DOCUMENTS
        spread = {
            "boilerplate_share": float(common.mean()),
            "chunks_per_document_median": float(np.median(chunks_each)),
            "tokens_median": float(np.median(tokens)),
            "tokens_p95": float(np.quantile(tokens, 0.95)),
            **{f"{LANGUAGE_SHARE}{name}": share for name, share in self.languages().items()},
        }
        return {**figures, **{name: value if enough else None for name, value in spread.items()}}

    def _all(self, column: str) -> Array:
        if len(self._parts[column]) > 1:
            self._parts[column] = [np.concatenate(self._parts[column])]
        return self._parts[column][0]


def compare(now: Tally, last: Tally) -> dict[str, float | None]:
    """How a collection moved from its last version, in the documents that both have; None: nothing to compare.

    chunk_count_ratio: their chunks now for one chunk then. language_shift: the share of all documents that changed
    their language, at least. Splitting otherwise is our own change, and of chunks that number says nothing.
    """
    if not last.chunks:
        return {"chunk_count_ratio": None, "language_shift": None}
    (ours, counts), (theirs, before) = now.by_document(), last.by_document()
    _, mine, its = np.intersect1d(ours, theirs, assume_unique=True, return_indices=True)
    same = len(mine) >= LEAST_DOCUMENTS and now.split_ids == last.split_ids
    then, spoken = last.languages(), now.languages()
    shift = sum(abs(spoken.get(name, 0.0) - then.get(name, 0.0)) for name in {*spoken, *then}) / 2
    return {
        "chunk_count_ratio": float(counts[mine].sum() / before[its].sum()) if same else None,
        "language_shift": shift if min(len(ours), len(theirs)) >= LEAST_DOCUMENTS else None,
    }
