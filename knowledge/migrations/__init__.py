"""The schema's history. A new table or column is a new file in `versions/`, and its number is NEWEST."""

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

NEWEST = "0008"
_LOCK = 7_586_262  # of PostgreSQL; any number that nobody else in the database locks by


def current(connection: Connection) -> str | None:
    """The version a database has; None when it is new."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("select version_num from alembic_version")).scalar()
    return found


def upgrade(engine: Engine) -> None:
    """Run every migration that is still missing, in one transaction; of two processes the second finds none."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        if current(connection) == NEWEST:
            return
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
