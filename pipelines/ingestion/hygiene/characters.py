"""characters: text without the characters that a reader never sees and a model reads."""

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass

CODE_VERSION = "1"

_ZWNJ, _ZWJ = "\u200c", "\u200d"
_BLACK_FLAG = "\U0001f3f4"

# one class with few ranges above U+FFFF: a regular expression tries those one after the other, a letter at a time
_HIDDEN = re.compile(
    "[\0-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ud800-\uf8ff\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U0010ffff]+"
)
_OTHERWISE = "hidden:zero_width"
_KINDS = {
    "hidden:control": re.compile("[\0-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufff9-\uffff]"),
    "hidden:bidi": re.compile("[\u202a-\u202e\u2066-\u2069]"),
    "hidden:direction_mark": re.compile("[\u061c\u200e\u200f]"),
    "hidden:soft_hyphen": re.compile("\u00ad"),
    "hidden:tags": re.compile("[\U000e0000-\U000e007f]"),
    "hidden:variation_selectors": re.compile("[\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]"),
    "hidden:private_use": re.compile("[\ue000-\uf8ff\U000f0000-\U0010ffff]"),
}
_HIDDEN_ASCII = re.compile("[\0-\x08\x0e-\x1f\x7f]")

_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]")
# Arabic to Sinhala, Tibetan, Myanmar, Khmer, Mongolian and their presentation forms: a joiner changes the letter
_JOINING = re.compile(
    "[\u0600-\u08ff\u0900-\u0dff\u0f00-\u109f\u1780-\u18af\u1900-\u1cff\ua840-\ua87f\ua8e0-\uaaff\uabc0-\uabff"
    "\ufb50-\ufdff\ufe70-\ufefc\U00010a00-\U00011fff\U0001e900-\U0001e95f]"
)
_EMOJI = re.compile("[#*0-9\u00a9\u00ae\u203c-\u3299\U0001f000-\U0001faff]")
_IDEOGRAPH = re.compile("[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_MONGOLIAN = re.compile("[\u1800-\u18af]")
_FLAG_TAGS = re.compile("[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f")


@dataclass(frozen=True, slots=True)
class Normalised:
    """A text in NFC without hidden characters, and which kinds of them it held."""

    text: str
    findings: tuple[str, ...] = ()


def normalise(text: str) -> Normalised:
    """Take out of a text what a reader never sees, and say what it was.

    Joiners and variation selectors stay where they make a letter or an emoji another one. Idempotent;
    printable ASCII comes back as it is. Marks of direction are no finding in a text that is written right to left.
    """
    if text.isascii() and not _HIDDEN_ASCII.search(text):
        return Normalised(text)
    dropped: Counter[str] = Counter()

    def meant(run: re.Match[str]) -> str:
        kept = _meant(
            run.group(), before=text[max(run.start() - 1, 0) : run.start()], after=text[run.end() : run.end() + 1]
        )
        dropped.update(Counter(run.group()) - Counter(kept))
        return kept

    bare = _HIDDEN.sub(meant, text)
    plain = unicodedata.normalize("NFC", bare)
    if not dropped:
        return Normalised(plain)
    found = {_kind(each) for each in dropped}
    if "hidden:direction_mark" in found and _RIGHT_TO_LEFT.search(plain):
        found.discard("hidden:direction_mark")
    return Normalised(plain, tuple(sorted(found)))


def _kind(character: str) -> str:
    return next((kind for kind, pattern in _KINDS.items() if pattern.match(character)), _OTHERWISE)


def _meant(run: str, *, before: str, after: str) -> str:
    """What of a run of hidden characters the characters around it need: at most a selector and a joiner."""
    if before == _BLACK_FLAG and (flag := _FLAG_TAGS.match(run)):
        return flag.group()
    selector = run[0] if _selects(run[0], before) else ""
    joiner = next((each for each in run if each in (_ZWNJ, _ZWJ)), "")
    in_script = _JOINING.match(before) and _JOINING.match(after)
    in_emoji = joiner == _ZWJ and _EMOJI.match(before) and _EMOJI.match(after)
    return selector + joiner if in_script or in_emoji else selector


def _selects(selector: str, before: str) -> bool:
    """Does a variation selector have something to select?"""
    if selector in ("\ufe0e", "\ufe0f"):
        return bool(_EMOJI.match(before))
    if "\ufe00" <= selector <= "\ufe0d" or "\U000e0100" <= selector <= "\U000e01ef":
        return bool(_IDEOGRAPH.match(before))
    return selector in "\u180b\u180c\u180d\u180f" and bool(_MONGOLIAN.match(before))
