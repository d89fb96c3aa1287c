"""The state database: a SQLite file by default, PostgreSQL by URL; brought to the newest schema when opened."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from sqlalchemy import Engine, Row, Table, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError

from knowledge.errors import StateError


class Database:
    """The state database at a SQLAlchemy URL; opened when it is first used."""

    def __init__(self, url: str):
        self._url = url

    @cached_property
    def engine(self) -> Engine:
        """The open, migrated database. Raises StateError."""
        try:
            shown = make_url(self._url).render_as_string(hide_password=True)
            engine = create_engine(self._url)
        except (ArgumentError, NoSuchModuleError, ImportError, ValueError):
            raise StateError(
                "state database: the URL is not one of a SQLite file or PostgreSQL. "
                "Use sqlite:///path or postgresql+psycopg://user@host/name in PLUMBLINE_DATABASE_URL."
            ) from None
        if engine.dialect.name == "sqlite":
            event.listen(engine, "connect", _prepare_sqlite)
        try:
            _migrate(engine)
        except DatabaseError as problem:
            raise StateError(
                f"state database {shown}: cannot be opened ({first_line(problem)}). "
                "Check that the place exists, is writable and has room."
            ) from None
        return engine

    def rows(self, query: Any) -> Sequence[Row[Any]]:
        """What a query finds."""
        with self.engine.connect() as connection:
            return connection.execute(query).all()

    def upsert(self, table: Table, rows: Sequence[dict[str, Any]]) -> None:
        """Enter rows in one transaction; one whose key stands already is replaced."""
        if not rows:
            return
        dialect = postgresql if self.engine.dialect.name == "postgresql" else sqlite
        statement = dialect.insert(table)
        keys = [column.name for column in table.primary_key]
        changed = {name: statement.excluded[name] for name in rows[0] if name not in keys}
        with self.engine.begin() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed), list(rows))


def _prepare_sqlite(connection: Any, _: object) -> None:
    connection.execute("PRAGMA busy_timeout=30000")  # first: the other waits by it as well
    connection.execute("PRAGMA journal_mode=WAL")


def _migrate(engine: Engine) -> None:
    """Bring the schema to the newest version; a database that has it already is only looked at."""
    from knowledge.migrations import NEWEST, current, upgrade

    with engine.connect() as connection:
        found = current(connection)
    if found != NEWEST:
        upgrade(engine)


def first_line(problem: DatabaseError) -> str:
    """What the database itself said."""
    return str(problem.orig).splitlines()[0]
