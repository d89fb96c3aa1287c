"""What is written to a collection: fragments aside, one atomic commit of them, and clean-up."""

import json
from collections.abc import Collection as Names
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import lance
import pyarrow as pa
import pyarrow.compute as pc
from lance.commit import CommitConflictError
from lance.file import LanceFileReader
from lance.fragment import FragmentMetadata, write_fragments

from knowledge.errors import CollectionError
from knowledge.store.visible import quoted
from knowledge.upkeep import UpkeepSettings


def stage(dataset: Any, rows: pa.Table) -> list[str]:
    """Write rows beside the collection, where no reader sees them: the fragments, as JSON for `commit`."""
    mode = "append" if rows.schema.equals(dataset.schema) else "overwrite"  # either way nothing is committed here
    return [json.dumps(each.to_json()) for each in write_fragments(rows, dataset.uri, rows.schema, mode=mode)]


def staged(dataset: Any, fragment: str) -> pa.Table:
    """The rows of a staged fragment."""
    files = FragmentMetadata.from_json(fragment).files
    parts = [LanceFileReader(f"{dataset.uri}/data/{each.path}").read_all().to_table() for each in files]
    return pa.concat_tables(parts)


def commit(dataset: Any, fragments: Sequence[str], schema: pa.Schema, replaced: Names[str], name: str) -> Any:
    """Let staged rows take the place of all rows of the documents `replaced`: one atomic commit, or none.

    The new version comes back. A writer that another has overtaken is refused: every commit touches the oldest
    fragment, and of two that touch the same one the second conflicts. Raises CollectionError.
    """
    new = [FragmentMetadata.from_json(fragment) for fragment in fragments]
    old = dataset.get_fragments()
    gone = pa.array(sorted(replaced), pa.string())
    left = [_without(fragment, gone) for fragment in old]
    kept = [each for each in left if each is not None]
    touched = [rest for each, rest in zip(old, left, strict=True) if rest and (each is old[0] or rest != each.metadata)]
    if not kept:
        operation: Any = lance.LanceOperation.Overwrite(schema, new)
    elif not schema.equals(dataset.schema):
        raise CollectionError(
            f"collection '{name}': its columns are those of another release or embedder, and some documents have no "
            "new rows. Nothing was changed; run `plumbline ingest` again."
        )
    else:
        operation = lance.LanceOperation.Update(
            removed_fragment_ids=[each.fragment_id for each, rest in zip(old, left, strict=True) if rest is None],
            updated_fragments=touched,
            new_fragments=new,
            fields_modified=[],
        )
    try:
        return lance.LanceDataset.commit(dataset, operation, read_version=dataset.version, max_retries=0)
    except CommitConflictError:
        raise CollectionError(
            f"collection '{name}': another writer has committed since version {dataset.version} was read. Nothing was "
            "changed; run `plumbline ingest` again."
        ) from None


def clean_up(dataset: Any, settings: UpkeepSettings) -> None:
    """Delete old versions but those that a tag names and the newest `keep_versions`."""
    # files that no version names may be another machine's staged rows: the store spares them for seven days
    dataset.cleanup_old_versions(timedelta(0), settings.keep_versions, error_if_tagged_old_versions=False)


def _without(fragment: Any, gone: pa.Array) -> FragmentMetadata | None:
    """A fragment without the rows of some documents; None where no row is left."""
    held = pc.unique(fragment.to_table(columns=["doc_id"])["doc_id"])
    leaving = held.filter(pc.is_in(held, value_set=gone)).to_pylist()
    if not leaving:
        return fragment.metadata if len(held) else None
    if len(leaving) == len(held):
        return None
    return fragment.delete(f"doc_id IN ({', '.join(map(quoted, leaving))})")
