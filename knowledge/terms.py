"""Terms: the words a text is found by. Passages and questions go through the same steps, so that they meet.

Case and accents are folded and words stemmed (Snowball). An identifier is its parts, however they are joined:
`getUserName`, `get_user_name` and `get user name` are the same words; `GitHub` is found as `github` as well.
"""

import re
import threading
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from itertools import pairwise
from typing import Any

TERMS_VERSION = "1"
# by ISO 639-3; the words of other languages stand as they are
STEMMED = {
    "deu": "german",
    "eng": "english",
    "fra": "french",
    "ita": "italian",
    "nld": "dutch",
    "por": "portuguese",
    "spa": "spanish",
}
# Words that questions are put in; words of negation are not among them. The commonest also tell a text's language.
COMMON = {
    "deu": """der die das den dem des ein eine einen einem einer eines und oder ist sind war im in ich du er sie es wir
        ihr mein meine wie was wer wo wann warum welche welcher welches kann man zu zum zur mit von vom auf fur""",
    "eng": """the of and to in is that for with this are a an as at be by from has have it on or was were these those
        which will can do does how what when where who why i you your we our they their there about into than then them
        he she his her its been being did if so such also my me""",
    "fra": """le la les l un une des du de d et ou est sont que qui quoi dont je tu il elle nous vous ils mon ma mes ce
        cette comment quand pourquoi quel quelle dans en sur pour par avec au aux""",
    "ita": """il lo la i gli le un uno una di del della e o che chi come dove quando perche quale in su per con da al
        alla mio mia io tu""",
    "nld": """de het een en of is zijn van dat die wat wie hoe waar wanneer waarom welke kan ik je u wij mijn in op
        voor met te""",
    "por": """o a os as um uma de do da dos das e ou que quem como onde quando qual eu meu minha em na por para com
        ao""",
    "spa": """el la los las un una unos unas de del y o es son que quien como donde cuando cual cuales por para con en
        al se su mi mis yo tu""",
}
# words one of which turns a text into its opposite, folded
NEGATIONS = frozenset(
    """not no never none without nicht kein keine keinen ohne nie ne pas non sans sin nunca niet geen nao sem""".split()
)
_JOINED = re.compile(r"\w+(?:[-.'’/:@]\w+)*(?:\+\+|#(?!\w))?")
_PART = re.compile(r"[^\W_]+")
_HUMP = re.compile(r"(?<=[a-z0-9]{2})(?=[A-Z][a-z])|(?<=[A-Z]{2})(?=[A-Z][a-z])")
_IDENTIFIER = re.compile(r"\w_\w|^[a-z0-9]{2,}[A-Z][a-z]|[a-z]{2}[.:/][a-z]{2}|\d-\w|\w-\d", re.ASCII)
_IDENTIFIER_WORTH = 0.1  # first in any case costs .6 points of nDCG@10 on questions about an API; .1 costs .1
_PHRASES = 8  # of a question
_QUOTED = re.compile(r'"([^"]+)"|“([^”]+)”|„([^“”]+)[“”]|«([^»]+)»|`([^`]+)`')
_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\u0e00-\u0e7f]+")


def terms_of(text: str, languages: Sequence[str]) -> str:
    """The terms of a passage, in order, with spaces between.

    Of several languages it is taken to be in the one whose commonest words it has.
    """
    found = list(words(text, whole=True))
    language = _spoken(found, languages)
    return " ".join(stem(word, language) for word in found)


def question_terms(text: str, languages: Iterable[str]) -> list[str]:
    """The terms of a question to passages of these languages: what each word would be in any of them, once.

    The words that only make a question of it are left out, unless there are no others.
    """
    spoken = sorted(languages)
    found = list(words(text, whole=True))
    telling = [word for word in found if not any(word in _common(language) for language in spoken)]
    stems = (stem(word, language) for word in telling or found for language in spoken or ("",))
    return list(dict.fromkeys(stems))


def phrases(question: str) -> dict[str, float]:
    """What a question wants to the letter, as `plain` writes it, and how much of the best score that is worth.

    What it quotes is worth all of it, and so stands first; an identifier a tenth, which decides between passages that
    are about as good. Each costs a search: of a stack trace the first few count.
    """
    quoted = [next(filter(None, found.groups())) for found in _QUOTED.finditer(question)]
    joined = (found[0] for found in _JOINED.finditer(unicodedata.normalize("NFKC", question)))
    identifiers = (each for each in joined if _IDENTIFIER.search(each))
    wanted = {plain(each): _IDENTIFIER_WORTH for each in identifiers} | {plain(each): 1.0 for each in quoted}
    several = {phrase: worth for phrase, worth in wanted.items() if " " in phrase}
    first = sorted(several, key=several.__getitem__, reverse=True)[:_PHRASES]
    return {phrase: several[phrase] for phrase in first}


def held_phrases(text: str, wanted: Iterable[str]) -> list[str]:
    """Which of these phrases, as `plain` writes them, a text holds to the letter."""
    folded = _fold(unicodedata.normalize("NFKC", text))
    likely = [phrase for phrase in wanted if _loosely(phrase).search(folded)]  # a sixth of the time of `plain`, or less
    written = f" {plain(text)} " if likely else ""
    return [phrase for phrase in likely if f" {phrase} " in written]


@lru_cache(maxsize=1_000)
def _loosely(phrase: str) -> re.Pattern[str]:
    """Finds the words of a phrase with nothing between them that is part of a word; all where words overlap."""
    between = "" if _UNSPACED.search(phrase) else r"[\W_]*".join(map(re.escape, phrase.split()))
    return re.compile(between)


def plain(text: str) -> str:
    """A text as nothing but its folded words, with a space between them."""
    return " ".join(words(text))


def words(text: str, *, whole: bool = False) -> Iterator[str]:
    """The folded words of a text, those of an identifier one by one. whole: and `GitHub` as one word as well."""
    for found in _JOINED.finditer(unicodedata.normalize("NFKC", text)):
        yield from _words(found[0], whole)


@lru_cache(maxsize=100_000)
def _words(joined: str, whole: bool) -> tuple[str, ...]:
    if _UNSPACED.search(joined):
        return tuple(_unspaced(joined))
    if joined.endswith(("++", "#")):
        return (_fold(joined),)
    found: list[str] = []
    for piece in _PART.findall(joined):
        parts = _HUMP.split(piece)
        found += map(_fold, (*parts, piece) if whole and len(parts) > 1 else parts)
    return tuple(found)


def _unspaced(joined: str) -> Iterator[str]:
    """Of a script that puts no spaces between words, every two neighbours."""
    end = 0
    for run in _UNSPACED.finditer(joined):
        yield from words(joined[end : run.start()])
        yield from (one + other for one, other in pairwise(run[0])) if len(run[0]) > 1 else run[0]
        end = run.end()
    yield from words(joined[end:])


def _fold(text: str) -> str:
    if text.isascii():
        return text.lower()
    return _NOT_ASCII.sub(_unmarked, text.casefold())


def _unmarked(found: re.Match[str]) -> str:
    marked = unicodedata.normalize("NFKD", found[0])
    return "".join(each for each in marked if not unicodedata.combining(each))


@lru_cache(maxsize=200_000)
def stem(word: str, language: str) -> str:
    """The Snowball stem of a folded word; the word itself where there is none for the language."""
    if language not in STEMMED:
        return word
    return _fold(_stemmer(language).stemWord(word))


def _spoken(found: Sequence[str], languages: Sequence[str]) -> str:
    if len(languages) < 2:
        return languages[0] if languages else ""
    return max(languages, key=lambda language: sum(word in _common(language) for word in found))


@cache
def _common(language: str) -> frozenset[str]:
    return frozenset(COMMON.get(language, "").split())


def _stemmer(language: str) -> Any:
    """The thread's own: a stemmer keeps the word it is at."""
    import snowballstemmer

    if language not in _own.stemmers:
        _own.stemmers[language] = snowballstemmer.stemmer(STEMMED[language])
    return _own.stemmers[language]


class _Own(threading.local):
    def __init__(self) -> None:
        self.stemmers: dict[str, Any] = {}


_own = _Own()
