"""Makes the binary files among the sample documents for employees: PDF, Word and Excel files.

Run from the project folder: `python -m knowledge.samples.make_staff_files`. The files are written beside this
script and come out the same each time. Two of them are broken on purpose: one PDF needs a password and one
`.xlsx` is a picture.
"""

import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from xml.sax.saxutils import escape

from docx import Document
from openpyxl import Workbook
from openpyxl.styles import Font
from pypdf import PdfReader, PdfWriter
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle, getSampleStyleSheet
from reportlab.lib.units import cm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import BaseDocTemplate, Frame, PageTemplate, Paragraph

from knowledge.samples.make_staff_texts import (
    DATA_PROCESSING,
    EMPLOYEE_HANDBOOK,
    OLD_AUDIT,
    SECURITY_WHITE_PAPER,
    SERVICE_LEVELS,
)

HERE = Path(__file__).parent
ARCHIVE_PASSWORD = "archive-2019"
MARGIN = 2.4 * cm
MADE_AT = "2026-10-05T08:00:00Z"

Cell = str | int
Row = tuple[Cell, ...]

SUBPROCESSOR_TASKS: tuple[tuple[str, str, str, str, str], ...] = (
    ("Quellmark Hosting", "Frankfurt", "2019-04", "runs the primary data centre in Frankfurt", "everything"),
    ("Liffeyrack Data", "Dublin", "2021-02", "runs the second data centre in Dublin", "everything"),
    (
        "Ostrelle Mail",
        "Dublin",
        "2023-06",
        "delivers invoices and notifications by e-mail",
        "addresses, invoices",
    ),
    (
        "Brindlepay",
        "Amsterdam",
        "2020-09",
        "processes card payments and direct debits",
        "card token, bank details",
    ),
    ("Secundapay", "Vienna", "2025-11", "processes card payments when Brindlepay is down", "card token"),
    ("Kestrowave", "Tallinn", "2022-01", "sends sign-in codes as text messages", "mobile phone number"),
    ("Deskmarrow", "Lyon", "2024-03", "runs the ticket system of the help desk", "addresses, tickets"),
    (
        "Halvenne Metrics",
        "Helsinki",
        "2024-10",
        "collects error reports without names",
        "shortened IP address",
    ),
)

SUBPROCESSORS: tuple[Row, ...] = (
    ("Subprocessor", "Location", "In use since", "Task", "Data"),
    *((name, town, since, f"{name} {task}.", data) for name, town, since, task, data in SUBPROCESSOR_TASKS),
)

SUBPROCESSOR_CHANGES: tuple[Row, ...] = (
    ("Date", "Change"),
    ("2025-11-03", "Secundapay was added as a stand-by for card payments."),
    ("2026-02-02", "The former provider of text messages for North America was removed."),
    ("2026-10-05", "Planned: from 15 January 2027 Deskmarrow will also store call recordings for 30 days."),
)

SALARY_BANDS: tuple[Row, ...] = (
    ("Band", "Typical roles", "Minimum (EUR a year)", "Maximum (EUR a year)", "Summary"),
    ("P1", "Trainee, junior support agent", 34_000, 41_500, "Band P1 pays from 34,000 to 41,500 EUR a year."),
    (
        "P2",
        "Support agent, junior engineer",
        42_000,
        51_000,
        "Band P2 pays from 42,000 to 51,000 EUR a year.",
    ),
    (
        "P3",
        "Senior support agent, engineer",
        52_500,
        65_000,
        "Band P3 pays from 52,500 to 65,000 EUR a year.",
    ),
    (
        "P4",
        "Team lead support, senior engineer",
        67_500,
        83_000,
        "Band P4 pays from 67,500 to 83,000 EUR a year.",
    ),
    (
        "P5",
        "Staff engineer, head of a team",
        85_000,
        104_000,
        "Band P5 pays from 85,000 to 104,000 EUR a year.",
    ),
    ("P6", "Director", 108_000, 136_000, "Band P6 pays from 108,000 to 136,000 EUR a year."),
)

SALARY_NOTES: tuple[Row, ...] = (
    ("Topic", "Rule"),
    ("Validity", "The bands are valid from 1 April 2026 to 31 March 2027."),
    ("Review", "The bands are reviewed every year in February against a market survey."),
    ("Raise", "A raise of more than 8 % in one year needs the agreement of the finance lead."),
    ("Location", "The bands apply in all countries without a local factor."),
    ("Bonus", "The yearly bonus is 6 % of the salary for all bands and depends on company results only."),
)


@dataclass(frozen=True)
class Block:
    """One piece of a text: `kind` is title, heading, item, row or paragraph."""

    kind: str
    text: str


MARKS = (("# ", "title"), ("## ", "heading"), ("- ", "item"), ("| ", "row"))


def blocks(text: str) -> Iterator[Block]:
    """The text as blocks; lines of a paragraph or of a list item are joined."""
    open_block: Block | None = None
    for line in text.strip().splitlines():
        mark, kind = next((pair for pair in MARKS if line.startswith(pair[0])), ("", "paragraph"))
        if open_block and (mark or not line):
            yield open_block
            open_block = None
        if kind in ("title", "heading", "row"):
            yield Block(kind, line.removeprefix(mark))
        elif line:
            start = f"{open_block.text} " if open_block else ""
            open_block = Block(open_block.kind if open_block else kind, start + line.removeprefix(mark))
    if open_block:
        yield open_block


def pdf_bytes(text: str, footer: str) -> bytes:
    """The text as a PDF with headings and a footer on every page."""
    sheet = getSampleStyleSheet()
    body = ParagraphStyle("body", parent=sheet["BodyText"], fontSize=10.5, leading=14.5, spaceAfter=6)
    styles = {"title": sheet["Title"], "heading": sheet["Heading2"]}
    story = [Paragraph(escape(block.text), styles.get(block.kind, body)) for block in blocks(text)]
    target = BytesIO()
    document = BaseDocTemplate(target, pagesize=A4, title=footer, invariant=1)

    def draw_footer(canvas: Canvas, _: BaseDocTemplate) -> None:
        canvas.setFont("Helvetica", 8)
        canvas.drawString(MARGIN, 1.3 * cm, f"{footer} - page {canvas.getPageNumber()}")

    frame = Frame(MARGIN, MARGIN, A4[0] - 2 * MARGIN, A4[1] - 2 * MARGIN)
    document.addPageTemplates(PageTemplate(frames=[frame], onPageEnd=draw_footer))
    document.build(story)
    return target.getvalue()


def write_locked_pdf(path: Path, text: str, password: str) -> None:
    """A PDF that opens only with the password. Its bytes differ each time, so an existing one is kept."""
    if path.exists():
        return
    writer = PdfWriter(clone_from=PdfReader(BytesIO(pdf_bytes(text, "Internal audit 2019"))))
    writer.encrypt(user_password=password, algorithm="AES-256")
    with path.open("wb") as target:
        writer.write(target)


def write_docx(path: Path, text: str) -> None:
    """The text as a Word file with real headings, lists and tables."""
    document = Document()
    rows: list[list[str]] = []
    for block in [*blocks(text), Block("end", "")]:
        if block.kind == "row":
            rows.append(block.text.split(" | "))
            continue
        if rows:
            table = document.add_table(rows=len(rows), cols=len(rows[0]), style="Table Grid")
            for row, texts in zip(table.rows, rows, strict=True):
                for cell, cell_text in zip(row.cells, texts, strict=True):
                    cell.text = cell_text
            rows = []
        if block.kind in ("title", "heading"):
            document.add_heading(block.text, level=0 if block.kind == "title" else 1)
        elif block.kind != "end":
            document.add_paragraph(block.text, style="List Bullet" if block.kind == "item" else None)
    document.save(path)
    settle(path)


def write_xlsx(path: Path, sheets: Iterable[tuple[str, Sequence[Row]]]) -> None:
    """An Excel file: each sheet has a name and rows, the first of which is the head."""
    book = Workbook()
    book.remove(book.active)
    for name, rows in sheets:
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
        for cell in sheet[1]:
            cell.font = Font(bold=True)
        for column in sheet.columns:
            sheet.column_dimensions[column[0].column_letter].width = 4 + max(len(str(c.value)) for c in column)
        sheet.freeze_panes = "A2"
    book.save(path)
    settle(path)


def settle(path: Path) -> None:
    """Gives every part of an office file a fixed date, so that the same content makes the same bytes."""
    with zipfile.ZipFile(path) as archive:
        parts = [(name, archive.read(name)) for name in archive.namelist()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts:
            if name == "docProps/core.xml":
                content = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", MADE_AT.encode(), content)  # noqa: PLW2901
            info = zipfile.ZipInfo(name, date_time=(2026, 10, 5, 8, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)


def png_bytes(width: int, height: int) -> bytes:
    """A small grey-scale picture: a plain gradient."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    lines = b"".join(b"\0" + bytes((x * y) % 251 for x in range(width)) for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    picture = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines, 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + picture


def main() -> None:
    """Write every file."""
    trust, operations, people = HERE / "trust", HERE / "operations", HERE / "people"
    for folder in (trust, operations, people):
        folder.mkdir(exist_ok=True)
    footer = "Tallyvane Security White Paper, version 4.2"
    (trust / "security-white-paper.pdf").write_bytes(pdf_bytes(SECURITY_WHITE_PAPER, footer))
    write_locked_pdf(trust / "archive-2019-audit.pdf", OLD_AUDIT, ARCHIVE_PASSWORD)
    write_docx(trust / "sla.docx", SERVICE_LEVELS)
    write_docx(trust / "data-processing-agreement.docx", DATA_PROCESSING)
    write_docx(people / "employee-handbook.docx", EMPLOYEE_HANDBOOK)
    write_xlsx(
        trust / "subprocessors.xlsx",
        [("Subprocessors", SUBPROCESSORS), ("Changes", SUBPROCESSOR_CHANGES)],
    )
    write_xlsx(people / "salary-bands.xlsx", [("Bands", SALARY_BANDS), ("Rules", SALARY_NOTES)])
    (operations / "quarterly-numbers.xlsx").write_bytes(png_bytes(24, 24))


if __name__ == "__main__":
    main()
