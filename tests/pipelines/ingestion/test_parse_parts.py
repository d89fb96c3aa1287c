"""parse, its pure parts: what a page shows, a table as lines, the paragraphs of a PDF."""

import pytest

from pipelines.ingestion.parse import pdf_paragraphs, table_rows, visible_html

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
    ],
)
def test_what_a_page_hides_is_dropped(hidden):
    shown = visible_html(f"<html><body><p>before</p>{hidden}<p>after</p></body></html>")
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
    ],
)
def test_what_a_page_shows_stays(shown):
    assert "words" in visible_html(f"<html><body>{shown}</body></html>")


def test_the_text_behind_a_hidden_element_stays():
    assert "after" in visible_html("<body><p>before <span hidden>secret</span> after</p></body>")


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
            _table("<td>Plan</td><td>Price</td>", "<td>Team</td><td> </td>"),
            ["Plan: Team"],
        ),
        (
            "a column without a name",
            _table("<td></td><td>Price</td>", "<td>Team</td><td>19</td>"),
            ["Team; Price: 19"],
        ),
        ("a shorter row", _table("<td>Plan</td><td>Price</td>", "<td>Team</td>"), ["Plan: Team"]),
        (
            "a longer row loses no cell",
            _table("<td>Plan</td>", "<td>Team</td><td>19</td>"),
            ["Team; 19"],
        ),
        ("one row is no head", _table("<td>Plan</td><td>Price</td>"), ["Plan; Price"]),
        (
            "white space is one space",
            _table("<td>The\n  plan</td>", "<td><b>Team</b>\n only</td>"),
            ["The plan: Team only"],
        ),
        ("no row", "<table></table>", []),
    ],
)
def test_a_table_is_a_line_a_row(fact, html, rows):
    assert table_rows(html) == rows, fact


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
    ],
)
def test_the_paragraphs_of_a_pdf(fact, pages, paragraphs):
    assert pdf_paragraphs(pages) == paragraphs, fact
