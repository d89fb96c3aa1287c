"""Markdown and MDX, with the title that the front matter gives."""

import re
from functools import cache

import yaml
from markdown_it import MarkdownIt

from knowledge.record import Element
from pipelines.ingestion.parsing.markup import page_elements
from pipelines.ingestion.parsing.settings import DocumentError, ParseSettings

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?\n)(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.S)
_MDX = re.compile(
    r"(?P<code>^[ \t]*(?P<fence>`{3,}|~{3,})[^\n]*\n.*?(?:^[ \t]*(?P=fence)[`~]*[ \t]*$|\Z)"
    r"|(?P<ticks>`+)(?!`)(?:(?!\n\n).)+?(?<!`)(?P=ticks)(?!`))"
    r"|(?P<unseen>\{/\*.*?\*/\}"
    r"|^import\s*\{[^}]*\}\s*from[^\n]*$"
    r"|^export\s[^\n]*[{(\[]\n.*?^[})\]][^\n]*$"
    r"|^(?:import|export)\s[^\n]*$)"
    r"|(?P<component></?[A-Z][\w.]*(?>(?:[^<>{}\"']|\"[^\"]*\"|'[^']*'|\{(?:[^{}]|\{[^{}]*\})*+\})*+)>)",
    re.M | re.S,
)
_SHOWN_ATTRIBUTE = re.compile(r"\b(?:title|label|header|description|summary|alt)=(?:\"([^\"]*)\"|'([^']*)')")


def markdown_elements(text: str, settings: ParseSettings) -> list[Element]:
    """The elements of a Markdown document. Raises DocumentError."""
    fields, body = split_front_matter(text)
    return _read(fields, body, settings, _reader(settings.max_nesting))


def mdx_elements(text: str, settings: ParseSettings) -> list[Element]:
    """The elements of an MDX document: components are kept as the text in them. Raises DocumentError."""
    fields, body = split_front_matter(text)
    # in MDX, text is indented to stand inside a component, never to be code
    return _read(fields, without_components(body), settings, _reader(settings.max_nesting, indented_code=False))


def split_front_matter(text: str) -> tuple[dict[str, str], str]:
    """The plain fields of the front matter, none without one, and the text behind it."""
    found = _FRONT_MATTER.match(text.replace("\r\n", "\n")) if text.startswith("---") else None
    if not found:
        return {}, text
    try:
        fields = yaml.safe_load(found[1])
    except (yaml.YAMLError, ValueError):
        return {}, text
    if not isinstance(fields, dict):
        return {}, text
    plain = {str(name): " ".join(str(value).split()) for name, value in fields.items() if _is_plain(value)}
    return plain, text.replace("\r\n", "\n")[found.end() :]


def _is_plain(value: object) -> bool:
    return value not in (None, "") and not isinstance(value, dict | list | bool)


def without_components(text: str) -> str:
    """MDX as Markdown: no imports, exports and comments, and of a component what it shows. Code stays as it is."""
    return _MDX.sub(lambda piece: piece[0] if piece["code"] else _shown(piece["component"] or ""), text)


def _shown(component: str) -> str:
    words = [first or second for first, second in _SHOWN_ATTRIBUTE.findall(component)]
    return "\n\n" + ". ".join(words) + "\n\n" if words else ""


def _read(fields: dict[str, str], body: str, settings: ParseSettings, reader: MarkdownIt) -> list[Element]:
    tokens = reader.parse(body)
    if any(token.level >= settings.max_nesting for token in tokens):
        raise DocumentError("nested", f"the Markdown is nested over {settings.max_nesting} levels")
    found = page_elements(reader.renderer.render(tokens, reader.options, {}), settings)
    heading = next((element.text for element in found if element.kind == "title"), "")
    title, description = fields.get("title", ""), fields.get("description", "")
    if not found and not title:  # a page that is made from its front matter
        return [Element("row", "; ".join(f"{name}: {value}" for name, value in fields.items()))]
    head = [Element("title", title)] if title and title != heading else []
    return [*head, *([Element("text", description)] if description else []), *found]


@cache
def _reader(max_nesting: int, *, indented_code: bool = True) -> MarkdownIt:
    reader = MarkdownIt("commonmark", {"maxNesting": max_nesting + 1}).enable(["table", "strikethrough"])
    return reader if indented_code else reader.disable("code")
