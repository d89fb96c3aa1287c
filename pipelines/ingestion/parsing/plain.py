"""Plain texts with a form of their own: source code, rst, org, rtf."""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from knowledge.record import Element
from pipelines.ingestion.parsing.markup import link_text, page_elements
from pipelines.ingestion.parsing.settings import ParseSettings
from pipelines.ingestion.parsing.tables import row_lines
from pipelines.ingestion.parsing.vendor import text_elements

_NEXT_DEFINITION = re.compile(r"\n[ \t]*\n+(?=[^\s})\]])")  # a blank line, then a line that is not indented
_SPHINX_ROLE = re.compile(r":[a-z][\w:+.-]*:`(?:!|~)?([^`<]*?)\s*(?:<([^`>]*)>)?`(?!_)")
_SPHINX_BLOCKS = (
    "versionadded", "versionchanged", "deprecated", "seealso", "tabs", "tab", "tab-set", "tab-item", "grid", "card",
    "grid-item-card", "dropdown", "glossary", "centered", "hlist", "rubric", "py:function", "py:class", "py:method",
    "py:module", "py:data", "py:attribute", "py:exception", "function", "class", "method", "module", "attribute",
    "exception", "data", "option", "confval", "program", "details", "collapse", "only", "describe", "object",
)  # fmt: skip
_SPHINX_CODE = ("code-block", "sourcecode", "prompt", "doctest", "testcode", "testoutput")
_RST = {
    "file_insertion_enabled": False,  # no document reads another file
    "raw_enabled": False,
    "report_level": 5,
    "halt_level": 5,
    "syntax_highlight": "none",
    "math_output": "LaTeX",
    "embed_stylesheet": False,
    "stylesheet_path": None,
    "_disable_config": True,
}
_ORG_HEADING = re.compile(r"(\*+)\s+(?:(?:TODO|DONE|NEXT|WAITING)\s+)?(?:\[#\w\]\s+)?(.*?)(?:\s+:[\w@:]+:)?\s*$")
_ORG_LINK = re.compile(r"\[\[([^\[\]]+)\](?:\[([^\[\]]+)\])?\]")
_ORG_MARK = re.compile(r"(?<![\w*/_=~+])([*/_=~+])(?=\S)(.+?)(?<=\S)\1(?![\w*/_=~+])")
_ORG_BLOCK = re.compile(r"\s*#\+begin_(\w+)", re.I)
_ORG_ITEM = re.compile(r"\s*(?:[-+]|\d+[.)])\s+(?:\[[ Xx-]\]\s+)?(.*)")


def code_elements(text: str) -> list[Element]:
    """Source code, cut where a blank line is followed by one that is not indented."""
    pieces = _NEXT_DEFINITION.split(text.replace("\r\n", "\n"))
    return [Element("code", piece.strip("\n").rstrip()) for piece in pieces if piece.strip()]


def rtf_elements(content: bytes, languages: Sequence[str], settings: ParseSettings) -> list[Element]:
    """The elements of a rich text. Cells come with a bar between them."""
    from striprtf.striprtf import rtf_to_text

    found: list[Element] = []
    text = rtf_to_text(content.decode("latin-1"), errors="replace")
    for block in re.split(r"((?:^[^\n]*\|[ \t]*\n)+)", text + "\n", flags=re.M):
        if block.rstrip().endswith("|"):
            rows = [[cell.strip() for cell in line.split("|")[:-1]] for line in block.strip().splitlines()]
            found += [Element("row", line) for line in row_lines(rows)]
        else:
            found += text_elements(re.sub(r"\n", "\n\n", block), languages, settings)
    return found


def rst_elements(text: str, settings: ParseSettings) -> list[Element]:
    """The elements of a reStructuredText, with what Sphinx adds to it. Raises DocumentError."""
    from docutils.core import publish_parts

    _know_sphinx()
    plain = _SPHINX_ROLE.sub(lambda role: role[1] or role[2] or "", text)
    return page_elements(publish_parts(plain, writer="html5", settings_overrides=_RST)["html_body"], settings)


@cache
def _know_sphinx() -> None:
    """Without it, docutils leaves out every block of a directive that it does not know."""
    from docutils import nodes
    from docutils.parsers.rst import Directive, directives
    from docutils.parsers.rst.directives.body import CodeBlock

    class Block(Directive):  # type: ignore[misc,unused-ignore]
        has_content = True
        optional_arguments = 1
        final_argument_whitespace = True

        def run(self) -> list[Any]:
            block = nodes.container()
            if self.arguments:
                block += nodes.paragraph("", self.arguments[0])
            self.state.nested_parse(self.content, self.content_offset, block)
            return [block]

    for name in _SPHINX_BLOCKS:
        directives.register_directive(name, Block)
    for name in _SPHINX_CODE:
        directives.register_directive(name, CodeBlock)


def org_elements(text: str) -> list[Element]:
    """The elements of an Org document."""
    return list(_org(text.replace("\r\n", "\n").split("\n")))


def _org(lines: list[str]) -> Iterator[Element]:
    paragraph: list[str] = []
    kind = "text"
    place = 0
    while place <= len(lines):
        line = lines[place] if place < len(lines) else ""
        heading, item, block = _ORG_HEADING.match(line), _ORG_ITEM.match(line), _ORG_BLOCK.match(line)
        starts = bool(heading or item or block or line.lstrip().startswith(("|", "#+", ":", "# ")))
        if paragraph and (starts or not line.strip()):
            yield Element("item" if kind == "item" else "text", _org_words(" ".join(paragraph)))
            paragraph = []
        place += 1
        if heading:
            yield Element("title", _org_words(heading[2]), depth=len(heading[1]) - 1)
        elif block:
            inside, place = _until(lines, place, rf"\s*#\+end_{block[1]}")
            quoted = block[1].lower() in ("quote", "verse", "center")
            if block[1].lower() != "comment" and any(map(str.strip, inside)):
                text = " ".join(map(str.strip, inside)) if quoted else "\n".join(inside)
                yield Element("text", _org_words(text)) if quoted else Element("code", text.rstrip())
        elif line.strip().upper() in (":PROPERTIES:", ":LOGBOOK:"):
            _, place = _until(lines, place, r"\s*:END:")
        elif line.lstrip().startswith("|"):
            table, place = _table(lines, place - 1)
            yield from (Element("row", row) for row in table)
        elif title := re.match(r"#\+title:\s*(.+)", line, re.I):
            yield Element("title", title[1].strip())
        elif item:
            paragraph, kind = [item[1]], "item"
        elif line.strip() and not starts:
            kind = kind if paragraph else "text"
            paragraph.append(line.strip())
        elif line.lstrip().startswith(": "):
            yield Element("code", line.lstrip()[2:])


def _until(lines: list[str], place: int, end: str) -> tuple[list[str], int]:
    """The lines up to the one that ends the block, and the place after it."""
    found = next((at for at in range(place, len(lines)) if re.match(end, lines[at], re.I)), len(lines))
    return lines[place:found], found + 1


def _table(lines: list[str], place: int) -> tuple[list[str], int]:
    end = next((at for at in range(place, len(lines)) if not lines[at].lstrip().startswith("|")), len(lines))
    rows = [line.strip().strip("|").split("|") for line in lines[place:end] if not line.lstrip().startswith("|-")]
    return row_lines([[_org_words(cell.strip()) for cell in row] for row in rows]), end


def _org_words(text: str) -> str:
    linked = _ORG_LINK.sub(lambda link: link_text(link[2], link[1]) if link[2] else link[1], text)
    return _ORG_MARK.sub(r"\2", linked)
