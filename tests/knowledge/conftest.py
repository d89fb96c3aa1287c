"""A state database whose ledger is empty, on SQLite and on PostgreSQL."""

from collections.abc import Iterator

import psycopg
import pytest
from ledger_facts import empty

from knowledge.database import Database


@pytest.fixture(scope="session")
def ledger_on_postgresql(postgresql: str) -> str:
    with psycopg.connect(f"postgresql://{postgresql}/postgres", autocommit=True) as connection:
        connection.execute("create database ledger")
    return f"postgresql+psycopg://{postgresql}/ledger"


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('ledger') / 'state.db'}"
    url: str = request.getfixturevalue("ledger_on_postgresql")
    return url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    empty(database)
    yield database
    database.engine.dispose()
