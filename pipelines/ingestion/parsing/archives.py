"""Zipped files: what is in them, and that they unpack to no more than the limit."""

import io
import zipfile

from lxml import etree

from pipelines.ingestion.parsing.settings import DocumentError, ParseSettings

_MOST_TIMES = 200  # office files shrink to a tenth, at most to a hundredth; a bomb is a thousandth
_LARGE = 10_000_000  # bytes; below it the ratio says nothing
_FOLDERS = {"word/": "docx", "ppt/": "pptx", "xl/": "xlsx"}
_MIMETYPES = {"application/vnd.oasis.opendocument.text": "odt", "application/epub+zip": "epub"}


def open_zip(content: bytes, settings: ParseSettings) -> zipfile.ZipFile:
    """A zipped file, its declared sizes within the limits. Raises DocumentError.

    The declared sizes hold: `zipfile`, which every reader here uses, stops at the size an entry declares.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as problem:
        raise DocumentError("corrupt", f"the zipped file cannot be opened ({problem})") from None
    size = sum(entry.file_size for entry in archive.infolist())
    if size > settings.max_expanded_mb * 1e6:
        detail = f"unpacks to {size / 1e6:.0f} MB, the limit is {settings.max_expanded_mb:g} MB"
        raise DocumentError("expands", detail)
    if size > max(_LARGE, _MOST_TIMES * len(content)):
        raise DocumentError("expands", f"unpacks to {size / len(content):.0f} times its size, as only a bomb does")
    if any(entry.flag_bits & 1 for entry in archive.infolist()):
        raise DocumentError("encrypted", "the zipped file needs a password")
    return archive


def office_kind(content: bytes, settings: ParseSettings) -> str:
    """Which kind of document a zipped file is. Raises DocumentError."""
    with open_zip(content, settings) as archive:
        names = archive.namelist()
        if "mimetype" in names:
            mimetype = read_entry(archive, "mimetype").decode("ascii", "replace").strip()
            if mimetype in _MIMETYPES:
                return _MIMETYPES[mimetype]
            raise DocumentError("unsupported", f"the content is {mimetype}")
    if "[Content_Types].xml" in names:
        kind = next((kind for folder, kind in _FOLDERS.items() if any(name.startswith(folder) for name in names)), None)
        if kind:
            return kind
    raise DocumentError("unsupported", f"the content is an archive of {len(names)} files. List it as a source instead.")


def read_entry(archive: zipfile.ZipFile, name: str) -> bytes:
    """The content of an entry. Raises DocumentError."""
    try:
        return archive.read(name)
    except KeyError:
        raise DocumentError("corrupt", f"the zipped file lacks {name}") from None
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError) as problem:
        raise DocumentError("corrupt", f"{name} in the zipped file cannot be read ({problem})") from None


def read_xml(content: bytes) -> etree._Element:
    """The root of an XML text; entities are expanded only within libxml2's limits. Raises DocumentError."""
    parser = etree.XMLParser(resolve_entities="internal", no_network=True, load_dtd=False, remove_comments=True)
    try:
        return etree.fromstring(content, parser)
    except etree.XMLSyntaxError as problem:
        said = str(problem)
        if "depth" in said:
            raise DocumentError("nested", "the XML is nested over 255 levels") from None
        if "amplification" in said or "entity reference loop" in said.lower():
            raise DocumentError("expands", "the XML unpacks to many times its size by its entities") from None
        raise DocumentError("corrupt", f"the XML cannot be read ({said})") from None
