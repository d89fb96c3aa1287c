"""Text as sentences, content words and tokens, and draws that fall the same each time."""

import re
from functools import lru_cache
from hashlib import blake2b

_END = re.compile(r"(?<=[.!?])\s+(?=[\"'(]?[A-Z0-9])")
_WORD = re.compile(r"[a-z]+|[0-9]+(?:[.,:][0-9]+)*", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]+(?:[.,:][0-9]+)*")
_STOP = frozenset(
    """
    a about after all also am an and any are as at be because been before but by can could did do does each else for
    from get gets give given had has have he her here him his how i if in into is it its just let like made make many
    may me might more most much must my need no nor not now of off on once one only or other our out over per please
    say shall she should so some such take takes tell than that the their them then there these they this those through
    to too under until up us use used very was we were what when where which while who whose why will with within
    without would you your
    """.split()
)


def sentences(text: str) -> list[str]:
    """Sentences in their order; a line break ends one as well."""
    return [part for line in text.splitlines() for each in _END.split(line) if (part := each.strip())]


@lru_cache(maxsize=50_000)
def content_words(text: str) -> frozenset[str]:
    """What carries meaning: numbers as they are, other words by their first six letters, which drops most endings."""
    words = (word.lower() for word in _WORD.findall(text))
    return frozenset(word if word[0].isdigit() else word[:6] for word in words if word not in _STOP)


def numbers(text: str) -> frozenset[str]:
    """The numbers in a text, without the comma between thousands."""
    return frozenset(each.replace(",", "") for each in _NUMBER.findall(text))


def count_tokens(text: str) -> int:
    """A quarter of the bytes, rounded up: never more than the bytes."""
    return (len(text.encode()) + 3) // 4


def cut_to_tokens(text: str, tokens: int) -> str:
    """The beginning of a text that has at most so many tokens."""
    return text.encode()[: 4 * tokens].decode(errors="ignore")


def draw(*of: object) -> float:
    """A number from 0 up to 1 that is the same for the same values, and spread evenly over others."""
    digest = blake2b(repr(of).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
