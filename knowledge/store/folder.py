"""The folder of all collections."""

import ctypes
import sys
from pathlib import Path

import lance
import pyarrow as pa

from knowledge.errors import CollectionError
from knowledge.store.collection import Collection
from knowledge.store.schema import chunk_schema

_M_MMAP_THRESHOLD = -3  # malloc.h
CANDIDATE = "candidate"  # the tag of the newest version that adds up


class Store:
    """The folder of all collections."""

    def __init__(self, folder: Path, dimensions: int):
        self._folder = folder
        self._dimensions = dimensions
        _give_memory_back()

    def names(self) -> list[str]:
        """The collections there are."""
        return sorted(versions.parent.stem for versions in self._folder.glob("*.lance/_versions"))

    def open(self, name: str, *, version: int | None = None) -> Collection:
        """A collection as it stands, or one version of it. Raises CollectionError."""
        if name not in self.names():
            known = ", ".join(self.names()) or "none yet"
            raise CollectionError(
                f"collection '{name}': not in {self._folder}. There are: {known}. "
                f"Make it with `plumbline ingest --collection {name} --source FOLDER`."
            )
        try:
            dataset = lance.dataset(self._path(name), version=version)
        except (ValueError, RuntimeError, TypeError) as problem:
            if version is None:
                raise
            told = "" if "not found" in str(problem) else f" ({' '.join(str(problem).split())[:120]})"
            raise CollectionError(
                f"collection '{name}': version {version} is not in {self._folder}{told}. "
                f"`plumbline collection history --collection {name}` names those that served, "
                f"`plumbline check --collection {name}` serves the newest."
            ) from None
        return Collection(dataset, name, read_only=version is not None)

    def has(self, name: str, version: int | None) -> bool:
        """Is this version of a collection still there?"""
        try:
            return version is not None and self.open(name, version=version).version == version
        except CollectionError:
            return False

    def candidate(self, name: str) -> Collection:
        """The newest version whose documents add up: the one that may serve next. Raises CollectionError."""
        version = self.open(name).tagged(CANDIDATE)
        if version is None:
            raise CollectionError(
                f"collection '{name}': no ingest of it has ended well yet. Run `plumbline ingest --collection {name}`."
            )
        return self.open(name, version=version)

    def create(self, name: str) -> Collection:
        """The collection, made empty when it is not there yet."""
        if name not in self.names():
            self._folder.mkdir(parents=True, exist_ok=True)
            lance.write_dataset(self.schema.empty_table(), self._path(name))
        return self.open(name)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.lance"  # as LanceDB names its tables

    @property
    def schema(self) -> pa.Schema:
        """The schema of every collection here."""
        return chunk_schema(self._dimensions)


def _give_memory_back() -> None:
    """Let the C library return to the system what is freed: by its own rules Lance leaves it half a GB in pieces."""
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)):
        mallopt(_M_MMAP_THRESHOLD, 128 * 1024)
