"""A snapshot: one version of a collection, the documents it was made from, its recipe and counts."""

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import select

from knowledge.database import Database
from knowledge.tables import snapshot


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`night` is a night's name or `by hand DATE TIME`; `corpus` is the `.dvc` text that restores the documents."""

    collection: str
    night: str
    version: int
    recipe_id: str
    documents: int
    chunks: int
    corpus: str | None
    made_at: datetime


def record_snapshot(database: Database, made: Snapshot) -> None:
    """Keep a snapshot; a resumed night replaces its own."""
    database.upsert(snapshot, [asdict(made)])


def read_snapshots(database: Database, collection: str) -> list[Snapshot]:
    """Every snapshot of a collection, oldest first."""
    query = select(snapshot).where(snapshot.c.collection == collection).order_by(snapshot.c.made_at)
    return [Snapshot(**row._mapping) for row in database.rows(query)]
