"""Text as sentences and content words: what quoting and checking both look at."""

import re

from knowledge.terms import stem

_END = re.compile(r"(?:(?<=[.!?])|(?<=[.!?][\"'”’)]))\s+(?=[\"'(“‘]?[A-Z0-9])")
_WORD = re.compile(r"[a-z0-9]+(?:[-_.][a-z0-9]+)*", re.IGNORECASE)
_STOP = frozenset(
    """
    a about after all also am an and any are as at be because been before being but by can could did do
    does doing done else for from get gets getting give given gives go goes got had has have having he
    her here him his how i if in into is it its just kind let like long make many may me might more most
    much must my need needs no nor not now of off on once one only or other our out over own per please
    s say says shall she should so some such take takes tell than that the their them then there these
    they thing this those through to too under until up us use used uses using very was way we were what
    when where which while who whom whose why will with within without would yes you your yours hi hello
    thanks thank want know someone something anything happen happens work works long der die das ein
    eine und oder ist sind wie viel ich wir mein kann bitte de het een en hoe
    """.split()
)


def sentences(text: str) -> list[str]:
    """Sentences in their order; a line break ends one as well."""
    found: list[str] = []
    for line in text.splitlines():
        found += [part.strip() for part in _END.split(line) if part.strip()]
    return found


def content_words(text: str) -> list[str]:
    """The stems of the words that carry meaning, in their order."""
    words = (word.lower() for word in _WORD.findall(text.replace("’", "'")))
    return [stem(word, "eng") for word in words if word not in _STOP and (len(word) > 1 or word.isdigit())]
