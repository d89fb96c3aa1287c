"""The small real things that tests stand on: files, a store, and an ingestion without its worker processes."""

from datetime import UTC, datetime

import pytest

from knowledge.digest import file_sha
from knowledge.record import Document


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
