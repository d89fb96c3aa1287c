"""The elements of a tree of HTML: what md, html, rst, odt, epub and mails all become on their way."""

import re
from dataclasses import replace

from lxml import etree

from knowledge.record import Element, Kind
from pipelines.ingestion.parsing.page import read_page
from pipelines.ingestion.parsing.settings import DocumentError, ParseSettings
from pipelines.ingestion.parsing.tables import row_lines

_HEADINGS = {f"h{level}": level - 1 for level in range(1, 7)}
_ITEMS = {"li", "dd"}
_INLINE = {
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "ins",
    "kbd", "label", "mark", "q", "ruby", "rb", "rt", "s", "samp", "small", "span", "strike", "strong", "sub", "sup",
    "time", "tt", "u", "var", "wbr",
}  # fmt: skip
_UNREAD = {"head", "script", "style", "template"}
_BLOCKS_IN_CELLS = ".//table|.//h1|.//h2|.//h3|.//h4|.//h5|.//h6|.//pre"
_LONGEST_TARGET = 200  # characters; longer ones are what mailings track their readers with
_MOST_SPANNED = 50  # columns or rows; a page may claim any number


def page_elements(text: str, settings: ParseSettings) -> list[Element]:
    """The elements of a page's main content. Raises DocumentError."""
    page = read_page(text)
    if page is None:
        return []
    found = tree_elements(page.tree, settings)
    if not any(element.kind == "title" for element in found) and (title := page.tree.findtext(".//head/title")):
        found.insert(0, Element("title", " ".join(title.split())))
    return [replace(element, beside_hidden=True) for element in found] if page.hides else found


def tree_elements(tree: etree._Element, settings: ParseSettings) -> list[Element]:
    """The elements of a tree of HTML, in reading order. Raises DocumentError."""
    walk = _Walk(settings.max_nesting)
    walk.read(tree, 0)
    walk.end_block()
    return walk.found


def link_text(words: str, target: str) -> str:
    """A link as it is indexed: its words, then where it leads. Places on the same page are left out."""
    target = target.strip()
    shown = target.removeprefix("mailto:")
    if not words.strip() or not target or target.startswith(("#", "javascript:", "data:")):
        return words
    if len(target) > _LONGEST_TARGET:
        return words
    if shown.rstrip("/").endswith(words.strip().rstrip("/")):
        return words
    return f"{words.rstrip()} ({shown}){words[len(words.rstrip()) :]}"


class _Walk:
    """One reading of a tree: the words of a block are gathered until it ends."""

    def __init__(self, max_nesting: int) -> None:
        self.found: list[Element] = []
        self._words: list[str] = []
        self._term = ""  # of a definition that follows
        self._items = 0
        self._broken = 0  # how many words there were at the last break of a line
        self._max_nesting = max_nesting

    def end_block(self) -> None:
        self._broken = 0
        if self._words:
            text = " ".join("".join(self._words).split())
            self._words.clear()
            if text:
                term, self._term = self._term, ""
                text = f"{term}: {text}" if term else text
                self.found.append(Element("item" if self._items else "text", text))

    def read(self, node: etree._Element, level: int) -> None:
        """Everything inside a node; its tail is its parent's."""
        tag = node.tag
        if not isinstance(tag, str) or tag in _UNREAD:
            return
        if level > self._max_nesting:
            raise DocumentError("nested", f"the markup is nested over {self._max_nesting} levels")
        if tag == "a":
            self._read_link(node, level)
        elif tag == "br":
            self._break_line()
        elif tag in _INLINE:
            self._read_inside(node, level)
        else:
            self.end_block()
            self._read_block(tag, node, level)

    def _break_line(self) -> None:
        """Two breaks with nothing between them are how pages without paragraphs make theirs."""
        if self._broken and not "".join(self._words[self._broken :]).strip():
            self.end_block()
        else:
            self._words.append("\n")
            self._broken = len(self._words)

    def _read_block(self, tag: str, node: etree._Element, level: int) -> None:
        if tag in _HEADINGS:
            self._add("title", self._gather(node, level), _HEADINGS[tag])
        elif tag == "pre":
            self._add("code", "".join(node.itertext()).strip("\n").rstrip())
        elif tag == "table" and not _is_layout(node):
            self._read_table(node, level)
        elif tag == "dt":
            term = self._gather(node, level)
            self._add("item", "")
            self._term = term
        else:
            self._items += tag in _ITEMS
            self._read_inside(node, level)
            self.end_block()
            self._items -= tag in _ITEMS

    def _add(self, kind: Kind, text: str, depth: int = 0) -> None:
        """An element that is no paragraph; a term that waited for its definition has none."""
        if self._term:
            self.found.append(Element("item", self._term))
            self._term = ""
        if text:
            self.found.append(Element(kind, text, depth=depth))

    def _read_inside(self, node: etree._Element, level: int) -> None:
        if node.text:
            self._words.append(node.text)
        for child in node:
            self.read(child, level + 1)
            if child.tail:
                self._words.append(child.tail)

    def _read_link(self, node: etree._Element, level: int) -> None:
        start, count = len(self._words), len(self.found)
        self._read_inside(node, level)
        if count == len(self.found):  # else the link holds blocks: a card, not words
            words = "".join(self._words[start:])
            self._words[start:] = [link_text(words, node.get("href", ""))]

    def _read_table(self, node: etree._Element, level: int) -> None:
        caption = node.find("caption")
        if caption is not None:
            self._add("text", self._gather(caption, level))
        rows = list(node.iter("tr"))
        heads = [[cell.tag == "th" for cell in row.iterchildren("td", "th")] for row in rows]
        cells = self._cells(rows, level)
        if len(heads) > 1 and all(heads[0]):
            lines = row_lines(cells[1:], head=cells[0])
        elif heads and all(marks[:1] == [True] and not any(marks[1:]) for marks in heads):
            lines = [f"{name}: {'; '.join(filter(None, rest))}" for name, *rest in cells]
        else:
            lines = row_lines(cells)
        for line in lines:
            self._add("row", line)

    def _cells(self, rows: list[etree._Element], level: int) -> list[list[str]]:
        """The table as a grid: a cell that spans columns or rows stands in each of them."""
        grid: list[list[str]] = []
        spans: dict[int, tuple[int, str]] = {}
        for row in rows:
            line: list[str] = []
            for cell in row.iterchildren("td", "th"):
                _fill_spanned(line, spans)
                text = self._gather(cell, level)
                for _ in range(_span(cell, "colspan")):
                    if (down := _span(cell, "rowspan")) > 1:
                        spans[len(line)] = (down - 1, text)
                    line.append(text)
            _fill_spanned(line, spans)
            grid.append(line)
        return grid

    def _gather(self, node: etree._Element, level: int) -> str:
        """The words of a node as one line, whatever blocks are in it."""
        inner = _Walk(self._max_nesting)
        inner._read_inside(node, level)
        inner.end_block()
        return " ".join(element.text for element in inner.found)


def _fill_spanned(line: list[str], spans: dict[int, tuple[int, str]]) -> None:
    """Cells from the rows above that reach down to here."""
    while (place := len(line)) in spans:
        left, text = spans.pop(place)
        line.append(text)
        if left > 1:
            spans[place] = (left - 1, text)


def _span(cell: etree._Element, name: str) -> int:
    found = re.match(r"\d+", cell.get(name, ""))
    return min(max(int(found[0]), 1), _MOST_SPANNED) if found else 1


def _is_layout(table: etree._Element) -> bool:
    """Tables that only place things: one cell a row mostly, or with headings, code and tables inside."""
    rows = list(table.iter("tr"))
    if table.get("role") in ("presentation", "none") or table.xpath(_BLOCKS_IN_CELLS):
        return True
    wide = [sum(bool("".join(cell.itertext()).strip()) for cell in row.iterchildren("td", "th")) for row in rows]
    return 2 * sum(count > 1 for count in wide) < len(wide)
