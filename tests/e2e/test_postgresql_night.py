"""A night with all three databases on a real PostgreSQL server: Prefect's, MLflow's and the state."""

from pathlib import Path

import psycopg
import pytest
from checkout import copy_project


@pytest.mark.nightly
def test_a_night_runs_with_every_database_on_postgresql(postgresql: str, tmp_path: Path) -> None:
    with psycopg.connect(f"postgresql://{postgresql}/postgres", autocommit=True) as server:
        for name in ("prefect", "mlflow", "plumbline"):
            server.execute(f"create database {name}")  # type: ignore[arg-type]
    checkout = copy_project(tmp_path)
    done = checkout.run_apart(
        "nightly",
        "--night",
        "2026-11-02",
        PREFECT_SERVER_DATABASE_CONNECTION_URL=f"postgresql+asyncpg://{postgresql}/prefect",
        MLFLOW_TRACKING_URI=f"postgresql+psycopg://{postgresql}/mlflow",
        PLUMBLINE_DATABASE_URL=f"postgresql+psycopg://{postgresql}/plumbline",
    )
    assert done.status == 0, done.stderr
    assert "Serves       version" in done.stdout
    counts = {
        "prefect": "select count(*) from flow_run where state_type = 'COMPLETED'",
        "mlflow": "select count(*) from runs where status = 'FINISHED'",
        "plumbline": "select count(*) from night where status = 'finished'",
    }
    found = {}
    for name, query in counts.items():
        with psycopg.connect(f"postgresql://{postgresql}/{name}") as database:
            found[name] = database.execute(query).fetchone()[0]  # type: ignore[arg-type, index]
    assert found == {"prefect": 4, "mlflow": 4, "plumbline": 1}
    left = [path for path in (tmp_path / "state").rglob("*.db") if "cache" not in path.parts]
    assert left == [], "something was kept in SQLite"
    assert not (tmp_path / "mlruns").exists(), "artifacts left the state folder"
