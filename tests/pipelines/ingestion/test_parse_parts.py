"""parse, its pure parts: what a page shows, a table as lines, the paragraphs of a PDF."""

import pytest

from pipelines.ingestion.parsing import ParseSettings
from pipelines.ingestion.parsing.markup import page_elements
from pipelines.ingestion.parsing.pdf import pdf_paragraphs


def _shown(html):
    return " ".join(element.text for element in page_elements(html, ParseSettings()))


# --- what a reader never sees


@pytest.mark.parametrize(
    "hidden",
    [
        "<p hidden>secret</p>",
        '<p style="display:none">secret</p>',
        '<p style="color: red; DISPLAY : None;">secret</p>',
        '<p style="visibility:hidden">secret</p>',
        '<p style="font-size:0">secret</p>',
        '<p style="font-size:0px">secret</p>',
        '<p style="opacity: 0">secret</p>',
        '<div style="display:none"><p>secret</p><p>secret</p></div>',
        '<p aria-hidden="true">secret</p>',
        "<!-- secret -->",
        "<script>secret</script>",
        "<style>.secret {}</style>",
        "<template><p>secret</p></template>",
        "<nav>secret</nav>",
        "<footer>secret</footer>",
        "<aside>secret</aside>",
        '<div hidden><p style="display:none">secret</p></div>',
        '<div role="navigation">secret</div>',
        '<div class="cookie-banner">secret</div>',
        '<div id="gdpr-consent">secret</div>',
        f"<ul>{'<li><a href=x>secret</a></li>' * 9}</ul><p>{'word ' * 40}</p>",
    ],
)
def test_what_a_page_hides_is_dropped(hidden):
    shown = _shown(f"<html><body><p>before</p>{hidden}<p>after</p></body></html>")
    assert "secret" not in shown
    assert "before" in shown
    assert "after" in shown


@pytest.mark.parametrize(
    "shown",
    [
        '<p style="font-size:0.9em">words</p>',
        '<p style="opacity: 0.8">words</p>',
        '<p style="display:block">words</p>',
        '<p aria-hidden="false">words</p>',
        "<main><p>words</p></main>",
        "<header><p>words</p></header>",
        '<p class="cookies-and-cakes">words</p>',
        "<ul><li><a href=x>words</a></li></ul>",
        f"<ul>{'<li><a href=x>words</a></li>' * 9}</ul>",
    ],
)
def test_what_a_page_shows_stays(shown):
    assert "words" in _shown(f"<html><body>{shown}</body></html>")


def test_the_text_behind_a_hidden_element_stays():
    assert "after" in _shown("<body><p>before <span hidden>secret</span> after</p></body>")


_LONG = "words that no reader of the page ever sees"


@pytest.mark.parametrize(
    ("markup", "hides"),
    [
        ("<p hidden>secret</p>", True),
        ('<p style="display:none">secret</p>', True),
        ('<p style="font-size:0">secret</p>', True),
        ('<div><p style="visibility: hidden"><b>secret</b></p></div>', True),
        (f'<p aria-hidden="true">{_LONG}</p>', True),
        (f'<p hidden aria-hidden="true">{_LONG[:5]}</p>', True),
        ('<i aria-hidden="true">arrow_forward</i>', False),
        ('<p hidden> </p><img hidden alt="x">', False),
        ("<script>secret</script><template>secret</template><!-- secret -->", False),
        ("<nav hidden>secret</nav>", False),
        ('<div role="navigation">secret</div>', False),
        ('<div class="cookie-banner">secret</div>', False),
        ("<p>secret</p>", False),
    ],
)
def test_a_page_that_hides_text_is_told_by_each_of_its_elements(markup, hides):
    found = page_elements(f"<body><h1>before</h1>{markup}<p>after</p></body>", ParseSettings())
    assert {element.beside_hidden for element in found} == {hides}


# --- tables and PDF lines


def _table(*rows):
    return f"<table>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


@pytest.mark.parametrize(
    ("fact", "html", "rows"),
    [
        (
            "every cell has the name of its column",
            _table("<th>Plan</th><th>Price</th>", "<td>Team</td><td>19</td>", "<td>Pro</td><td>49</td>"),
            ["Plan: Team; Price: 19", "Plan: Pro; Price: 49"],
        ),
        (
            "an empty cell is left out",
            _table("<td>Plan</td><td>Price</td>", "<td>Team</td><td> </td>", "<td>Pro</td><td>49</td>"),
            ["Plan: Team", "Plan: Pro; Price: 49"],
        ),
        ("a column without a name", _table("<td></td><td>Price</td>", "<td>Team</td><td>19</td>"), ["Team; Price: 19"]),
        (
            "a shorter row",
            _table("<td>Plan</td><td>Price</td>", "<td>Team</td>", "<td>Pro</td><td>49</td>"),
            ["Plan: Team", "Plan: Pro; Price: 49"],
        ),
        (
            "a longer row loses no cell",
            _table("<td>Plan</td><td>Price</td>", "<td>Team</td><td>19</td><td>EUR</td>"),
            ["Team; 19; EUR"],
        ),
        ("one row is no head", _table("<td>Plan</td><td>Price</td>"), ["Plan; Price"]),
        (
            "white space is one space",
            _table("<td>The\n  plan</td><td>x</td>", "<td><b>Team</b>\n only</td><td>y</td>"),
            ["The plan: Team only; x: y"],
        ),
        ("no row", "<table></table>", []),
        (
            "numbers above numbers are no head",
            _table("<td>Team</td><td>19</td>", "<td>Pro</td><td>49</td>"),
            ["Team; 19", "Pro; 49"],
        ),
        (
            "years are a head",
            _table("<td>Region</td><td>2025</td>", "<td>North</td><td>49</td>"),
            ["Region: North; 2025: 49"],
        ),
        (
            "a row over all columns is a caption",
            _table("<td colspan=2>Prices</td>", "<td>Plan</td><td>Price</td>", "<td>Team</td><td>19</td>"),
            ["Prices", "Plan: Team; Price: 19"],
        ),
        (
            "a cell over two rows stands in both",
            _table("<th>Plan</th><th>Seat</th>", "<td rowspan=2>Team</td><td>first</td>", "<td>second</td>"),
            ["Plan: Team; Seat: first", "Plan: Team; Seat: second"],
        ),
        (
            "a cell over two columns is one cell",
            _table("<th colspan=2>Plan</th><th>Price</th>", "<td colspan=2>Team</td><td>19</td>"),
            ["Plan: Team; Price: 19"],
        ),
        (
            "names at the side name their row",
            _table("<th>Plan</th><td>Team</td>", "<th>Price</th><td>19</td>"),
            ["Plan: Team", "Price: 19"],
        ),
        (
            "a table that only places things is no table",
            _table("<td><p>First words.</p><p>More words.</p></td>", "<td>Last words.</td>"),
            ["First words.", "More words.", "Last words."],
        ),
        (
            "a table inside a cell keeps its own rows",
            _table("<td>Outside</td><td>" + _table("<th>A</th><th>B</th>", "<td>1</td><td>2</td>") + "</td>"),
            ["Outside", "A: 1; B: 2"],
        ),
        ("a span of any number costs nothing", _table("<td colspan=999999999>Plan</td><td>x</td>"), ["Plan; x"]),
    ],
)
def test_a_table_is_a_line_a_row(fact, html, rows):
    assert [element.text for element in page_elements(html, ParseSettings())] == rows, fact


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ('<p>See <a href="guide.md">the guide</a>.</p>', "See the guide (guide.md)."),
        ('<p><a href="https://a.example/x">https://a.example/x</a></p>', "https://a.example/x"),
        ('<p><a href="https://a.example/">a.example</a></p>', "a.example"),
        ('<p>Write to <a href="mailto:us@a.example">us</a>.</p>', "Write to us (us@a.example)."),
        ('<p><a href="#below">below</a> <a href="javascript:x()">this</a></p>', "below this"),
        (f'<p><a href="https://a.example/{"x" * 200}">followed</a></p>', "followed"),
        ('<h1><a href="x.html">Title</a></h1>', "Title (x.html)"),
    ],
)
def test_a_link_keeps_where_it_leads(html, text):
    assert _shown(html) == text


def test_the_blocks_of_a_page_are_its_elements():
    html = """<html><head><title>Only for the tab</title></head><body><div>Loose <b>words</b>
    <p>one<br>line</p>first<br><br>second</div><ol><li>a<ul><li>b</li></ul></li></ol>
    <dl><dt>Term</dt><dd><p>what it means</p></dd></dl><pre>  x = 1
  y = 2
</pre></body></html>"""
    assert [(element.kind, element.text) for element in page_elements(html, ParseSettings())] == [
        ("title", "Only for the tab"),
        ("text", "Loose words"),
        ("text", "one line"),
        ("text", "first"),
        ("text", "second"),
        ("item", "a"),
        ("item", "b"),
        ("item", "Term: what it means"),
        ("code", "  x = 1\n  y = 2"),
    ]


def test_the_one_main_part_that_holds_most_of_the_text_is_the_page():
    assert _shown(f"<body><p>around</p><main><p>{'words ' * 20}</p></main></body>") == " ".join(["words"] * 20)
    assert _shown(f"<body><p>{'words ' * 20}</p><main><p>little</p></main></body>").endswith("words little")


@pytest.mark.parametrize(
    ("fact", "pages", "paragraphs"),
    [
        ("no page", [], []),
        ("an empty page", [""], [[]]),
        (
            "a line as long as the others runs on",
            ["A refund takes five working days\nand is paid to your account.\nEnd.\nParcels travel by rail here."],
            [["A refund takes five working days and is paid to your account. End.", "Parcels travel by rail here."]],
        ),
        (
            "a heading stands alone",
            ["Refunds\nA refund takes five working days\nat most."],
            [["Refunds", "A refund takes five working days at most."]],
        ),
        (
            "running heads and page numbers are dropped",
            ["Handbook\nFirst things.\nPage 1 of 3", "Handbook\nSecond.\nPage 2 of 3", "Handbook\nThird.\nPage 3 of 3"],
            [["First things."], ["Second."], ["Third."]],
        ),
        (
            "a line on half of the pages stays",
            ["Note\nFirst page text.", "Note\nSecond page text.", "Third page text.", "The last page."],
            [["Note", "First page text."], ["Note", "Second page text."], ["Third page text."], ["The last page."]],
        ),
        ("a single page has no running head", ["Handbook\nHandbook"], [["Handbook Handbook"]]),
        ("a page that is copied whole stays", ["The same words.", "The same words."], [["The same words."]] * 2),
        (
            "a hyphen that only ends a line goes",
            ["A refund takes five work\x02\ning days, or six with a holi-\nday in between, as we said above."],
            [["A refund takes five working days, or six with a holiday in between, as we said above."]],
        ),
        (
            "a hyphen that the document writes elsewhere too stays",
            ["A well-known rule is that a well-\nknown rule is not read by anybody."],
            [["A well-known rule is that a well-known rule is not read by anybody."]],
        ),
        (
            "an item begins a line of its own",
            ["These are the two things to know:\n1. A refund takes five working days\n2. Parcels travel by rail."],
            [
                [
                    "These are the two things to know:",
                    "1. A refund takes five working days",
                    "2. Parcels travel by rail.",
                ]
            ],
        ),
    ],
)
def test_the_paragraphs_of_a_pdf(fact, pages, paragraphs):
    assert pdf_paragraphs(pages) == paragraphs, fact
