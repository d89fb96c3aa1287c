"""Digests of contents: the same content gives the same name, on every machine."""

import hashlib
import json
from pathlib import Path


def digest(content: object) -> str:
    """First 16 hexadecimal digits of the SHA-256 of the content as canonical JSON."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def file_sha(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
