"""credentials: is what looks like a credential one, or an example of one?"""

import base64
import binascii
import json
import re

# what people write where a secret would stand
_PLACEHOLDER = re.compile(
    r"(?i)example|sample|dummy|fake|test|your|change|replace|placeholder|redacted|secret|passw|token|xxx|\*\*\*|\.\.\.|123456"
    r"|abcdef|insert|foo|bar|demo|todo|api[_-]?key"
)
_PLAIN_LOGINS = frozenset("user username name admin root login me password pass passwd pwd secret".split())


def is_token(match: re.Match[str]) -> bool:
    """A token by its form, unless it says of itself that it is an example or repeats one letter."""
    token = match.group()
    return not re.search(r"(?i)example|xxxx|your|\.\.\.|0000000|1234567", token) and len(set(token)) > 8


def is_web_token(match: re.Match[str]) -> bool:
    """A JSON Web Token: its first part names an algorithm."""
    head = match.group().split(".")[0]
    try:
        return "alg" in json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except (binascii.Error, ValueError):
        return False


def is_login(match: re.Match[str]) -> bool:
    """A URL with a password in it, not the pattern of one such as `scheme://user:password@host`."""
    user, password = match.groups()
    return password.lower() not in _PLAIN_LOGINS | {user.lower()} and not re.search(r"[<>{}$\[\]]|^\*+$|^x+$", password)


def is_assigned_secret(match: re.Match[str]) -> bool:
    """A value after a word such as `password`, with letters and digits in it, that is no placeholder."""
    value = match.group(1).rstrip(".:")
    mixed = len(value) >= 8 and re.search(r"\d", value) and re.search(r"[A-Za-z]", value)
    return bool(mixed) and not _PLACEHOLDER.search(value) and "://" not in value and len(set(value)) > 5
