"""Bytes as text. A guess that could be wrong is refused: wrong letters would be indexed without anyone seeing it."""

import codecs
import re

from pipelines.ingestion.parsing.settings import DocumentError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
_DECLARED = re.compile(
    rb"<\?xml[^>]*?encoding\s*=\s*[\"']([\w.:-]+)|<meta[^>]*?charset\s*=\s*[\"']?\s*([\w.:-]+)|\A#.*?coding[:=]\s*([\w.-]+)",
    re.I,
)
_WESTERN_LETTERS = "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜßàáâãäåæçèéêëìíîïñòóôõöøùúûüýÿŠšŽžŒœ"
_WESTERN_SIGNS = "–—‘’‚“”„†•…‰‹›€™¡¢£¥§©«®°±²³´·»¼½¾¿ªº×÷¬¦¨¶µ\xa0\xad"
_FOREIGN_WORDS = re.compile(
    rf"[^\x00-\x7f{_WESTERN_LETTERS}{_WESTERN_SIGNS}]"  # letters and signs that hardly any text has
    rf"|[a-zß-ÿ][À-ÖØ-ÞŠŽŒ]"  # a capital inside a word
    rf"|\w[¡¢£¥¿¦¬¨¶¼½¾±×÷†‰]\w|[²³µªº¹][a-z]"  # a sign inside a word
)
_WORD = re.compile(r"[^\W\d_]{2,}")
_EAST_ASIAN = {"Chinese", "Japanese", "Korean"}
_LEAST_COHERENT = 0.25


def decode(content: bytes) -> str:
    """The text of a file. Raises DocumentError."""
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return _decode_as(content, encoding)
    if b"\0" in content[:4096] and (wide := _wide(content)):
        return _decode_as(content, wide)
    if b"\0" in content:
        raise DocumentError("unsupported", "the content is binary, not text")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as problem:
        return _decode_other(content, problem)


def _decode_as(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        raise DocumentError(
            "encoding", f"the text is not in {encoding}, as it says itself. Save it as UTF-8."
        ) from None


def _wide(content: bytes) -> str | None:
    """UTF-16 or UTF-32 without a mark, told by where the zero bytes stand in a text that is mostly Latin."""
    sample = content[:4096]
    zeros = [sample[place::4].count(0) * 4 / max(len(sample), 4) > 0.5 for place in range(4)]
    patterns = {
        (False, True, True, True): "utf-32-le", (True, True, True, False): "utf-32-be",
        (False, True, False, True): "utf-16-le", (True, False, True, False): "utf-16-be",
    }  # fmt: skip
    return patterns.get((zeros[0], zeros[1], zeros[2], zeros[3]))


def _decode_other(content: bytes, problem: UnicodeDecodeError) -> str:
    declared = _DECLARED.search(content[:4096])
    if declared:
        name = next(filter(None, declared.groups())).decode("ascii")
        if name.lower() not in ("utf-8", "utf8"):
            return _decode_as(content, name)
    mixed = content.decode("utf-8", "replace")
    wrong = mixed.count("\ufffd")
    if sum(character > "\x7f" for character in mixed) >= 2 * wrong:
        raise DocumentError("encoding", f"the text is UTF-8 but for byte {problem.start}. Save it as UTF-8.")
    try:
        western = content.decode("cp1252")
    except UnicodeDecodeError:
        western = None
    if western is not None and _is_western(western):
        return western
    return _detected(content)


def _is_western(text: str) -> bool:
    """Letters that West European words have, and not, as other alphabets look in cp1252, words of nothing else."""
    if _FOREIGN_WORDS.search(text):
        return False
    words = [word for word in _WORD.findall(text) if not word.isascii()]
    return 2 * sum(not re.search("[A-Za-z]", word) for word in words) <= len(words)


def _detected(content: bytes) -> str:
    """What charset-normalizer finds, where the text it gives leaves no doubt."""
    from charset_normalizer import from_bytes

    matches = from_bytes(content)
    best = matches.best()
    text = str(best) if best else ""
    letters = sum(character.isalpha() for character in text)
    foreign = sum(character.isalpha() and ord(character) > 0x24F for character in text)
    if best and best.language in _EAST_ASIAN and foreign >= 0.3 * letters:
        return text
    if best and best.coherence >= _LEAST_COHERENT and (foreign >= 0.3 * letters or len({str(m) for m in matches}) == 1):
        return text
    raise DocumentError(
        "encoding", "the text is not UTF-8, and its encoding cannot be told for sure. Save it as UTF-8."
    )
