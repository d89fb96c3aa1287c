"""near_duplicates: documents that say almost the same as another one, by MinHash signatures and LSH bands.

The result is a function of the set of documents: neither their order nor the run nor the machine matters.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

CODE_VERSION = "1"
SHINGLE_WORDS = 3
MIN_SHINGLES = 10  # with fewer, one shingle more or less is already a similarity below .9: these are compared exactly
SLOTS = 256  # of each the lowest 8 bits are kept: 256 bytes; the standard error of the similarity is .015 at .9
BANDS = 32  # of 8 slots: of documents that are similar by .8, one pair of 300 shares none
MAX_REPRESENTATIVES = (
    100  # of one bucket: pages of one template, all different, must not cost the square of their number
)
_SEED = 20261121

_WORD = re.compile(r"\w+")
# scripts written without spaces: each letter is a word
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_WORD_OR_LETTER = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+")


@dataclass(frozen=True, slots=True)
class Sketch:
    """What of a document is compared: its signature; and who may read it."""

    doc_id: str
    groups: tuple[str, ...]
    signature: bytes


@dataclass(frozen=True, slots=True)
class NearDuplicate:
    """A document, and the one that stands for both; similarity: the estimated Jaccard index of their shingles."""

    doc_id: str
    duplicate_of: str
    similarity: float


def signature(text: str) -> bytes:
    """What two texts are compared by: 256 bytes of MinHash over shingles of three words; 16 of a tiny text's digest."""
    from rensa import RMinHash

    words = _words(text)
    shingles = _shingles(words)
    if len(shingles) < MIN_SHINGLES:
        return hashlib.blake2b(" ".join(words or text.split()).encode(), digest_size=16).digest()
    sketch = RMinHash(num_perm=SLOTS, seed=_SEED)
    sketch.update(shingles)
    return (np.array(sketch.digest(), dtype=np.uint32) & 0xFF).astype(np.uint8).tobytes()


def _words(text: str) -> list[str]:
    return (_WORD if text.isascii() else _WORD_OR_LETTER).findall(text.lower())


def _shingles(words: Sequence[str]) -> set[str]:
    return set(map(" ".join, zip(words, words[1:], words[2:], strict=False)))


def near_duplicates(sketches: Iterable[Sketch], *, threshold: float) -> tuple[NearDuplicate, ...]:
    """Every document that is at least `threshold` similar to one of a smaller doc_id that stands for itself.

    So a document is never hidden behind one that it is not like, as it would be in a chain of likenesses.
    Only documents with the same readers are compared.
    """
    parted: dict[frozenset[str], list[Sketch]] = defaultdict(list)
    for sketch in sketches:
        parted[frozenset(sketch.groups)].append(sketch)
    found = [each for part in parted.values() for each in _near_duplicates(part, threshold)]
    return tuple(sorted(found, key=lambda each: each.doc_id))


def confirmed(
    found: Iterable[NearDuplicate], text_of: Callable[[str], str], *, threshold: float
) -> tuple[NearDuplicate, ...]:
    """Those that are near-duplicates by their texts too, with the exact similarity.

    One estimate in a hundred is off by .04: of a thousand pages of one template, some look alike that are not.
    """
    exact = [
        replace(each, similarity=round(_similarity(text_of(each.doc_id), text_of(each.duplicate_of)), 3))
        for each in found
    ]
    return tuple(each for each in exact if each.similarity >= threshold)


def _similarity(text: str, other: str) -> float:
    """The Jaccard index of two texts' shingles; of tiny texts 1 or 0."""
    one, two = _shingles(_words(text)), _shingles(_words(other))
    if min(len(one), len(two)) < MIN_SHINGLES:
        return float(signature(text) == signature(other))
    return len(one & two) / len(one | two)


def _near_duplicates(sketches: Sequence[Sketch], threshold: float) -> list[NearDuplicate]:
    first: dict[bytes, str] = {}
    same: list[Sketch] = []
    for sketch in sorted(sketches, key=lambda each: each.doc_id):
        if first.setdefault(sketch.signature, sketch.doc_id) != sketch.doc_id:
            same.append(sketch)
    similar = _similar([(doc_id, each) for each, doc_id in first.items() if len(each) == SLOTS], threshold)
    for sketch in same:
        twin = first[sketch.signature]
        head = similar.get(twin)
        similar[sketch.doc_id] = NearDuplicate(
            sketch.doc_id, head.duplicate_of if head else twin, head.similarity if head else 1.0
        )
    return list(similar.values())


def _similar(distinct: Sequence[tuple[str, bytes]], threshold: float) -> dict[str, NearDuplicate]:
    """Of distinct signatures in the order of their doc_ids."""
    slots = np.frombuffer(b"".join(each for _, each in distinct), dtype=np.uint8).reshape(-1, SLOTS)
    buckets = _buckets(slots)
    heads: dict[int, list[int]] = defaultdict(list)
    found: dict[str, NearDuplicate] = {}
    for row in np.flatnonzero((buckets >= 0).any(axis=1)).tolist():
        mine = [bucket for bucket in buckets[row].tolist() if bucket >= 0]
        candidates = sorted({head for bucket in mine for head in heads[bucket]})
        alike = (slots[candidates] == slots[row]).mean(axis=1)
        if alike.max(initial=0) >= threshold:
            best = int(alike.argmax())
            duplicate_of = distinct[candidates[best]][0]
            found[distinct[row][0]] = NearDuplicate(distinct[row][0], duplicate_of, round(float(alike[best]), 3))
            continue
        for bucket in mine:
            if len(heads[bucket]) < MAX_REPRESENTATIVES:
                heads[bucket].append(row)
    return found


def _buckets(slots: npt.NDArray[np.uint8]) -> npt.NDArray[np.int32]:
    """Per document and band, the number of the bucket it shares with others; -1 where it is alone. Shape (n, BANDS)."""
    buckets = np.full((len(slots), BANDS), -1, dtype=np.int32)
    offset = 0
    for band, keys in enumerate(slots.view(np.uint64).T):  # 8 slots are 8 bytes: one number
        _, number, count = np.unique(keys, return_inverse=True, return_counts=True)
        buckets[:, band] = np.where(count[number] > 1, number + offset, -1)
        offset += len(count)
    return buckets
