"""What a file is: told by its content; its name decides only between kinds of plain text."""

import io
import re
from pathlib import PurePosixPath

import filetype

from pipelines.ingestion.parsing.archives import office_kind
from pipelines.ingestion.parsing.settings import DocumentError, ParseSettings

_TEXT_KINDS = {
    ".md": "md", ".markdown": "md", ".mdx": "mdx", ".html": "html", ".htm": "html", ".xhtml": "html",
    ".txt": "txt", ".text": "txt", ".log": "txt", ".rst": "rst", ".rest": "rst", ".org": "org", ".csv": "csv",
    ".tsv": "csv", ".tab": "csv", ".eml": "eml", ".json": "json", ".geojson": "json", ".ndjson": "ndjson",
    ".jsonl": "ndjson", ".xml": "xml", ".rss": "xml", ".atom": "xml", ".xsl": "xml", ".xslt": "xml", ".xsd": "xml",
}  # fmt: skip
_CODE = (
    "py pyi js mjs cjs jsx ts tsx java kt kts scala go rs c cc cpp cxx h hh hpp cs fs rb php pl pm lua r jl swift m "
    "dart ex exs erl hs clj sh bash zsh fish ps1 bat sql graphql proto tf hcl yaml yml toml ini cfg conf properties "
    "env css scss less vue svelte dockerfile makefile cmake gradle tex"
)
_TEXT_KINDS |= {f".{suffix}": "code" for suffix in _CODE.split()}
_IMAGE_SUFFIXES = {"", ".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".jp2", ".heic"}
_BINARY_SUFFIXES = _IMAGE_SUFFIXES - {""} | {
    ".docx", ".pptx", ".xlsx", ".odt", ".epub", ".pdf", ".msg", ".rtf", ".doc", ".ppt", ".xls", ".zip",
}  # fmt: skip
_IMAGES = {"png", "jpg", "gif", "bmp", "tif", "webp", "jp2"}
_COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_COMPOUND_KINDS = (
    ("EncryptedPackage", "encrypted"), ("WordDocument", "doc"), ("PowerPoint Document", "ppt"), ("Workbook", "xls"),
    ("Book", "xls"), ("__properties_version1.0", "msg"),
)  # fmt: skip
_HTML_START = re.compile(r"\s*(?:<\?xml[^>]*\?>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html)\b", re.I | re.S)
_MAIL_HEADER = re.compile(r"^(From|To|Subject|Date|Received|Return-Path|Message-ID|MIME-Version):[ \t]*\S", re.M | re.I)


def kind_of_bytes(content: bytes, name: str, settings: ParseSettings) -> str | None:
    """What the content is where its first bytes say so; None: it is text or unknown. Raises DocumentError."""
    if content.startswith(b"PK\x03\x04"):
        return office_kind(content, settings)
    if content.startswith(_COMPOUND):
        return _compound_kind(content, name)
    if b"%PDF-" in content[:1024]:
        return "pdf"
    if content.startswith(b"{\\rtf"):
        return "rtf"
    return None


def kind_of_text(text: str, name: str) -> str:
    """What a text is, by how it begins and then by its name. Raises DocumentError."""
    suffix = suffix_of(name)
    by_name = _TEXT_KINDS.get(suffix)
    if by_name not in ("md", "mdx", "xml", "code", "eml", "json", "ndjson", "csv") and _HTML_START.match(text):
        return "html"
    if by_name == "xml" and _HTML_START.match(text):
        return "html"
    if by_name in (None, "txt"):
        if text.lstrip("\ufeff \t\r\n").startswith("<?xml"):
            return "xml"
        if _is_mail(text):
            return "eml"
    if by_name:
        return by_name
    if suffix in _BINARY_SUFFIXES:
        raise DocumentError("corrupt", f"the content is not that of a {suffix} file but plain text")
    if suffix and not name.startswith("."):
        raise DocumentError("unsupported", f"files ending in {suffix} are not read")
    return "txt"


def refuse_binary(content: bytes, name: str) -> DocumentError | None:
    """Why content that is no text cannot be read, where its kind is known; None where it is not."""
    found = filetype.guess(content)
    suffix = suffix_of(name)
    if found is not None:
        return DocumentError("unsupported", f"the content is {found.mime}, whatever the name {suffix or name} says")
    if suffix in _BINARY_SUFFIXES:
        return DocumentError("corrupt", f"the content is not that of a {suffix} file")
    return None


def is_image(content: bytes, name: str) -> bool:
    """Whether the content is a picture that text could be read from, and is not named as something else."""
    found = filetype.guess(content)
    return found is not None and found.extension in _IMAGES and suffix_of(name) in _IMAGE_SUFFIXES


def suffix_of(name: str) -> str:
    """The ending of a file's name, in lower case; a Dockerfile or Makefile is its own."""
    path = PurePosixPath(name)
    return path.suffix.lower() or (f".{path.name.lower()}" if path.name.lower() in ("dockerfile", "makefile") else "")


def _is_mail(text: str) -> bool:
    head = re.split(r"\r?\n\r?\n", text[:20_000], maxsplit=1)[0]
    names = {name.lower() for name in _MAIL_HEADER.findall(head)}
    return bool(names & {"mime-version", "message-id", "received"}) and len(names) > 2


def _compound_kind(content: bytes, name: str) -> str:
    import olefile

    try:
        with olefile.OleFileIO(io.BytesIO(content)) as file:
            names = {entry[0] for entry in file.listdir()}
    except (OSError, IndexError, ValueError) as problem:
        raise DocumentError("corrupt", f"the file of old Office cannot be opened ({problem})") from None
    found = next((kind for entry, kind in _COMPOUND_KINDS if entry in names), None)
    if found == "encrypted":
        raise DocumentError("encrypted", f"the {suffix_of(name)} file needs a password")
    if found is None:
        raise DocumentError("unsupported", "the content is an OLE container of another program")
    return found
