"""The audit trail: every attempt of the ledger as a row of a parquet file."""

import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Float, Integer, Select, Text, cast, select

from knowledge import tables
from knowledge.database import Database
from knowledge.errors import StateError

ROWS_AT_ONCE = 2000  # a row group: some 20 MB of requests of 10 kB


def export_ledger(database: Database, path: Path, *, since: datetime | None = None) -> int:
    """Write the attempts begun since a moment, in the order they were begun; how many. Raises StateError.

    The file appears when it is complete. request, reply and scopes are JSON texts, times are UTC.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        written = _write(database, aside, _rows_since(since))
        aside.replace(path)
    except OSError as problem:
        raise StateError(
            f"{path}: the ledger cannot be written there ({problem.strerror or problem}). "
            "Name a file in a folder that exists, is writable and has room."
        ) from None
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)
    return written


def _rows_since(since: datetime | None) -> Select[Any]:
    columns = (
        cast(column, Text).label(column.name) if isinstance(column.type, JSON) else column
        for column in tables.ledger.columns
    )
    query = select(*columns).order_by(tables.ledger.c.id)
    return query if since is None else query.where(tables.ledger.c.reserved_at >= since)


def _write(database: Database, path: Path, query: Select[Any]) -> int:
    import pyarrow
    from pyarrow.parquet import ParquetWriter

    schema = pyarrow.schema([(column.name, _arrow_type(column)) for column in tables.ledger.columns])
    written = 0
    with path.open("wb") as file, database.engine.connect() as connection, ParquetWriter(file, schema) as writer:
        for rows in connection.execution_options(yield_per=ROWS_AT_ONCE).execute(query).mappings().partitions():
            writer.write_batch(pyarrow.RecordBatch.from_pylist([dict(row) for row in rows], schema))
            written += len(rows)
    return written


def _arrow_type(column: Column[Any]) -> Any:
    import pyarrow

    match column.type:
        case tables.Moment():
            return pyarrow.timestamp("us", tz="UTC")
        case Integer() | BigInteger():
            return pyarrow.int64()
        case Float():
            return pyarrow.float64()
        case _:
            return pyarrow.string()
