"""parse: what each kind of file is read as, and why a file is kept out."""

import io
import struct
from email.message import EmailMessage

import docx
import openpyxl
import pptx
import pypdf
import pytest
from PIL import Image
from pydantic import ValidationError
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from knowledge.record import Rejected
from pipelines.ingestion.parsing import DocumentError, ParseSettings
from pipelines.ingestion.read import Work, parse_document, read_document
from pipelines.ingestion.split import SplitSettings
from pipelines.ingestion.stopwatch import Stopwatch

pytestmark = pytest.mark.usefixtures("prepared_parser")

_SENTENCE = "A refund takes five working days to arrive on the account that you paid from."


def _saved(document):
    content = io.BytesIO()
    document.save(content)
    return content.getvalue()


def _docx():
    document = docx.Document()
    document.add_heading("Refunds", 1)
    document.add_heading("By card", 2)
    document.add_paragraph(_SENTENCE)
    document.add_paragraph("Keep the receipt.", style="List Bullet")
    table = document.add_table(2, 2)
    for cell, text in zip((*table.row_cells(0), *table.row_cells(1)), ("Plan", "Price", "Team", "19 EUR"), strict=True):
        cell.text = text
    return _saved(document)


def _pptx():
    slides = pptx.Presentation()
    for title, text in (
        ("Refunds", _SENTENCE),
        ("Parcels", "Parcels travel by rail through the whole of the country, and by ship to the islands."),
    ):
        slide = slides.slides.add_slide(slides.slide_layouts[5])
        slide.shapes.title.text = title
        slide.shapes.add_textbox(0, 3_000_000, 9_000_000, 900_000).text_frame.text = text
    return _saved(slides)


def _xlsx(*rows):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    return _saved(book)


def _pdf(*pages):
    content = io.BytesIO()
    canvas = Canvas(content, invariant=1)
    for lines in pages:
        for place, line in enumerate(lines):
            canvas.drawString(72, 760 - 14 * place, line)
        canvas.showPage()
    canvas.save()
    return content.getvalue()


def compound(*names):
    """A compound file, as old Office and locked files are, with nothing but the names of its streams."""
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    header += struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    header += struct.pack("<IIIIIIIIII", 0, 1, 1, 0, 4096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0, 0)
    header += b"\xff" * 432
    sectors = struct.pack("<II", 0xFFFFFFFD, 0xFFFFFFFE) + b"\xff" * 504
    for place, name in enumerate(("Root Entry", *names, *[""] * (3 - len(names)))):
        written = name.encode("utf-16-le")
        right = place + 1 if 0 < place < len(names) else 0xFFFFFFFF
        child = 1 if place == 0 else 0xFFFFFFFF
        kind = 0 if not name else 5 if place == 0 else 2
        sectors += written.ljust(64, b"\0") + struct.pack("<HBB", len(written) + 2 if name else 0, kind, 1)
        sectors += struct.pack("<III36xIQ", 0xFFFFFFFF, right, child, 0xFFFFFFFE, 0)
    return header + sectors


def _png():
    content = io.BytesIO()
    Image.new("L", (8, 8)).save(content, "PNG")
    return content.getvalue()


def _scan():
    content = io.BytesIO()
    canvas = Canvas(content, invariant=1)
    canvas.drawImage(ImageReader(io.BytesIO(_png())), 0, 0, 99, 99)
    canvas.save()
    return content.getvalue()


def _locked_pdf():
    writer = pypdf.PdfWriter(io.BytesIO(_pdf([_SENTENCE])))
    writer.encrypt("sesame", algorithm="RC4-128")
    content = io.BytesIO()
    writer.write(content)
    return content.getvalue()


def _eml(**headers):
    message = EmailMessage()
    for name, value in headers.items():
        message[name] = value
    message.set_content(f"{_SENTENCE}\n")
    return message.as_bytes()


def _read(write_document, name, content, **settings):
    elements = parse_document(write_document(name, content), ParseSettings(**settings))
    return [(element.kind, element.text) for element in elements]


_PLANS = [("row", "Plan: Team; Price: 19 EUR"), ("row", "Plan: Business; Price: 49 EUR")]
_MARKDOWN = f"""\
# Refunds

{_SENTENCE}

## By card

- Keep the receipt.
- Name the order.

| Plan | Price |
|------|-------|
| Team | 19 EUR |
| Business | 49 EUR |

```
GET /refunds
```
"""
_HTML = f"<html><body><h1>Refunds</h1><p>{_SENTENCE}</p><ul><li>Keep the receipt.</li></ul></body></html>"


@pytest.mark.parametrize(
    ("name", "content", "elements"),
    [
        (
            "a.md",
            _MARKDOWN,
            [
                ("title", "Refunds"),
                ("text", _SENTENCE),
                ("title", "By card"),
                ("item", "Keep the receipt."),
                ("item", "Name the order."),
                *_PLANS,
                ("code", "GET /refunds"),
            ],
        ),
        ("a.html", _HTML, [("title", "Refunds"), ("text", _SENTENCE), ("item", "Keep the receipt.")]),
        ("a.txt", f"{_SENTENCE}\n\n- Keep the receipt.", [("text", _SENTENCE), ("item", "Keep the receipt.")]),
        ("a.csv", "Plan,Price\nTeam,19 EUR\nBusiness,49 EUR\n", _PLANS),
        (
            "a.eml",
            _eml(Subject="Grüße aus Köln", From="Ada <ada@a.example>", Date="Mon, 05 Jan 2026 09:00:00 +0000"),
            [
                ("title", "Grüße aus Köln"),
                ("text", "From: Ada <ada@a.example>; Date: Mon, 05 Jan 2026 09:00:00 +0000"),
                ("text", _SENTENCE),
            ],
        ),
        (
            "a.docx",
            _docx(),
            [
                ("title", "Refunds"),
                ("title", "By card"),
                ("text", _SENTENCE),
                ("item", "Keep the receipt."),
                ("row", "Plan: Team; Price: 19 EUR"),
            ],
        ),
        (
            "a.pptx",
            _pptx(),
            [
                ("title", "Refunds"),
                ("text", _SENTENCE),
                ("title", "Parcels"),
                ("text", "Parcels travel by rail through the whole of the country, and by ship to the islands."),
            ],
        ),
        ("a.xlsx", _xlsx(["Plan", "Price"], ["Team", "19 EUR"], ["Business", "49 EUR"]), _PLANS),
        ("a.pdf", _pdf([_SENTENCE]), [("text", _SENTENCE)]),
    ],
)
def test_each_kind_is_read_in_its_order(write_document, name, content, elements):
    assert _read(write_document, name, content) == elements


def test_a_heading_knows_its_depth(write_document):
    elements = parse_document(write_document("a.md", _MARKDOWN), ParseSettings())
    assert [element.depth for element in elements if element.kind == "title"] == [0, 1]


def test_a_page_of_a_pdf_and_a_slide_know_their_number(write_document):
    pdf = parse_document(write_document("a.pdf", _pdf(["The first page."], ["And another one."])), ParseSettings())
    slides = parse_document(write_document("a.pptx", _pptx()), ParseSettings())
    assert [element.page for element in pdf] == [1, 2]
    assert [element.page for element in slides] == [1, 1, 2, 2]


@pytest.mark.parametrize("name", ["a.docx", "a.txt", "a.pdf", "a.MD", "a", "a.zip"])
def test_an_office_file_is_read_by_its_content_whatever_its_name(write_document, name):
    assert ("text", _SENTENCE) in _read(write_document, name, _docx())


@pytest.mark.parametrize("name", ["a.txt", "A.TXT", "a.text", "a.md", "a.markdown", "a.html", "a.htm"])
def test_names_of_plain_text(write_document, name):
    assert _read(write_document, name, _SENTENCE) == [("text", _SENTENCE)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252"])
@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.html", "a.csv"])
def test_texts_are_read_in_the_encodings_people_save_them_in(write_document, name, encoding):
    text = "Die Rückgabe dauert fünf Tage, danach ist alles vorüber."
    found = " ".join(text for _, text in _read(write_document, name, text.encode(encoding)))
    assert "Rückgabe dauert fünf Tage" in found
    assert "\ufeff" not in found


@pytest.mark.parametrize(
    ("fact", "name", "content", "reason", "detail"),
    [
        ("no bytes", "a.txt", b"", "empty", "the file has no content"),
        ("no bytes in an office file", "a.docx", b"", "empty", "the file has no content"),
        ("white space", "a.md", b" \n\t\r\n ", "empty", "the file has no content"),
        ("signs without a word", "a.txt", b"--- *** ---\n", "empty", "the txt holds no text"),
        ("a page without text", "a.html", b"<html><body><p> </p></body></html>", "empty", "the html holds no text"),
        ("a page of hidden text", "a.html", b"<p hidden>words</p>", "empty", "the html holds no text"),
        ("a document without text", "a.docx", _saved(docx.Document()), "empty", "the docx holds no text"),
        ("a workbook without cells", "a.xlsx", _xlsx(), "empty", "the xlsx holds no text"),
        ("a PDF without text", "a.pdf", _pdf([]), "empty", "the pdf holds no text"),
        ("a locked PDF", "a.pdf", _locked_pdf(), "encrypted", "the PDF needs a password"),
        ("a locked office file", "a.docx", compound("EncryptionInfo", "EncryptedPackage"), "encrypted", "the .docx"),
        ("an old Word file", "a.doc", compound("WordDocument"), "missing_tool", "doc needs LibreOffice (soffice)"),
        ("an old Word file by another name", "a.docx", compound("WordDocument"), "missing_tool", "LibreOffice"),
        ("another program's file", "a.doc", compound("Drawing"), "unsupported", "an OLE container"),
        ("half an old Office file", "a.doc", compound("WordDocument")[:700], "corrupt", "old Office"),
        ("an image", "a.png", _png(), "missing_tool", "tesseract"),
        ("half an image", "a.png", b"\x89PNG\r\n\x1a\n" + bytes(99), "corrupt", "the image cannot be read"),
        ("a scanned PDF", "a.pdf", _scan(), "missing_tool", "only images of pages"),
        ("a sound", "a.mp3", b"ID3\x04" + bytes(99), "unsupported", "audio/mpeg"),
        ("an image by another name", "a.xlsx", b"\x89PNG\r\n\x1a\n" + bytes(99), "unsupported", "image/png"),
        ("an image named as text", "a.txt", b"\xff\xd8\xff\xe0" + bytes(99), "unsupported", "image/jpeg"),
        ("a kind nobody reads", "a.xyz", b"some words", "unsupported", "files ending in .xyz are not read"),
        ("zero bytes in a text", "a.txt", b"some\0words", "unsupported", "the content is binary, not text"),
        ("zero bytes in a page", "a.html", b"<p>some\0words</p>", "unsupported", "the content is binary"),
        ("a text in no encoding", "a.txt", b"some \x81\x8d words", "encoding", "cannot be told for sure. Save it"),
        (
            "half a UTF-16 character",
            "a.txt",
            "words".encode("utf-16") + b"x",
            "encoding",
            "not in utf-16, as it says itself",
        ),
        ("half a document", "a.docx", _docx()[:9000], "corrupt", "the zipped file cannot be opened"),
        ("half a presentation", "a.pptx", _pptx()[:9000], "corrupt", "the zipped file cannot be opened"),
        ("half a PDF header", "a.pdf", b"%PDF-1.4\nnothing more", "corrupt", "the PDF cannot be read"),
        ("a text named docx", "a.docx", b"some words", "corrupt", "the content is not that of a .docx file"),
        ("a text named pdf", "a.pdf", b"some words", "corrupt", "the content is not that of a .pdf file"),
        (
            "a mail in an unknown charset",
            "a.eml",
            b"Content-Type: text/plain; charset=x-no\n\nhi\n",
            "encoding",
            "x-no",
        ),
    ],
)
def test_why_a_file_is_kept_out(write_document, monkeypatch, fact, name, content, reason, detail):
    monkeypatch.setenv("PATH", "")  # the machine may have the tools
    with pytest.raises(DocumentError) as refusal:
        _read(write_document, name, content)
    assert refusal.value.reason == reason, fact
    assert detail in refusal.value.detail


def test_a_file_that_is_gone_is_unreadable(write_document):
    document = write_document("a.txt", _SENTENCE)
    document.path.unlink()
    with pytest.raises(DocumentError) as refusal:
        parse_document(document, ParseSettings())
    assert (refusal.value.reason, refusal.value.detail) == (
        "unreadable",
        "cannot be opened: No such file or directory",
    )


@pytest.mark.parametrize(("size", "kept_out"), [(1000, False), (1001, True)])
def test_the_size_limit_is_the_largest_size_that_is_read(write_document, size, kept_out):
    content = ("word " * 300)[:size].encode()
    if not kept_out:
        assert _read(write_document, "a.txt", content, max_size_mb=0.001)
        return
    with pytest.raises(DocumentError) as refusal:
        _read(write_document, "a.txt", content, max_size_mb=0.001)
    assert (refusal.value.reason, refusal.value.detail) == ("too_large", "0.0 MB, the limit is 0.001 MB")


@pytest.mark.parametrize("values", [{"timeout_seconds": 0}, {"workers": 0}, {"max_size_mb": -1}, {"worker": 2}])
def test_settings_that_make_no_sense_are_refused(values):
    with pytest.raises(ValidationError):
        ParseSettings(**values)


def test_a_refusal_becomes_a_rejected_document(write_document):
    document, settings = write_document("a.txt", b""), ParseSettings()
    assert read_document(document, Work(settings, SplitSettings()), Stopwatch()) == Rejected(
        "docs/a.txt", document.doc_sha, settings.attempt_id, "empty", "the file has no content"
    )


@pytest.mark.parametrize("head", ["", '<?xml version="1.0" encoding="utf-8"?>', '\n<?xml version="1.0"?>\n'])
def test_a_page_may_begin_as_xml(write_document, head):
    assert _read(write_document, "a.html", f"{head}<html><body><p>{_SENTENCE}</p></body></html>") == [
        ("text", _SENTENCE)
    ]


def test_a_pdf_keeps_its_links_and_the_headings_of_its_outline(write_document):
    content = io.BytesIO()
    canvas = Canvas(content, invariant=1)
    canvas.bookmarkPage("refunds")
    canvas.addOutlineEntry("Refunds", "refunds")
    canvas.drawString(72, 760, "Refunds")
    canvas.drawString(72, 700, "How long it takes is told by the guide, and by nothing else.")
    left = 72 + canvas.stringWidth("How long it takes is told by ")
    box = (left, 696, left + canvas.stringWidth("the guide"), 712)
    canvas.linkURL("https://a.example/guide", box)
    canvas.save()
    elements = parse_document(write_document("a.pdf", content.getvalue()), ParseSettings())
    assert [(element.kind, element.text, element.page) for element in elements] == [
        ("title", "Refunds", 1),
        ("text", "How long it takes is told by the guide (https://a.example/guide), and by nothing else.", 1),
    ]


def test_a_numbered_line_above_a_paragraph_of_a_pdf_is_a_heading(write_document):
    lines = ["2.1 Refunds by card", _SENTENCE, "", "1. Keep the receipt", "2. Name the order"]
    found = parse_document(write_document("a.pdf", _pdf(lines)), ParseSettings())
    assert [(element.kind, element.depth) for element in found][:2] == [("title", 2), ("text", 0)]
    assert {element.kind for element in found[2:]} == {"item"}


def test_a_pdf_is_read_without_its_running_heads_and_with_its_lines_joined(write_document):
    pages = [
        [
            "Handbook 2026",
            f"Topic {word} is described here in a line",
            f"which tells where {word} go and come from.",
            f"Page {number}",
        ]
        for number, word in enumerate(("refunds", "parcels", "invoices"), start=1)
    ]
    assert _read(write_document, "a.pdf", _pdf(*pages)) == [
        ("text", f"Topic {word} is described here in a line which tells where {word} go and come from.")
        for word in ("refunds", "parcels", "invoices")
    ]


@pytest.mark.parametrize("tag", ['<p style="display:none">secret</p>', "<div hidden>secret</div>"])
def test_what_is_hidden_in_markdown_or_mail_is_dropped_as_in_a_page(write_document, tag):
    assert _read(write_document, "a.md", f"# Title\n\n{_SENTENCE}\n\n{tag}\n") == [
        ("title", "Title"),
        ("text", _SENTENCE),
    ]
    body = f"<html><body><p>{_SENTENCE}</p>{tag}</body></html>"
    mail = f"Subject: News\nMIME-Version: 1.0\nContent-Type: text/html\n\n{body}"
    assert _read(write_document, "a.eml", mail) == [("title", "News"), ("text", _SENTENCE)]


@pytest.mark.parametrize("text", ["BMW leasing is a word", "MZ is a country code", "GIF89a is an old format"])
def test_prose_that_begins_like_a_binary_is_read(write_document, text):
    assert [words for _, words in _read(write_document, "a.txt", f"{text} that stands here.")] == [
        f"{text} that stands here."
    ]


def test_a_short_sentence_is_no_title(write_document):
    sentence = "A refund takes five working days to arrive on your account."
    assert _read(write_document, "a.txt", sentence) == [("text", sentence)]


def _workbook_with_spoilt_bytes():
    """A workbook whose compressed sheet is damaged: the zip opens, the inflating fails."""
    file = io.BytesIO()
    book = openpyxl.Workbook()
    for number in range(50):
        book.active.append([f"row {number}", number])
    book.save(file)
    content = bytearray(file.getvalue())
    place = content.index(b"xl/worksheets/sheet1.xml") + 60
    content[place : place + 40] = b"\xff" * 40
    return bytes(content)


def test_whatever_a_vendor_raises_costs_one_document(write_document):
    document = write_document("spoilt.xlsx", _workbook_with_spoilt_bytes())
    outcome = read_document(document, Work(ParseSettings(), SplitSettings()), Stopwatch())
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "corrupt"
    assert outcome.detail.startswith("the xlsx cannot be read (")
