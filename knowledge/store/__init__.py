"""Collections: LanceDB tables of chunks, the record of what is indexed. The only package that knows Lance."""

from knowledge.store.collection import Collection
from knowledge.store.folder import CANDIDATE, Store
from knowledge.store.schema import chunk_schema
from knowledge.store.search import Question

__all__ = ["CANDIDATE", "Collection", "Question", "Store", "chunk_schema"]
