"""Mails: the subject as title, who wrote to whom and when as a line, then what was written."""

import email
import email.policy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import MIMEPart
from itertools import count

from knowledge.record import Element
from pipelines.ingestion.parsing.encoding import decode
from pipelines.ingestion.parsing.markup import page_elements
from pipelines.ingestion.parsing.settings import DocumentError, ParseSettings
from pipelines.ingestion.parsing.vendor import text_elements

_SHOWN_HEADERS = ("From", "To", "Cc", "Date")
_ENCRYPTED = {"multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime"}
_MOST_MAILS = 10  # mail in mail in mail


def eml_elements(content: bytes, languages: Sequence[str], settings: ParseSettings) -> list[Element]:
    """The elements of a mail and of the mails in it; other attachments are named. Raises DocumentError."""
    mail = email.message_from_bytes(content, policy=email.policy.default)
    return list(_mail(mail, _Reading(languages, settings, count()), 0))


@dataclass(frozen=True, slots=True)
class _Reading:
    languages: Sequence[str]
    settings: ParseSettings
    numbers: Iterator[int]  # of the mails in the file


def _mail(mail: MIMEPart, reading: _Reading, level: int) -> Iterator[Element]:
    if level >= _MOST_MAILS:
        raise DocumentError("nested", f"over {_MOST_MAILS} mails, one in the other")
    number = next(reading.numbers)
    body = list(_body(mail, reading, level))
    if not any(element.kind != "title" for element in body) and _is_encrypted(mail):
        raise DocumentError("encrypted", "the mail is encrypted")
    headers = {name: _header(mail, name) for name in ("Subject", *_SHOWN_HEADERS)}
    for element in (*head_elements(headers), *body, *_attached(mail if level == 0 else None)):
        yield element if element.part else replace(element, part=number)


def _attached(mail: MIMEPart | None) -> list[Element]:
    names = [str(part.get_filename()) for part in mail.walk() if part.get_filename()] if mail else []
    return [Element("text", f"Attachments: {', '.join(names)}")] if names else []


def head_elements(headers: dict[str, str]) -> list[Element]:
    """A mail's subject as its title, and its other headers as one line."""
    subject = [Element("title", headers["Subject"])] if headers.get("Subject") else []
    line = "; ".join(f"{name}: {headers[name]}" for name in _SHOWN_HEADERS if headers.get(name))
    return [*subject, *([Element("text", line)] if line else [])]


def _header(mail: MIMEPart, name: str) -> str:
    try:
        return " ".join(str(mail.get(name, "")).split())
    except (ValueError, IndexError, AttributeError, TypeError):  # the standard parser stumbles over broken addresses
        return " ".join(str(dict(mail.raw_items()).get(name, "")).split())


def _is_encrypted(mail: MIMEPart) -> bool:
    return any(part.get_content_type() in _ENCRYPTED for part in mail.walk())


def _body(part: MIMEPart, reading: _Reading, level: int) -> Iterator[Element]:
    kind = part.get_content_type()
    if kind == "message/rfc822":
        for inner in part.iter_parts():
            yield from _mail(inner, reading, level + 1)
    elif kind == "multipart/alternative":
        yield from _best(list(part.iter_parts()), reading, level)
    elif part.is_multipart():
        for inner in part.iter_parts():
            yield from _body(inner, reading, level)
    elif kind == "text/html" and not part.is_attachment():
        yield from page_elements(_text(part), reading.settings)
    elif kind == "text/plain" and not part.is_attachment():
        yield from text_elements(_text(part), reading.languages, reading.settings)


def _best(parts: list[MIMEPart], reading: _Reading, level: int) -> list[Element]:
    """Of a text in several forms the last that says anything: they stand in the order of their faith."""
    for part in reversed(parts):
        found = list(_body(part, reading, level))
        if any(element.text.strip() for element in found):
            return found
    return []


def _text(part: MIMEPart) -> str:
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return ""
    charset = part.get_content_charset()
    if charset and charset not in ("utf-8", "us-ascii"):
        try:
            return content.decode(charset)
        except LookupError:
            raise DocumentError("encoding", f"the mail's charset {charset!r} is not known") from None
        except UnicodeDecodeError:
            pass  # what it says is wrong; what the bytes say is looked at next
    return decode(content)


def msg_elements(content: bytes, languages: Sequence[str], settings: ParseSettings) -> list[Element]:
    """The elements of an Outlook mail. Raises DocumentError."""
    from oxmsg import Message

    mail = Message.load(content)
    if mail.message_class.lower().startswith("ipm.note.smime") and "multipartsigned" not in mail.message_class.lower():
        raise DocumentError("encrypted", "the mail is encrypted")
    sent = mail.message_headers
    headers = {
        "Subject": mail.subject or "",
        "From": mail.sender or sent.get("From", ""),
        "To": sent.get("To") or ", ".join(each.email_address for each in mail.recipients),
        "Cc": sent.get("Cc", ""),
        "Date": mail.sent_date.strftime("%Y-%m-%d %H:%M UTC") if mail.sent_date else sent.get("Date", ""),
    }
    body = page_elements(mail.html_body, settings) if mail.html_body else []
    body = body or text_elements(mail.body or "", languages, settings)
    names = [each.file_name for each in mail.attachments if each.file_name]
    if not body and any(name.endswith((".pgp-encrypted", ".p7m")) for name in names):
        raise DocumentError("encrypted", "the mail is encrypted")
    attached = [Element("text", f"Attachments: {', '.join(names)}")] if names else []
    return [*head_elements({name: _decoded(value) for name, value in headers.items()}), *body, *attached]


def _decoded(value: str) -> str:
    """A header as it is read: `=?utf-8?B?…?=` is an encoded word."""
    try:
        return " ".join(str(make_header(decode_header(value))).split())
    except (LookupError, UnicodeDecodeError, HeaderParseError):
        return " ".join(value.split())
