"""Checkouts: a fresh one, and one whose first night has run."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from checkout import Checkout, copy_project
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
def first_night(tmp_path_factory: pytest.TempPathFactory) -> tuple[Checkout, dict[str, Any]]:
    """A checkout whose first night has run, and what it said. Tests that change it copy it first."""
    checkout = copy_project(tmp_path_factory.mktemp("first"))
    return checkout, checkout.json("nightly", "--night", "2026-11-02", apart=True)


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
