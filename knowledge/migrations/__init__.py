"""The schema's history. A new table or column is a new file in `versions/`, and its number is NEWEST."""

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

NEWEST = "0005"


def current(connection: Connection) -> str | None:
    """The version a database has; None when it is new."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("select version_num from alembic_version")).scalar()
    return found


def upgrade(engine: Engine) -> None:
    """Run every migration that is still missing, in one transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
