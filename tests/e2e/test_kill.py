"""A night that is killed or interrupted goes on under its own name, and nothing is lost or doubled."""

import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import lancedb
import psutil
import pytest
import yaml
from checkout import PLUMBLINE, Checkout, assert_quiet

NIGHT = ["nightly", "--night", "2026-11-02", "--json"]


@pytest.mark.parametrize(
    "killed_at",
    [
        # each table's first row marks a point of the night: begun, committed, served, answered
        pytest.param(["quarantine"], id="after the commit"),  # among the answers: test_hosted_night.py
        pytest.param(["night", "quarantine", "pointer", "result"] * 3, id="everywhere", marks=pytest.mark.nightly),
    ],
)
def test_an_interrupted_and_killed_night_goes_on_and_ends_whole(checkout: Checkout, killed_at: list[str]) -> None:
    database = checkout.folder / "state/plumbline.db"
    _interrupt(checkout)
    for table in killed_at:
        process = _begin(checkout)
        _wait_for_row(database, table, process)
        process.kill()
        process.communicate()
    done = checkout.run_apart(*NIGHT)
    assert "was not finished: it goes on" in done.stderr
    assert_quiet(done.stderr)
    said = yaml.safe_load(done.stdout)
    files = [path for path in (checkout.folder / "knowledge/samples").glob("*/*") if path.is_file()]
    ids = lancedb.connect(checkout.folder / "state/lancedb").open_table("support").to_arrow()["chunk_id"].to_pylist()
    assert len(ids) == len(set(ids)) == said["ingest"]["chunks"]
    indexed = {chunk_id.rpartition("#")[0] for chunk_id in ids}
    assert len(indexed) + len(said["ingest"]["quarantine"]) == len(files)
    cases = [
        (suite.stem, case["id"])
        for suite in sorted((checkout.folder / "evals/suites").glob("*.yaml"))
        for case in yaml.safe_load(suite.read_text(encoding="utf-8"))["cases"]
    ]
    assert sorted((row["suite"], row["case"]) for row in said["evaluate"]["cases"]) == sorted(cases)
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("select night, status from night").fetchall() == [("2026-11-02", "finished")]
        assert connection.execute("select count(*) from result").fetchone() == (len(cases),)
        assert connection.execute("select count(*) from audit where action = 'move pointer'").fetchone() == (1,)
    with closing(sqlite3.connect(checkout.folder / "state/prefect/prefect.db")) as connection:
        states = {state for (state,) in connection.execute("select distinct state_type from flow_run")}
    assert states == {"COMPLETED", "CRASHED"}, "a killed run is still running"
    assert not _servers_of(checkout)


def _begin(checkout: Checkout) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [PLUMBLINE, *NIGHT],
        cwd=checkout.folder,
        env=checkout.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _interrupt(checkout: Checkout) -> None:
    """Ctrl-C says how to go on, and leaves no process."""
    process = _begin(checkout)
    _wait_for_row(checkout.folder / "state/plumbline.db", "night", process)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=30)
    assert (process.returncode, stdout) == (130, "")
    assert "stopped; what was recorded is kept: a night or a baseline that is asked for again goes on" in stderr
    assert_quiet(stderr)
    assert not _servers_of(checkout)


def _wait_for_row(database: Path, table: str, process: subprocess.Popen[str]) -> None:
    """Return as soon as a table has its first row."""
    while process.poll() is None:
        if database.exists():
            try:
                with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=1)) as connection:
                    if connection.execute(f"select count(*) from {table}").fetchone()[0]:
                        return
            except sqlite3.OperationalError:
                pass  # the tables are not there yet
        time.sleep(0.005)
    raise AssertionError(f"the night ended before table {table} had a row")


def _servers_of(checkout: Checkout) -> list[int]:
    """Processes that still work for this checkout."""
    home = str(checkout.folder / "state" / "prefect")
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("PREFECT_HOME") == home:
                found.append(process.pid)
        except psutil.Error:
            continue  # it has ended, or is the system's
    return found
