"""Digests of contents: the same content gives the same name, on every machine."""

import hashlib
import json
from pathlib import Path

_BLOCK_BYTES = 1 << 18


def digest(content: object) -> str:
    """First 16 hexadecimal digits of the SHA-256 of the content as canonical JSON."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def file_sha(path: Path | str) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    sha = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:  # hashlib.file_digest is twice as slow on small files
        while block := file.read(_BLOCK_BYTES):
            sha.update(block)
    return sha.hexdigest()
