"""What a reader of an HTML page came for: no hidden parts, no navigation, the main content where it is marked."""

import re
from dataclasses import dataclass

from lxml import etree, html

from pipelines.ingestion.parsing.settings import DocumentError

_DROPPED_TAGS = (
    "script", "style", "template", "noscript", "nav", "footer", "aside", "svg", "iframe", "object", "select",
    "button", "dialog",
)  # fmt: skip
_DROPPED_ROLES = {"navigation", "banner", "contentinfo", "search", "complementary", "dialog", "alertdialog", "menu"}
_HIDING_STYLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?![.\d])|opacity\s*:\s*0(?![.\d])"
)
_BANNER = re.compile(
    r"\b(?:cookies?|gdpr|consent)[-_]?(?:consent|banner|notice|bar|popup|modal|overlay|dialog|message|wall|law)\b"
    r"|\bonetrust|(?<![\w-])(?:gdpr|cookies?)(?![\w-])"
)
# a page without any of these words, as nearly every Markdown file is, has nothing that could be dropped
_SUSPECT = re.compile(
    rf"<(?:{'|'.join(_DROPPED_TAGS)}|header|main|article|body)\b|<!--|hidden|style\s*=|role\s*=|cookie|consent|gdpr",
    re.I,
)
_MENU_ITEMS = 8
_LONGEST_ICON = 20  # characters of an `aria-hidden` text: longer ones are no icon's name
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")


@dataclass(frozen=True, slots=True)
class Page:
    """The tree of a page's main content; hides: did the page hold text that its readers never see?"""

    tree: etree._Element
    hides: bool = False


def read_page(text: str) -> Page | None:
    """What a page shows; None where there is no content. Raises DocumentError."""
    text = _DECLARATION.sub("", text)
    if not text.strip():
        return None
    parser = html.HTMLParser(huge_tree=True)  # without it libxml2 cuts the text that is nested over 255 levels
    try:
        page = html.document_fromstring(text, parser=parser)
    except (etree.LxmlError, ValueError) as problem:
        raise DocumentError("corrupt", f"no readable HTML ({problem})") from None
    if any(problem.type_name == "ERR_RESOURCE_LIMIT" for problem in parser.error_log):
        raise DocumentError("nested", "the markup is nested over 2,000 levels")
    if not _SUSPECT.search(text):
        return Page(page)
    hides = _drop_unseen(page)
    _drop_menus(page)
    return Page(_main(page), hides)


def _drop_unseen(page: etree._Element) -> bool:
    """Drop what is not shown, or is no content; say whether there was text among it that is hidden from readers."""
    hides = False
    etree.strip_elements(page, etree.Comment, *_DROPPED_TAGS, with_tail=False)
    for each in page.xpath("//*[@hidden or @aria-hidden or @style or @role or @class or @id]|//header"):
        if each.tag in ("html", "body", "main", "article") or each.getparent() is None:
            continue
        if _is_hidden(each) or _is_beside_content(each):
            hides = hides or _hides_text(each)
            each.drop_tree()
    return hides


def _is_hidden(each: etree._Element) -> bool:
    style = each.get("style")
    return each.get("hidden") is not None or bool(style and _HIDING_STYLE.search(style.lower()))


def _hides_text(each: etree._Element) -> bool:
    shortest = 1 if _is_hidden(each) else _LONGEST_ICON + 1 if each.get("aria-hidden") == "true" else None
    return shortest is not None and sum(map(len, _words(each))) >= shortest


def _is_beside_content(each: etree._Element) -> bool:
    return (
        each.get("aria-hidden") == "true"
        or each.get("role") in _DROPPED_ROLES
        or bool(_BANNER.search(f"{each.get('id', '')} {each.get('class', '')}".lower()) and len(_words(each)) < 200)
    )


def _drop_menus(page: etree._Element) -> None:
    """Drop long lists of nothing but links, unless they are what the page is about."""
    menus = [menu for menu in page.xpath("//ul|//ol") if _is_menu(menu)]
    words = {menu: len(_words(menu)) for menu in menus}
    if 2 * sum(words.values()) < len(_words(page)):
        for menu in menus:
            if menu.getparent() is not None:
                menu.drop_tree()


def _is_menu(menu: etree._Element) -> bool:
    items = menu.findall("li")
    if len(items) < _MENU_ITEMS:
        return False
    linked = sum(len(_words(link)) for link in menu.iter("a"))
    return linked == len(_words(menu)) <= 4 * len(items)


def _main(page: etree._Element) -> etree._Element:
    """The one `main` or `article` that holds most of the text, else the whole page."""
    for tag in ("main", "article"):
        found = page.findall(f".//{tag}")
        if len(found) == 1 and 2 * len(_words(found[0])) >= len(_words(page)):
            return found[0]
    return page


def _words(tree: etree._Element) -> list[str]:
    return " ".join(tree.itertext()).split()
