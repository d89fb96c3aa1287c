"""The small real things that tests stand on: files, a store, and an ingestion without its worker processes."""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import settings

from faults.running import RunningServer, running
from knowledge.digest import file_sha
from knowledge.record import Document

# the same examples in every run, so that a red suite is red for a reason; `make prove` tries others
settings.register_profile("suite", deadline=None, derandomize=True)
settings.register_profile("prove", deadline=None)
settings.load_profile("suite")


def pytest_configure() -> None:
    """Where the suite runs in the background, its shell ignores Ctrl-C, and every process it starts would as well."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


INITDB = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)), None) or shutil.which(
    "initdb"
)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The `user@host:port` of a real PostgreSQL server, where one is installed; elsewhere the suite says it is not."""
    if INITDB is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="postgresql-"))  # pytest's own are closed to the server's user
    # the server refuses root; root's own commands are not on everybody's path
    runuser = shutil.which("runuser", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin{os.pathsep}/sbin")
    own = [] if getpass.getuser() != "root" else [str(runuser), "-u", "postgres", "--"]
    if own:
        shutil.chown(folder, "postgres")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    control = [*own, str(Path(INITDB).parent / "pg_ctl"), "-D", str(folder / "cluster"), "-w"]
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    initdb = [*own, str(INITDB), "-D", str(folder / "cluster"), "-A", "trust", "-U", "night"]
    subprocess.run(initdb, check=True, capture_output=True, cwd=folder)
    start = [*control, "-o", options, "-l", str(folder / "log"), "start"]
    subprocess.run(start, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)
    try:
        yield f"night@127.0.0.1:{port}"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=True, capture_output=True, cwd=folder)
        shutil.rmtree(folder)


@pytest.fixture
def write_document(tmp_path):
    """Write a file into `tmp_path/docs` and give it back as a listed document."""

    def write(name, content, *, groups=("public",)):
        path = tmp_path / "docs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        size = path.stat().st_size
        return Document(f"docs/{name}", file_sha(path), "docs", f"docs/{name}", path, size, moment, groups, ("eng",))

    return write


@pytest.fixture(scope="session")
def prepared_parser():
    """This process as `parse` finds it in a worker: quiet, offline, deterministic."""
    from pipelines.ingestion.workers import prepare_worker

    prepare_worker()


@pytest.fixture
def store(tmp_path):
    """An empty store for vectors of the embedder's dimensions."""
    from knowledge.store import Store
    from pipelines.embedder import DIMENSIONS

    return Store(tmp_path / "lancedb", DIMENSIONS)


@pytest.fixture(scope="session")
def _fault_server() -> Iterator[RunningServer]:
    with running() as server:
        yield server


@pytest.fixture
def fault_server(_fault_server: RunningServer) -> RunningServer:
    """A model endpoint with every setting at its default and all counts at zero."""
    _fault_server.set()
    _fault_server.reset()
    return _fault_server
