"""duplicates: which documents say almost what another one says, and, where they are collapsed, their marks."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa

from knowledge.digest import digest
from knowledge.store import Collection
from knowledge.upkeep import DEFAULT_UPKEEP, UpkeepSettings
from pipelines.ingestion.commit import NAMED
from pipelines.ingestion.hygiene.examine import HygieneSettings, hygiene_id
from pipelines.ingestion.hygiene.near_duplicates import NearDuplicate, Sketch, confirmed, near_duplicates

AT_ONCE = 1_000  # documents whose texts or rows are in memory together


@dataclass(frozen=True, slots=True)
class NearDuplicates:
    """How many documents say almost the same as another one, and the first of them.

    collapsed: are they left out of searches, and is each similarity that of the texts, not an estimate?
    """

    count: int = 0
    pairs: tuple[NearDuplicate, ...] = ()
    collapsed: bool = False


def settle_duplicates(
    collection: Collection, settings: HygieneSettings, noted: Path, upkeep: UpkeepSettings = DEFAULT_UPKEEP
) -> NearDuplicates:
    """The near-duplicates of a collection; its marks are made what they must be, in one atomic commit of their own.

    noted: a file that keeps what was found in which version, so that a run without changes reads no more than that.
    Whenever it does not fit, as after a crash or under other settings, all is looked up again.
    """
    if known := _read(noted, _key(collection, settings)):
        return known
    collapse = settings.near_duplicates == "collapse"
    found = find_duplicates(collection, settings)
    if mark_duplicates(collection, {each.doc_id: each.duplicate_of for each in found} if collapse else {}):
        collection.upkeep(upkeep)
    told = NearDuplicates(len(found), tuple(found[:NAMED]), collapse)
    _write(noted, _key(collection, settings), told)
    return told


def find_duplicates(collection: Collection, settings: HygieneSettings) -> list[NearDuplicate]:
    """Every near-duplicate, by doc_id: by the signatures, and to be collapsed by the texts as well."""
    held = collection.signatures()
    columns = (held[name].to_pylist() for name in ("doc_id", "groups", "signature"))
    sketches = (Sketch(doc_id, tuple(groups), made) for doc_id, groups, made in zip(*columns, strict=True))
    found = near_duplicates(sketches, threshold=settings.similarity)
    if settings.near_duplicates == "report":
        return list(found)
    return list(_confirmed(collection, found, settings.similarity))


def _confirmed(collection: Collection, found: Sequence[NearDuplicate], threshold: float) -> Iterator[NearDuplicate]:
    for start in range(0, len(found), AT_ONCE):
        part = found[start : start + AT_ONCE]
        texts = _texts(collection, {name for each in part for name in (each.doc_id, each.duplicate_of)})
        yield from confirmed(part, texts.__getitem__, threshold=threshold)


def _texts(collection: Collection, doc_ids: set[str]) -> dict[str, str]:
    """Whole texts, joined as they were for the signature."""
    rows = collection.rows_of(doc_ids, columns=["doc_id", "ordinal", "text"]).sort_by("ordinal")
    passages: dict[str, list[str]] = {}
    for doc_id, text in zip(rows["doc_id"].to_pylist(), rows["text"].to_pylist(), strict=True):
        passages.setdefault(doc_id, []).append(text)
    return {doc_id: "\n".join(texts) for doc_id, texts in passages.items()}


def mark_duplicates(collection: Collection, wanted: Mapping[str, str]) -> bool:
    """Let exactly these documents be stood for, each by another one; say whether any row had to be rewritten."""
    held = collection.duplicates()
    moved = sorted(doc_id for doc_id in held.keys() | wanted.keys() if held.get(doc_id) != wanted.get(doc_id))
    staged: list[str] = []
    for start in range(0, len(moved), AT_ONCE):
        rows = collection.rows_of(moved[start : start + AT_ONCE])
        place = rows.schema.get_field_index("duplicate_of")
        marks = pa.array([wanted.get(doc_id) for doc_id in rows["doc_id"].to_pylist()], pa.string())
        staged += collection.stage(rows.set_column(place, rows.schema.field(place), marks))
    if moved:
        collection.commit(staged, collection.schema, replaced=moved)
    return bool(moved)


def _key(collection: Collection, settings: HygieneSettings) -> str:
    # the count as well: a collection that was made anew may have come to the same version
    return digest([collection.version, collection.count_chunks(), settings.model_dump(), hygiene_id()])


def _read(noted: Path, key: str) -> NearDuplicates | None:
    try:
        row = json.loads(noted.read_bytes())
        pairs = tuple(NearDuplicate(**each) for each in row["pairs"])
        return NearDuplicates(row["count"], pairs, row["collapsed"]) if row["key"] == key else None
    except (OSError, ValueError, TypeError, KeyError):
        return None  # a time saver only: without it the signatures are compared


def _write(noted: Path, key: str, told: NearDuplicates) -> None:
    noted.parent.mkdir(parents=True, exist_ok=True)
    aside = noted.with_suffix(".aside")
    aside.write_text(json.dumps({"key": key, **asdict(told)}), encoding="utf-8")
    aside.replace(noted)
