"""Embeddings: unit vectors of hashed words, so that texts with the same words are near each other."""

import base64
import math
from array import array
from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from faults.replies import RefusedError, Reply, Usage, json_reply
from faults.settings import Behaviours
from faults.words import content_words, count_tokens

DIMENSIONS = 1536  # as text-embedding-3-small
PLACES = 4  # where in the vector a word counts: with one, two words that share it would be the same
MOST_TEXTS = 2048  # as OpenAI


def embed(content: Mapping[str, Any], behaviours: Behaviours) -> Reply:
    """The reply to a request for embeddings. Raises RefusedError."""
    model, given, dimensions = content.get("model"), content.get("input"), content.get("dimensions", DIMENSIONS)
    if not isinstance(model, str) or not model:
        raise RefusedError("you must provide a model parameter")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) and text for text in texts):
        raise RefusedError(
            "'input' must be a text or a list of texts, none empty. The fault server takes no token lists."
        )
    if len(texts) > MOST_TEXTS:
        raise RefusedError(f"'input' has {len(texts)} texts; {MOST_TEXTS} are the most.")
    if not isinstance(dimensions, int) or not 1 <= dimensions <= 3072:
        raise RefusedError("'dimensions' must be a whole number from 1 to 3072.")
    vectors = (vector(text, dimensions) for text in texts)
    as_text = content.get("encoding_format") == "base64"
    rows = [
        {
            "object": "embedding",
            "index": index,
            "embedding": base64.b64encode(each.tobytes()).decode() if as_text else each.tolist(),
        }
        for index, each in enumerate(vectors)
    ]
    tokens = sum(count_tokens(text) for text in texts)
    row = {
        "object": "list",
        "data": rows,
        "model": behaviours.served_model or model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }
    return json_reply(row, usage=Usage(prompt_tokens=tokens))


def vector(text: str, dimensions: int = DIMENSIONS) -> "array[float]":
    """The unit vector of a text."""
    made = array("f", bytes(4 * dimensions))
    for word in sorted(content_words(text)) or [text]:
        for place, sign in _places(word):
            made[place % dimensions] += sign
    length = math.sqrt(sum(each * each for each in made))
    if length == 0:  # the words cancel each other out, which takes very few dimensions
        made[0], length = 1.0, 1.0
    return array("f", (each / length for each in made))


@lru_cache(maxsize=100_000)
def _places(word: str) -> tuple[tuple[int, float], ...]:
    digest = blake2b(word.encode(), digest_size=4 * PLACES).digest()
    numbers = (int.from_bytes(digest[start : start + 4], "little") for start in range(0, len(digest), 4))
    return tuple((number >> 1, 1.0 if number & 1 else -1.0) for number in numbers)
