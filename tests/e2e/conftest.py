"""Checkouts: a fresh one, and one whose first night has run."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from checkout import Checkout, copy_project
from filelock import FileLock
from prefect.testing.utilities import prefect_test_harness


@pytest.fixture(scope="session")
def prefect() -> Iterator[None]:
    """One real Prefect server for the flows that run in this process."""
    with prefect_test_harness(server_startup_timeout=120):
        yield


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return copy_project(tmp_path)


@pytest.fixture(scope="session")
def first_night(tmp_path_factory: pytest.TempPathFactory, prefect: None) -> tuple[Checkout, dict[str, Any]]:
    """A checkout whose first night has run, and what it said. Tests that change it copy it first.

    It runs once for all workers of the suite, each of which has a copy.
    """
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    made, said = shared / "first-night", shared / "first-night.json"
    with FileLock(shared / "first-night.lock"):
        if not said.exists():
            made.mkdir()
            said.write_text(json.dumps(copy_project(made).json("nightly", "--night", "2026-11-02")))
    folder = tmp_path_factory.mktemp("first") / "night"
    shutil.copytree(made, folder, ignore=shutil.ignore_patterns("run.lock"))
    return Checkout(folder), json.loads(said.read_text())


@pytest.fixture
def after_first_night(first_night: tuple[Checkout, dict[str, Any]], tmp_path: Path, prefect: None) -> Checkout:
    """A copy of that checkout, state and all."""
    shutil.copytree(first_night[0].folder, tmp_path / "copy", ignore=shutil.ignore_patterns("run.lock", "prefect"))
    return Checkout(tmp_path / "copy")


@pytest.fixture(scope="module")
def copied(
    first_night: tuple[Checkout, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory, prefect: None
) -> Checkout:
    """Such a copy for all tests of a module."""
    folder = tmp_path_factory.mktemp("copied") / "copy"
    shutil.copytree(first_night[0].folder, folder, ignore=shutil.ignore_patterns("run.lock", "prefect"))
    return Checkout(folder)
