"""Checkouts: a fresh one, and one whose first night has run."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from checkout import Checkout, copy_project


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return copy_project(tmp_path)


@pytest.fixture(scope="session")
def first_night(tmp_path_factory: pytest.TempPathFactory) -> tuple[Checkout, dict[str, Any]]:
    """A checkout whose first night has run, and what it said. Tests that change it copy it first."""
    checkout = copy_project(tmp_path_factory.mktemp("first"))
    return checkout, checkout.json("nightly", "--night", "2026-11-02")


@pytest.fixture
def after_first_night(first_night: tuple[Checkout, dict[str, Any]], tmp_path: Path) -> Checkout:
    """A copy of that checkout, state and all."""
    shutil.copytree(first_night[0].folder, tmp_path / "copy")
    return Checkout(tmp_path / "copy")
