"""parse: what survives of the formats that are no office files, which kind a content is, and in which encoding."""

import io
import json
import zipfile
from dataclasses import asdict

import openpyxl
import pytest

from knowledge.record import Element
from pipelines.ingestion.parsing import DocumentError, ParseSettings, parse_content

pytestmark = pytest.mark.usefixtures("prepared_parser")

_SENTENCE = "A refund takes five working days to arrive on the account that you paid from."
_PLANS = [("row", "Plan: Team; Price: 19 EUR"), ("row", "Plan: Business; Price: 49 EUR")]


def _elements(name, content):
    given = content.encode() if isinstance(content, str) else content
    return parse_content(given, name, ("eng",), ParseSettings())


def _read(name, content):
    return [(element.kind, element.text) for element in _elements(name, content)]


def zipped(entries):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in entries.items():
            archive.writestr(name, text)
    return content.getvalue()


_NAMESPACES = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ("office", "text", "table")
)


def odt(body):
    text = (
        f'<office:document-content {_NAMESPACES} xmlns:xlink="http://www.w3.org/1999/xlink"><office:body><office:text>'
        f"{body}</office:text></office:body></office:document-content>"
    )
    return zipped(
        {
            "mimetype": "application/vnd.oasis.opendocument.text",
            "META-INF/manifest.xml": "<manifest/>",
            "content.xml": text,
        }
    )


def epub(*chapters):
    names = [f"c{number}.xhtml" for number in range(len(chapters))]
    items = "".join(f'<item id="{name}" href="{name}"/>' for name in names)
    spine = "".join(f'<itemref idref="{name}"/>' for name in names)
    return zipped(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": '<container><rootfile full-path="OPS/book.opf"/></container>',
            "OPS/book.opf": f"<package><metadata><title>Handbook</title></metadata>"
            f"<manifest>{items}</manifest><spine>{spine}</spine></package>",
            **{f"OPS/{name}": f"<html><body>{text}</body></html>" for name, text in zip(names, chapters, strict=True)},
        }
    )


_RST = f"""\
Refunds
=======

{_SENTENCE} See :ref:`the guide <guide>` or `its page <guide.html>`_.

.. include:: /etc/passwd

.. versionadded:: 2.0

By card
-------

- Keep the receipt.

======== ======
Plan     Price
======== ======
Team     19 EUR
Business 49 EUR
======== ======

.. code-block:: http

   GET /refunds
"""
_ORG = f"""\
#+TITLE: Handbook
* TODO Refunds :money:
:PROPERTIES:
:ID: 7
:END:
{_SENTENCE}
See [[guide.org][the *guide*]].
** By card
- Keep the receipt.
| Plan | Price |
|------+-------|
| Team | 19 EUR |
| Business | 49 EUR |
#+begin_src http
GET /refunds
#+end_src
"""
_MDX = f"""\
---
title: Refunds
icon: coin
---
import {{ Card }} from '@site/card'
export const days = {{
  card: 5,
}}

{{/* not for readers */}}

<Card title="By card" style={{{{color: 'red'}}}}>
    {_SENTENCE}
</Card>

Give `<Name>` and {{/* not `this` */}}press Enter.

```jsx
import x from 'y'
<Card />
```
"""
_RTF = r"""{\rtf1\ansi\ansicpg1252 A refund takes f\'fcnf days to arrive on the account that you paid from.\par
\trowd\cellx1\cellx2 Plan\intbl\cell Price\intbl\cell\row\trowd Team\intbl\cell 19 EUR\intbl\cell\row}"""
_XML = """<?xml version="1.0" encoding="ISO-8859-1"?><plans><title>Plans</title>
<plan id="1"><name>Team</name><price>19 EUR</price></plan>
<plan id="2"><name>Gr\xfc\xdfe</name><price>49 EUR</price></plan>
<para>Words <b>with</b> marks.</para></plans>"""


@pytest.mark.parametrize(
    ("name", "content", "elements"),
    [
        (
            "a.rst",
            _RST,
            [
                ("title", "Refunds"),
                ("text", f"{_SENTENCE} See the guide or its page (guide.html)."),
                ("text", "2.0"),
                ("title", "By card"),
                ("item", "Keep the receipt."),
                *_PLANS,
                ("code", "GET /refunds"),
            ],
        ),
        (
            "a.org",
            _ORG,
            [
                ("title", "Handbook"),
                ("title", "Refunds"),
                ("text", f"{_SENTENCE} See the guide (guide.org)."),
                ("title", "By card"),
                ("item", "Keep the receipt."),
                *_PLANS,
                ("code", "GET /refunds"),
            ],
        ),
        (
            "a.mdx",
            _MDX,
            [
                ("title", "Refunds"),
                ("text", "By card"),
                ("text", _SENTENCE),
                ("text", "Give <Name> and press Enter."),
                ("code", "import x from 'y'\n<Card />"),
            ],
        ),
        (
            "a.rtf",
            _RTF,
            [
                ("text", "A refund takes fünf days to arrive on the account that you paid from."),
                ("row", "Plan: Team; Price: 19 EUR"),
            ],
        ),
        ("a.tsv", "Plan\tPrice\nTeam\t19 EUR\nBusiness\t49 EUR\n", _PLANS),
        ("a.csv", 'Plan;Price\nTeam;19 EUR\n"Business";49 EUR\n', _PLANS),
        ("a.csv", "Prices,\nPlan,Price\nTeam,19 EUR\nBusiness,49 EUR\n", [("row", "Prices"), *_PLANS]),
        ("a.csv", "a,b\n1,2,3,4\n", [("row", "1; 2; 3; 4")]),
        (
            "a.odt",
            odt(
                '<text:h text:outline-level="1">Refunds</text:h><text:p>See<text:s/><text:a xlink:href="g.odt">the '
                "guide</text:a>.</text:p><text:list><text:list-item><text:p>Keep it.</text:p>"
                "</text:list-item></text:list>"
                "<table:table><table:table-row><table:table-cell><text:p>Plan</text:p></table:table-cell>"
                "<table:table-cell><text:p>Price</text:p></table:table-cell></table:table-row><table:table-row>"
                "<table:table-cell><text:p>Team</text:p></table:table-cell><table:table-cell><text:p>19 EUR</text:p>"
                "</table:table-cell></table:table-row></table:table><office:annotation>a note</office:annotation>"
            ),
            [("title", "Refunds"), ("text", "See the guide (g.odt)."), ("item", "Keep it."), _PLANS[0]],
        ),
        (
            "a.json",
            '{"name": "Plans", "plans": [{"plan": "Team", "price": {"EUR": 19}}, {"plan": "Pro", "tags": ["a", "b"]}]}',
            [
                ("row", "name: Plans"),
                ("title", "plans"),
                ("row", "plan: Team; price.EUR: 19"),
                ("row", "plan: Pro; tags: a; b"),
            ],
        ),
        ("a.jsonl", '{"plan": "Team"}\n\n{"plan": "Pro"}\n', [("row", "plan: Team"), ("row", "plan: Pro")]),
        (
            "a.xml",
            _XML.encode("latin-1"),
            [
                ("title", "Plans"),
                ("row", "id: 1; name: Team; price: 19 EUR"),
                ("row", "id: 2; name: Grüße; price: 49 EUR"),
                ("text", "Words with marks."),
            ],
        ),
        (
            "a.py",
            "import os\n\n\ndef one():\n    x = 1\n\n    return x\n\n\nclass Two: ...\n",
            [
                ("code", "import os"),
                ("code", "def one():\n    x = 1\n\n    return x"),
                ("code", "class Two: ..."),
            ],
        ),
        ("Dockerfile", "FROM scratch\nCOPY a b\n", [("code", "FROM scratch\nCOPY a b")]),
    ],
)
def test_each_format_is_read_in_its_order(name, content, elements):
    assert _read(name, content) == elements


def test_chapters_of_a_book_are_its_parts_under_its_title():
    book = _elements("a.epub", epub("<h1>Refunds</h1><p>Five days.</p>", "<h1>Parcels</h1><p>By rail.</p>"))
    assert book == [
        Element("title", "Handbook"),
        Element("title", "Refunds", depth=1, part=1),
        Element("text", "Five days.", part=1),
        Element("title", "Parcels", depth=1, part=2),
        Element("text", "By rail.", part=2),
    ]


def _workbook():
    book = openpyxl.Workbook()
    book.active.title = "Prices"
    for row in (["Plan", "Seat", "Since"], ["Team", 19.0, None], [None, 1.5, True], [], ["Only a note"]):
        book.active.append(row)
    book.active.merge_cells("A2:A3")
    book.create_sheet("Hidden").append(["secret"])
    book["Hidden"].sheet_state = "hidden"
    book.create_sheet("Sheet7").append(["Plan", "Team"])
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def test_sheets_are_parts_with_their_names_and_merged_cells_are_spread():
    assert [(element.part, element.kind, element.text) for element in _elements("a.xlsx", _workbook())] == [
        (1, "title", "Prices"),
        (1, "row", "Plan: Team; Seat: 19"),
        (1, "row", "Plan: Team; Seat: 1.5; Since: TRUE"),
        (1, "row", "Only a note"),
        (2, "row", "Plan; Team"),
    ]


_FORWARDED = """\
From: Ada <ada@a.example>
Subject: Fwd: Refunds
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=B

--B
Content-Type: multipart/alternative; boundary=C

--C
Content-Type: text/plain

Plain words that say nothing more.
--C
Content-Type: text/html

<p>Rich words.</p><p style="display:none">secret</p>
--C--
--B
Content-Type: message/rfc822

From: Bob <bob@a.example>
Subject: Refunds
Content-Type: text/plain

The words of the first mail.
--B
Content-Type: application/pdf
Content-Disposition: attachment; filename="refunds.pdf"

x
--B--
"""


@pytest.mark.parametrize("name", ["a.eml", "a.txt", "a"])
def test_a_mail_keeps_its_headers_its_mails_and_the_names_of_what_is_attached(name):
    assert [(element.part, element.kind, element.text) for element in _elements(name, _FORWARDED)] == [
        (0, "title", "Fwd: Refunds"),
        (0, "text", "From: Ada <ada@a.example>"),
        (0, "text", "Rich words."),
        (1, "title", "Refunds"),
        (1, "text", "From: Bob <bob@a.example>"),
        (1, "text", "The words of the first mail."),
        (0, "text", "Attachments: refunds.pdf"),
    ]


def test_an_element_comes_back_from_json_as_it_was():
    elements = _elements("a.xlsx", _workbook())
    assert [Element(**each) for each in json.loads(json.dumps([asdict(element) for element in elements]))] == elements


@pytest.mark.parametrize(
    ("text", "title", "first"),
    [
        ("---\ntitle: Refunds\n---\nwords\n", "Refunds", "words"),
        ("---\r\ntitle: Refunds\r\n---\r\n# Refunds\r\nwords\r\n", "Refunds", "words"),
        ("---\ntags: [a]\n---\n# Cards\n", "Cards", None),
        ("---\ntitle: Refunds\ndescription: How long they take.\n---\nwords\n", "Refunds", "How long they take."),
        ("---\n\nwords between lines\n\n---\n", None, "words between lines"),
        ("---\ntitle: [\n---\nwords\n", None, "words"),
    ],
)
def test_the_front_matter_gives_the_title(text, title, first):
    found = _read("a.md", text)
    assert next((words for kind, words in found if kind == "title" and words != "title: ["), None) == title
    assert next((words for kind, words in found if kind == "text"), None) == first


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.txt", "<!doctype html><h1>Words</h1>", "title"),
        ("a", "<html><body><h1>Words</h1></body></html>", "title"),
        (
            "a.xml",
            '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><body><h1>W</h1></body></html>',
            "title",
        ),
        ("a.txt", '<?xml version="1.0"?><a><title>Words</title></a>', "title"),
        ("a.md", "<h1>Words</h1>", "title"),
        ("a.docx", "<html><body><h1>Words</h1></body></html>", "title"),
        ("a.zip", odt('<text:h text:outline-level="1">Words</text:h>'), "title"),
        ("README", _SENTENCE, "text"),
        ("a.txt", r"{\rtf1\ansi Words that are here, and more than a few of them.}", "text"),
    ],
)
def test_a_content_goes_to_its_own_parser_whatever_its_name(name, content, kind):
    assert _read(name, content)[0][0] == kind


def test_a_page_of_nothing_but_front_matter_is_its_fields():
    assert _read("a.mdx", "---\nopenapi: post /api/clear\nhidden: true\n---\n") == [("row", "openapi: post /api/clear")]


_TEXTS = {
    "cp1250": "Zażółć gęślą jaźń. Wszystkie prawa zastrzeżone, proszę o odpowiedź.",
    "cp1251": "Возврат занимает пять рабочих дней после отправки.",
    "koi8_r": "Возврат занимает пять рабочих дней после отправки.",
    "cp1252": "Le café coûte déjà plus cher à l’hôtel – “très bien”, été comme hiver.",
    "cp1253": "Η επιστροφή χρημάτων διαρκεί πέντε εργάσιμες ημέρες.",
    "cp1254": "İade işlemi beş iş günü sürer, lütfen fişi saklayın.",
    "cp1255": "ההחזר אורך חמישה ימי עסקים מיום הבקשה.",
    "cp932": "名前,年齢,住所 佐藤太郎,30,東京 三木英子,40,大阪 高橋淳,50,名古屋",
    "gb18030": "退款需要五个工作日才能到账，请保留收据。",
    "euc_kr": "환불은 영업일 기준 5일이 걸립니다. 영수증을 보관하세요.",
    "mac_roman": "Die Rückgabe dauert fünf Tage, danach ist alles vorüber.",
    "cp437": "Die Rückgabe dauert fünf Tage, danach ist alles vorüber.",
    "utf-16-le": "Die Rückgabe dauert fünf Tage.",
    "utf-16-be": "Die Rückgabe dauert fünf Tage.",
    "utf-32": "Die Rückgabe dauert fünf Tage.",
    "utf-32-be": "Die Rückgabe dauert fünf Tage.",
}


_DOUBTFUL = {"cp1254", "cp1255", "mac_roman", "cp437"}  # another encoding gives words as well


@pytest.mark.parametrize("encoding", sorted(_TEXTS.keys() - _DOUBTFUL))
def test_a_text_is_read_as_it_was_written(encoding):
    found = _read("a.txt", _TEXTS[encoding].encode(encoding))
    assert " ".join(text for _, text in found) == _TEXTS[encoding]


@pytest.mark.parametrize("encoding", sorted(_DOUBTFUL))
def test_a_text_in_a_doubtful_encoding_is_not_read(encoding):
    with pytest.raises(DocumentError) as refusal:
        _read("a.txt", _TEXTS[encoding].encode(encoding))
    assert refusal.value.reason == "encoding"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ('<meta charset="windows-1251"><p>Да, слова</p>'.encode("cp1251"), "Да, слова"),
        ('<?xml version="1.0" encoding="shift_jis"?><html><p>名前</p></html>'.encode("shift_jis"), "名前"),
    ],
)
def test_the_encoding_a_page_names_is_its_encoding(content, text):
    assert _read("a.html", content) == [("text", text)]


@pytest.mark.parametrize(
    "content", ["Die Rückgabe".encode() + b" f\xfcnf", '<meta charset="ascii"><p>für</p>'.encode("cp1252")]
)
def test_a_text_in_two_encodings_is_refused(content):
    with pytest.raises(DocumentError) as refusal:
        _read("a.html", content)
    assert refusal.value.reason == "encoding"
