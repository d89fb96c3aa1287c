"""JSON and XML: records as one line each, everything else under the names it stands under."""

import json
import re
from collections.abc import Iterator
from typing import Any

from lxml import etree, html

from knowledge.record import Element
from pipelines.ingestion.parsing.archives import read_xml
from pipelines.ingestion.parsing.settings import DocumentError, ParseSettings

_LONG_TEXT = 400  # characters; a value of this length is a text of its own, not a cell
_MARKUP = re.compile(r"</?(?:p|br|a|div|b|i|ul|ol|li|strong|em|span|img|h[1-6])\b[^<>]*>", re.I)
_TITLES = {"title", "head", "heading"}


def json_elements(text: str, settings: ParseSettings) -> list[Element]:
    """The elements of a JSON text. Raises DocumentError."""
    return list(_values(_load(text, "the JSON"), 0, settings.max_nesting))


def ndjson_elements(text: str, settings: ParseSettings) -> list[Element]:
    """The elements of a text with one JSON value a line. Raises DocumentError."""
    # not splitlines(): a string may hold other characters that it takes for ends of lines
    lines = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    return list(_values([_load(line, f"line {number}") for number, line in lines], 0, settings.max_nesting))


def _load(text: str, place: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise DocumentError("nested", f"{place} is nested too deep") from None
    except ValueError as problem:
        raise DocumentError("corrupt", f"{place} is no JSON ({problem})") from None


def _values(value: Any, level: int, max_nesting: int) -> Iterator[Element]:
    """A mapping's plain entries are one row; those with more inside become headings."""
    if level > max_nesting:
        raise DocumentError("nested", f"the JSON is nested over {max_nesting} levels")
    if isinstance(value, dict):
        plain = {key: each for key, each in value.items() if not isinstance(each, dict | list)}
        yield from _record(plain)
        for key, each in value.items():
            if isinstance(each, dict | list) and each:
                yield Element("title", str(key), depth=level)
                yield from _values(each, level + 1, max_nesting)
    elif isinstance(value, list):
        if all(not isinstance(each, dict | list) for each in value):
            yield from _record({"": "; ".join(map(_word, value))})
            return
        for each in value:
            if isinstance(each, dict):
                yield from _record(dict(_flat(each, "", level + 1, max_nesting)))
            else:
                yield from _values(each, level + 1, max_nesting)
    else:
        yield from _record({"": value})


def _flat(value: Any, path: str, level: int, max_nesting: int) -> Iterator[tuple[str, Any]]:
    """The entries of a record with the names they stand under: `address.city`."""
    if level > max_nesting:
        raise DocumentError("nested", f"the JSON is nested over {max_nesting} levels")
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _flat(each, f"{path}.{key}" if path else str(key), level + 1, max_nesting)
    elif isinstance(value, list) and any(isinstance(each, dict | list) for each in value):
        for number, each in enumerate(value, start=1):
            yield from _flat(each, f"{path}.{number}", level + 1, max_nesting)
    else:
        yield path, "; ".join(map(_word, value)) if isinstance(value, list) else value


def _record(entries: dict[str, Any]) -> Iterator[Element]:
    words = {name: _shown(_word(value)) for name, value in entries.items()}
    short = [f"{name}: {text}" if name else text for name, text in words.items() if text and len(text) < _LONG_TEXT]
    if short:
        yield Element("row", "; ".join(short))
    for name, text in words.items():
        if len(text) >= _LONG_TEXT:
            yield Element("text", f"{name}: {text}" if name else text)


def _word(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _shown(text: str) -> str:
    """A value that is markup, as feeds have it, is what a reader would see of it."""
    if _MARKUP.search(text):
        text = " ".join(html.fromstring(f"<div>{text}</div>").itertext())
    return " ".join(text.split())


def xml_elements(text: str, settings: ParseSettings) -> list[Element]:
    """The elements of an XML text. Raises DocumentError."""
    body = re.sub(r"^\s*<\?xml[^>]*\?>\s*", "", text.removeprefix("\ufeff"))
    return list(_nodes(read_xml(body.encode()), 0, settings.max_nesting))


def _nodes(node: etree._Element, level: int, max_nesting: int) -> Iterator[Element]:
    if not isinstance(node.tag, str):
        return
    if level > max_nesting:
        raise DocumentError("nested", f"the XML is nested over {max_nesting} levels")
    name, children = etree.QName(node).localname, [child for child in node if isinstance(child.tag, str)]
    if any((text or "").strip() for text in (node.text, *(child.tail for child in children))) and children:
        yield Element("text", " ".join("".join(node.itertext()).split()))
    elif not children:
        yield from _leaf(name, node, level)
    elif len(children) > 1 and not any(len(child) for child in children) and len({c.tag for c in children}) > 1:
        yield from _record(_named(node, children))
    else:
        if node.attrib:
            yield from _record(_named(node, []))
        for child in children:
            yield from _nodes(child, level + 1, max_nesting)


def _leaf(name: str, node: etree._Element, level: int) -> Iterator[Element]:
    text = (node.text or "").strip()
    if name in _TITLES and text:
        yield Element("title", " ".join(text.split()), depth=max(level - 1, 0))
    elif name in ("p", "para"):
        yield from _record({"": text})
    else:
        yield from _record({**_named(node, []), name: text})


def _named(node: etree._Element, children: list[etree._Element]) -> dict[str, str]:
    """A node's attributes and children by name; a name that comes again keeps all its values."""
    found = {str(etree.QName(name).localname): str(value) for name, value in node.attrib.items()}
    for child in children:
        text = " ".join(filter(None, ((child.text or "").strip(), *child.attrib.values())))
        name = etree.QName(child).localname
        found[name] = f"{found[name]}, {text}" if found.get(name) else text
    return found
