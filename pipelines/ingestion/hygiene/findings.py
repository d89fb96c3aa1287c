"""findings: which kinds of secrets and personal data a text holds; the values themselves are kept nowhere."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from pipelines.ingestion.hygiene.credentials import is_assigned_secret, is_login, is_token, is_web_token
from pipelines.ingestion.hygiene.personal import is_card, is_email, is_iban, is_phone, is_public_address, is_ssn

CODE_VERSION = "1"


@dataclass(frozen=True, slots=True)
class Rule:
    """A kind of finding: what matches the pattern counts when `holds` says so."""

    kind: str
    pattern: re.Pattern[str]
    holds: Callable[[re.Match[str]], bool]


@dataclass(frozen=True, slots=True)
class Gate:
    """Rules that are tried only where `opens`, which is cheap, says that the text may hold something for them."""

    opens: Callable[[str], object]
    rules: tuple[Rule, ...]


def _rule(kind: str, pattern: str, holds: Callable[[re.Match[str]], bool]) -> Rule:
    return Rule(kind, re.compile(pattern), holds)


def _holding(*marks: str) -> Callable[[str], bool]:
    return lambda text: any(mark in text for mark in marks)


_TOKENS = (
    _rule(
        "secret:private_key", r"-----BEGIN (?:[A-Z]+ ){0,2}PRIVATE KEY(?: BLOCK)?-----\s*[A-Za-z0-9+/]{16}", is_token
    ),
    _rule("secret:aws_key", r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b", is_token),
    _rule("secret:github_token", r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{60,})\b", is_token),
    _rule("secret:gitlab_token", r"\bglpat-[\w-]{20,}", is_token),
    _rule("secret:slack_token", r"\bxox[abeoprs]-[\w-]{10,}|\bhooks\.slack\.com/services/T\w+/B\w+/\w+", is_token),
    _rule("secret:google_key", r"\bAIza[\w-]{35}", is_token),
    _rule("secret:stripe_key", r"\b[rs]k_live_\w{20,}", is_token),
    _rule("secret:model_key", r"\b(?:sk-(?:[a-z]{1,12}\d{0,4}-){0,3}[A-Za-z0-9_]{20,}|hf_[A-Za-z]{34}\b)", is_token),
    _rule("secret:package_token", r"\b(?:npm_\w{36}|pypi-AgE[\w-]{50,})", is_token),
    _rule("secret:jwt", r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}", is_web_token),
)
_TOKEN_MARKS = (
    *("PRIVATE KEY", "AKIA", "ASIA", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox"),
    *("hooks.slack", "AIza", "k_live_", "sk-", "hf_", "npm_", "pypi-AgE", "eyJ"),
)
_LOGIN = _rule("secret:login_in_url", r"://([^\s/:@]+):([^\s/@]+)@[\w.-]", is_login)
_ASSIGNMENT = _rule(
    "secret:assignment",
    r"(?i)(?:passw(?:or)?d|passphrase|pwd|secret|token|(?:api|access|auth|account|secret)[ _-]?key)[\"'`]?"
    r"[ \t]{0,3}(?::=|=>|[:=]|\bis\b)[ \t]{0,3}[\"'`]?([^\s\"'`<>{}()\[\]$,;]{8,})",
    is_assigned_secret,
)
_ASSIGNMENT_MARKS = ("assw", "ASSW", "assphrase", "pwd", "PWD", "ecret", "ECRET", "oken", "OKEN", "key", "Key", "KEY")
_NUMBERS = (
    _rule("personal:ssn", r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])", is_ssn),
    _rule("personal:card", r"(?<![\w.-])(?<![A-Z]{2}\d{2} )\d(?:[ -]?\d){11,18}(?![\w-]|\.\d)", is_card),
    _rule("personal:iban", r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b", is_iban),
    _rule("personal:phone", r"(?<![\w.])(?:\+|\()?\d[\d ().\-/]{5,20}\d(?!\w|-\d|\.\d)", is_phone),
)
# a pattern that begins with a letter of its own is searched ten times as fast as one that begins with a class
_EMAIL = _rule("personal:email", r"@(?<=[\w.+-]@)((?:[\w-]{1,63}\.)+[^\W\d_]{2,24})\b", is_email)
_IP4 = _rule("personal:ip", r"(?<![\w.=-])(?:\d{1,3}\.){3}\d{1,3}(?![\w-]|\.\d)", is_public_address)
_IP6 = _rule("personal:ip", r"(?<![\w:.])(?:[0-9a-fA-F]{0,4}:){3,7}[0-9a-fA-F]{1,4}(?![\w:])", is_public_address)
_GATES = (
    Gate(_holding(*_TOKEN_MARKS), _TOKENS),
    Gate(_holding("://"), (_LOGIN,)),
    Gate(_holding(*_ASSIGNMENT_MARKS), (_ASSIGNMENT,)),
    Gate(_holding("@"), (_EMAIL,)),
    Gate(re.compile(r"\.\d{1,3}\.\d").search, (_IP4,)),
    Gate(re.compile(r":[0-9a-fA-F]{0,4}:").search, (_IP6,)),
    Gate(re.compile(r"\d(?:[ ().\-/]{0,2}\d){5}").search, _NUMBERS),
)


def find(text: str) -> tuple[str, ...]:
    """The kinds of secrets and personal data in a text, sorted; what is known to be an example's value is none."""
    rules = [rule for gate in _GATES if gate.opens(text) for rule in gate.rules]
    return tuple(sorted({rule.kind for rule in rules if any(map(rule.holds, rule.pattern.finditer(text)))}))
