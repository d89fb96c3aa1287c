"""personal: is what looks like personal data valid, and not an example's?"""

import ipaddress
import re

_RESERVED_DOMAINS = re.compile(r"(?i)(?:^|\.)(?:example(?:\.\w+)?|test|invalid|localhost|local)$")
_NOBODYS_MAILBOX = re.compile(
    r"(?i)(?<![\w.+-])(?:git|no-?reply|do-?not-?reply|you|your\w*|user(?:name)?\d*|name|test\d*|foo|bar|e?mail|alias|example)@$"
)
_LOGIN = re.compile(r"://\S*$")  # what stands before the `@` of a URL is no mailbox
_EXAMPLE_CARDS = frozenset(
    "4111111111111111 4242424242424242 4012888888881881 4000056655665556 5555555555554444 5105105105105100 "
    "5200828282828210 2223003122003222 378282246310005 371449635398431 6011111111111117 6011000990139424 "
    "30569309025904 38520000023237 3530111333300000 3566002020360505".split()
)
_CARD_ISSUERS = re.compile(r"4|5[0-8]|6[0-9]|2[2-7]|3[0-9]|1800|2131")
_EXAMPLE_SSNS = frozenset(["078-05-1120", "123-45-6789", "219-09-9999", "111-11-1111"])
_IBAN_COUNTRIES = {
    15: "NO", 16: "BE", 18: "DK FI FK FO GL NL SD", 19: "MK SI", 20: "AT BA EE KZ LT LU MN XK", 21: "CH HR LI LV",
    22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ OM SO TL", 24: "AD CZ ES MD PK RO SA SE SK TN VG",
    25: "LY PT ST", 26: "IS TR", 27: "BI DJ FR GR IT MC MR SM", 28: "AL AZ BY CY DO GT HN HU LB NI PL SV",
    29: "BR EG PS QA UA", 30: "JO KW MU YE", 31: "MT SC", 32: "LC", 33: "RU",
}  # fmt: skip
_IBAN_LENGTHS = {country: length for length, countries in _IBAN_COUNTRIES.items() for country in countries.split()}
_EXAMPLE_IBANS = frozenset(["GB29NWBK60161331926819", "GB82WEST12345698765432", "DE89370400440532013000"])
_PHONE_WORD = re.compile(
    r"(?i)\b(?:tele(?:phon|fon)\w*|tel|t[eé]l[eé]phone|tel[eé]fono|phone|mobile?|m[oó]vil|cell(?:phone)?|handy|fax|call|dial"
    r"|sms|whatsapp|hotline)\b"
)
_NORTH_AMERICAN = re.compile(r"\(?\d{3}\)?[ .-]{1,2}\d{3}[.-]\d{4}")
_DOTTED = re.compile(r"(?:\d{1,3}\.){3}")  # an IP address, with its mask or range
_RESOLVERS = frozenset(["1.1.1.1", "1.0.0.1", "8.8.8.8", "8.8.4.4", "9.9.9.9"])


def is_email(match: re.Match[str]) -> bool:
    """A mailbox of somebody, not one that stands for any; the match begins at the `@`."""
    before = match.string[max(match.start() - 64, 0) : match.start() + 1]
    nobodys = _RESERVED_DOMAINS.search(match.group(1)) or _NOBODYS_MAILBOX.search(before) or _LOGIN.search(before)
    return not nobodys


def is_public_address(match: re.Match[str]) -> bool:
    """An IP address of the public internet: not private, for documentation, a group's, or a public resolver's."""
    try:
        address = ipaddress.ip_address(match.group())
        return address.is_global and not address.is_multicast and match.group() not in _RESOLVERS
    except ValueError:
        return False


def is_ssn(match: re.Match[str]) -> bool:
    """A social security number of the United States that may have been given out (areas 9xx are not)."""
    area, group, serial = match.group().split("-")
    given_out = area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"
    return given_out and match.group() not in _EXAMPLE_SSNS


def is_card(match: re.Match[str]) -> bool:
    """A payment card's number by issuer, length and check digit (Luhn), not one that is published for tests."""
    number = re.sub(r"\D", "", match.group())
    if not _CARD_ISSUERS.match(number) or number in _EXAMPLE_CARDS:
        return False
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(number))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def is_iban(match: re.Match[str]) -> bool:
    """An account number by its country's length and the checksum of ISO 13616."""
    number = match.group().replace(" ", "")
    if _IBAN_LENGTHS.get(number[:2]) != len(number) or number in _EXAMPLE_IBANS:
        return False
    return int("".join(str(int(each, 36)) for each in number[4:] + number[:4])) % 97 == 1


def is_phone(match: re.Match[str]) -> bool:
    """A valid international or North American number, or any that a word such as `phone` stands beside."""
    number = match.group()
    if number.startswith("+") or _NORTH_AMERICAN.fullmatch(number):
        return _valid_phone(number)
    if _DOTTED.match(number):
        return False
    before, after = match.string[max(match.start() - 20, 0) : match.start()], match.string[match.end() :][:10]
    return 7 <= len(re.sub(r"\D", "", number)) <= 15 and bool(_PHONE_WORD.search(before) or _PHONE_WORD.search(after))


def _valid_phone(number: str) -> bool:
    import phonenumbers  # 0.1 s that a corpus without telephone numbers never pays

    try:
        return bool(phonenumbers.is_valid_number(phonenumbers.parse(number, "US")))
    except phonenumbers.NumberParseException:
        return False
