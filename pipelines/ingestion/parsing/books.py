"""odt and epub: zipped files whose texts become HTML on their way."""

import posixpath
import re
from dataclasses import replace
from urllib.parse import unquote

from lxml import etree

from knowledge.record import Element
from pipelines.ingestion.parsing.archives import open_zip, read_entry, read_xml
from pipelines.ingestion.parsing.encoding import decode
from pipelines.ingestion.parsing.markup import page_elements, tree_elements
from pipelines.ingestion.parsing.settings import DocumentError, ParseSettings

_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_LINK = "{http://www.w3.org/1999/xlink}href"
_ODT_TAGS = {
    f"{_TEXT}p": "p", f"{_TEXT}list": "ul", f"{_TEXT}list-item": "li", f"{_TEXT}a": "a", f"{_TEXT}span": "span",
    f"{_TEXT}line-break": "br", f"{_TABLE}table": "table", f"{_TABLE}table-row": "tr", f"{_TABLE}table-cell": "td",
    f"{_TABLE}covered-table-cell": "covered", f"{_TEXT}soft-page-break": "wbr", f"{_TEXT}bookmark": "wbr",
    f"{_TEXT}bookmark-start": "wbr", f"{_TEXT}bookmark-end": "wbr", f"{_TEXT}note": "span",
    f"{_TEXT}note-body": "span",
}  # fmt: skip
_ODT_UNREAD = (
    f"{_TEXT}tracked-changes", f"{_OFFICE}annotation", f"{_TEXT}table-of-content", f"{_TEXT}note-citation",
    f"{_OFFICE}forms", f"{_TEXT}sequence-decls",
)  # fmt: skip
_OBFUSCATED_FONTS = {"http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC"}


def odt_elements(content: bytes, settings: ParseSettings) -> list[Element]:
    """The elements of an OpenDocument text. Raises DocumentError."""
    with open_zip(content, settings) as archive:
        if b"encryption-data" in read_entry(archive, "META-INF/manifest.xml"):
            raise DocumentError("encrypted", "the odt needs a password")
        root = read_xml(read_entry(archive, "content.xml"))
    body = root.find(f".//{_OFFICE}text")
    if body is None:
        raise DocumentError("corrupt", "the odt holds no text body")
    etree.strip_elements(body, *_ODT_UNREAD, with_tail=False)
    for node in body.iter(etree.Element):
        _as_html(node)
    return tree_elements(body, settings)


def _as_html(node: etree._Element) -> None:
    if node.tag == f"{_TEXT}h":
        level = node.get(f"{_TEXT}outline-level", "1")
        node.tag = f"h{min(int(level), 6)}" if level.isdigit() else "h1"
    elif node.tag in (f"{_TEXT}s", f"{_TEXT}tab"):
        node.tag, node.text = "span", " "
    else:
        node.tag = _ODT_TAGS.get(node.tag, "div" if node.tag.startswith((_TEXT, _OFFICE, _TABLE)) else "span")
    if target := node.get(_LINK):
        node.set("href", target)
    for name in ("columns", "rows"):
        if spanned := node.get(f"{_TABLE}number-{name}-spanned"):
            node.set(f"{name[:3]}span", spanned)


def epub_elements(content: bytes, settings: ParseSettings) -> list[Element]:
    """The elements of a book, under its title; every file of its spine is a part. Raises DocumentError."""
    with open_zip(content, settings) as archive:
        names = set(archive.namelist())
        if "META-INF/encryption.xml" in names:
            algorithms = set(re.findall(rb'Algorithm="([^"]+)"', read_entry(archive, "META-INF/encryption.xml")))
            if {name.decode() for name in algorithms} - _OBFUSCATED_FONTS:
                raise DocumentError("encrypted", "the book's texts are encrypted (DRM)")
        container = read_xml(read_entry(archive, "META-INF/container.xml"))
        place = next(iter(container.xpath("//*[local-name()='rootfile']/@full-path")), "")
        package = read_xml(read_entry(archive, place))
        title = " ".join(str(package.xpath("string(//*[local-name()='title'][1])")).split())
        found = [Element("title", title)] if title else []
        for part, chapter in enumerate(_chapters(package, posixpath.dirname(place)), start=1):
            elements = page_elements(decode(read_entry(archive, chapter)), settings)
            for element in elements:
                if element.kind == "title" and element.text == title:
                    continue
                deeper = element.depth + 1 if title and element.kind == "title" else element.depth
                found.append(replace(element, depth=deeper, part=part))
    return found


def _chapters(package: etree._Element, folder: str) -> list[str]:
    """The names of the book's texts in the order they are read."""
    places = {item.get("id"): item.get("href", "") for item in package.xpath("//*[local-name()='manifest']/*")}
    order = package.xpath("//*[local-name()='spine']/*[not(@linear='no')]/@idref")
    return [posixpath.normpath(posixpath.join(folder, unquote(places[name]))) for name in order if name in places]
