"""parse: limits that hold inside the parser, each with its reason."""

import io
import struct
import zipfile

import docx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reportlab.pdfgen.canvas import Canvas
from test_formats import odt, zipped

from pipelines.ingestion.parsing import DocumentError, ParseSettings, parse_content

pytestmark = pytest.mark.usefixtures("prepared_parser")


def _refusal(name, content, **limits):
    given = content.encode() if isinstance(content, str) else content
    with pytest.raises(DocumentError) as refusal:
        parse_content(given, name, ("eng",), ParseSettings(**limits))
    return refusal.value


def _outcome(name, content):
    """The text, or why there is none."""
    try:
        return " ".join(element.text for element in parse_content(content, name, ("eng",), ParseSettings()))
    except DocumentError as refusal:
        return refusal.detail


def _pages(number):
    content = io.BytesIO()
    canvas = Canvas(content, invariant=1)
    for _ in range(number):
        canvas.drawString(72, 700, "The words of a page.")
        canvas.showPage()
    canvas.save()
    return content.getvalue()


def _docx_with(**entries):
    content = io.BytesIO()
    docx.Document().save(content)
    with zipfile.ZipFile(content, "a", zipfile.ZIP_DEFLATED) as archive:
        for name, text in entries.items():
            archive.writestr(name, text)
    return content.getvalue()


def _lying(content, name):
    """The same zipped file, one entry of which says that it unpacks to ten bytes."""
    changed = bytearray(content)
    place = changed.rindex(name.encode())
    changed[place - 22 : place - 18] = struct.pack("<I", 10)
    return bytes(changed)


_LAUGHS = "".join(f'<!ENTITY l{level} "{f"&l{level - 1};" * 10}">' for level in range(1, 10))
_BOMB = f'<!DOCTYPE a [<!ENTITY l0 "ha">{_LAUGHS}]><a>&l9;</a>'
_QUADRATIC = f'<!DOCTYPE a [<!ENTITY b "{"b" * 100_000}">]><a>{"&b;" * 20_000}</a>'
_DEEP_XML = "<a>" * 300 + "words" + "</a>" * 300
_MAIL_IN_MAIL = "Subject: a\nMIME-Version: 1.0\nContent-Type: message/rfc822\n\n" * 12 + "Subject: end\n\nwords\n"


@pytest.mark.parametrize(
    ("fact", "name", "content", "limits", "reason", "detail"),
    [
        ("more pages than the limit", "a.pdf", _pages(3), {"max_pages": 2}, "too_long", "3 pages, the limit is 2"),
        ("a zip bomb", "a.docx", _docx_with(bomb="0" * 30_000_000), {}, "expands", "as only a bomb does"),
        (
            "more than may be unpacked",
            "a.docx",
            _docx_with(x="0" * 3_000_000),
            {"max_expanded_mb": 2},
            "expands",
            "MB, the limit is 2 MB",
        ),
        ("quotes in quotes", "a.md", "> " * 1500 + "words", {}, "nested", "nested over 150 levels"),
        ("lists in lists", "a.md", "- " * 400 + "words", {}, "nested", "nested over 150 levels"),
        ("boxes in boxes", "a.html", "<div>" * 1500 + "words", {}, "nested", "nested over 150 levels"),
        ("boxes without end", "a.html", "<div>" * 30_000 + "words", {}, "nested", "nested over 2,000 levels"),
        ("boxes over a lower limit", "a.html", "<div>" * 20 + "words", {"max_nesting": 10}, "nested", "over 10 levels"),
        ("tables in tables", "a.html", "<table><tr><td>" * 200 + "words", {}, "nested", "nested over 150 levels"),
        ("lists in JSON", "a.json", "[" * 200 + "1" + "]" * 200, {}, "nested", "nested over 150 levels"),
        ("JSON without end", "a.json", "[" * 100_000 + "]" * 100_000, {}, "nested", "nested too deep"),
        ("records in JSON", "a.json", '[{"a":' * 100 + "1" + "}]" * 100, {"max_nesting": 50}, "nested", "over 50"),
        ("deep XML", "a.xml", _DEEP_XML, {}, "nested", "nested over 255 levels"),
        ("XML over the limit", "a.xml", "<a>" * 200 + "words" + "</a>" * 200, {}, "nested", "over 150 levels"),
        ("a deep odt", "a.odt", odt("<text:span>" * 300 + "words" + "</text:span>" * 300), {}, "nested", "255 levels"),
        ("mails in mails", "a.eml", _MAIL_IN_MAIL, {}, "nested", "over 10 mails"),
        ("entities in entities", "a.xml", _BOMB, {}, "expands", "by its entities"),
        ("an entity many times", "a.xml", _QUADRATIC, {}, "expands", "by its entities"),
        ("an archive", "a.zip", zipped({"a.txt": "words"}), {}, "unsupported", "an archive of 1 files"),
        ("an archive in an archive", "a.zip", zipped({"a.zip": zipped({"a.txt": "x"})}), {}, "unsupported", "archive"),
    ],
)
def test_a_limit_has_its_reason(fact, name, content, limits, reason, detail):
    refusal = _refusal(name, content, **limits)
    assert (refusal.reason, detail in refusal.detail) == (reason, True), (fact, refusal)


def test_an_entry_that_lies_about_its_size_is_not_unpacked_further():
    content = _lying(odt("words " * 1000), "content.xml")
    refusal = _refusal("a.odt", content)
    assert (refusal.reason, "content.xml in the zipped file cannot be read" in refusal.detail) == ("corrupt", True)


def test_an_entity_never_reads_a_file(tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    xml = f'<!DOCTYPE a [<!ENTITY x SYSTEM "{(tmp_path / "secret.txt").as_uri()}">]><a><p>before</p><p>&x;after</p></a>'
    assert "secret" not in _outcome("a.xml", xml.encode())


def test_what_is_nested_within_the_limit_is_read():
    found = parse_content(("> " * 100 + "words").encode(), "a.md", ("eng",), ParseSettings())
    assert [element.text for element in found] == ["words"]


def test_limits_are_no_part_of_what_elements_come_out():
    plain, limited, layout = ParseSettings(), ParseSettings(max_pages=7), ParseSettings(pdf_layout=True)
    assert plain.parse_id == limited.parse_id != layout.parse_id
    assert len({plain.attempt_id, limited.attempt_id, layout.attempt_id}) == 3
    assert ParseSettings(workers=7).attempt_id == plain.attempt_id


def test_the_layout_of_a_pdf_says_which_package_it_needs():
    refusal = _refusal("a.pdf", _pages(1), pdf_layout=True)
    assert (refusal.reason, "pdf_layout needs the package" in refusal.detail) == ("missing_tool", True)


_NAMES = [f"a.{suffix}" for suffix in "md mdx html txt csv json ndjson xml rst org eml py rtf docx pdf odt".split()]
_HEADS = [
    "",
    "PK\x03\x04",
    "%PDF-1.4\n",
    "{\\rtf1",
    "<?xml version='1.0'?>",
    "---\n",
    "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
]


@settings(max_examples=150)
@given(
    name=st.sampled_from(_NAMES),
    head=st.sampled_from(_HEADS),
    body=st.binary(max_size=200) | st.text("<>{}[]|-#*:.'\"&;= \n\tabcé", max_size=200).map(str.encode),
)
def test_any_content_ends_as_text_or_with_a_reason(name, head, body):
    assert _outcome(name, head.encode("latin-1") + body)
