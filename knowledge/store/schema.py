"""The columns of a collection."""

import pyarrow as pa

# An unenforced primary key is what makes two merges of the same new rows conflict instead of doubling them.
_KEY = {"lance-schema:unenforced-primary-key": "true"}


def chunk_schema(dimensions: int) -> pa.Schema:
    """One row a chunk; `vector` is a unit vector of `dimensions` float32.

    indexed_text: what is embedded. terms: what is found by words. signature: the MinHash of the whole document, on its
    first row alone. duplicate_of: the document that stands for this one in searches, where near-duplicates are
    collapsed. tags, superseded_by: what the source says of the document. modified_at: the file's own time when this
    content was first indexed.
    """
    text, words = pa.string(), pa.list_(pa.string())
    return pa.schema(
        [
            pa.field("chunk_id", text, nullable=False, metadata=_KEY),
            pa.field("doc_id", text, nullable=False),
            pa.field("doc_sha", text, nullable=False),
            pa.field("parse_id", text, nullable=False),
            pa.field("split_id", text, nullable=False),
            pa.field("embed_id", text, nullable=False),
            pa.field("source", text, nullable=False),
            pa.field("uri", text, nullable=False),
            pa.field("title", text, nullable=False),
            pa.field("headings", words, nullable=False),
            pa.field("ordinal", pa.int32(), nullable=False),
            pa.field("page", pa.int32()),
            pa.field("text", text, nullable=False),
            pa.field("indexed_text", text, nullable=False),
            pa.field("terms", text, nullable=False),
            pa.field("text_sha", text, nullable=False),
            pa.field("tokens", pa.int32(), nullable=False),
            pa.field("findings", words, nullable=False),
            pa.field("groups", words, nullable=False),
            pa.field("languages", words, nullable=False),
            pa.field("modified_at", pa.timestamp("us", tz="UTC"), nullable=False),
            pa.field("signature", pa.binary()),
            pa.field("duplicate_of", text),
            pa.field("tags", words),
            pa.field("superseded_by", text),
            pa.field("vector", pa.list_(pa.float32(), dimensions), nullable=False),
        ]
    )
