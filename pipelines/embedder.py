"""wordllama: the embedded embedding model, 256 dimensions, weights in its wheel, no network."""

from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from knowledge.digest import digest

CODE_VERSION = "1"
DIMENSIONS = 256
Vectors = np.ndarray[Any, np.dtype[np.float32]]


class WordLlamaEmbedder:
    """Texts to unit vectors. Deterministic; the weights are loaded at the first use."""

    @property
    def dimensions(self) -> int:
        """Width of a vector."""
        return DIMENSIONS

    @property
    def embed_id(self) -> str:
        """Fingerprint of everything that decides a vector."""
        return _embed_id()

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Shape (len(texts), 256), float32, each row of length 1. A text without known words gets a fixed vector."""
        if not texts:
            return np.zeros((0, DIMENSIONS), np.float32)
        # its vocabulary is lower-case: upper-case text would be cut into letters
        # texts of about one length go together: all of a batch are filled up to its longest
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        vectors = np.empty((len(texts), DIMENSIONS), np.float32)
        with np.errstate(invalid="ignore"):
            vectors[order] = _model().embed([texts[place].lower() for place in order], norm=True)
        blank = ~np.isfinite(vectors).all(axis=1) | (np.linalg.norm(vectors, axis=1) < 0.5)
        vectors[blank] = np.full(DIMENSIONS, DIMENSIONS**-0.5, np.float32)
        return np.asarray(vectors)

    def embed_questions(self, questions: Sequence[str]) -> Vectors:
        """As `embed`."""
        return self.embed(questions)


@cache
def _embed_id() -> str:
    return digest(["embed", CODE_VERSION, "wordllama", version("wordllama"), DIMENSIONS, "lower-case"])


@cache
def _model() -> Any:
    from wordllama import WordLlama

    package = find_spec("wordllama")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("wordllama is not installed")
    # its default looks for the tokenizer in a wrong place and then downloads it
    return WordLlama.load(dim=DIMENSIONS, cache_dir=Path(package.origin).parent, disable_download=True)
