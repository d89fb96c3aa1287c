"""A new state database that several runs open at once: each finds it whole."""

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from knowledge.migrations import NEWEST

ROOT = Path(__file__).parents[2]
OPEN = """
import sys
from sqlalchemy import text
from knowledge.database import Database
import alembic.command, knowledge.migrations
print("ready", flush=True)
sys.stdin.readline()
print(Database(sys.argv[1]).rows(text("select version_num from alembic_version"))[0][0])
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def new_database(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'state.db'}"
    server = request.getfixturevalue("postgresql")
    with psycopg.connect(f"postgresql://{server}/postgres", autocommit=True) as connection:
        connection.execute("create database opened")
    return f"postgresql+psycopg://{server}/opened"


def test_of_runs_that_open_a_new_database_at_once_one_makes_it(new_database):
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", OPEN, new_database]
    runs = [subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True) for _ in range(4)]
    for run in runs:
        assert run.stdout.readline() == "ready\n"
    for run in runs:
        run.stdin.write("go\n")
        run.stdin.flush()
    said = [run.communicate(timeout=60) for run in runs]
    assert [out for out, _ in said] == [f"{NEWEST}\n"] * 4, said
