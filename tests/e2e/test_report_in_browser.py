"""The morning report in a real browser: readable, accessible, printable, quiet. Its pictures are kept to look at."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from made_nights import summary_of, twelve_nights
from made_standings import standing_after
from playwright.sync_api import Browser, Page, sync_playwright
from pypdf import PdfReader

from evals.drift.results_file import read_results
from evals.drift.verdict import judge
from flows.report import draw_drift, render
from flows.report.watch_page import render_watch
from flows.watch import content_of

CHROMIUM = shutil.which("chromium")
PICTURES = Path(__file__).parent / "screenshots"
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="NOT CHECKED: no `chromium` on the path to open the report in")

LOOKS = {
    "desktop": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "desktop-dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 360, "height": 740}, "color_scheme": "light", "is_mobile": True},
    "phone-dark": {"viewport": {"width": 360, "height": 740}, "color_scheme": "dark", "is_mobile": True},
}
HEADINGS = [
    (1, "support, night 2026-12-01"),
    (2, "Documents"),
    (2, "Freshness"),
    (2, "Retrieval"),
    (2, "Answers by kind of case"),
    (2, "Flipped cases"),
    (3, "lost: customers/refund-annual-window (answerable)"),
    (4, "2026-11-30: answered"),
    (4, "2026-12-01: answered"),
]


@dataclass
class Opened:
    """A report in a browser, and what the browser had to say about it."""

    page: Page
    requests: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    def tree(self) -> list[tuple[str, str]]:
        """Role and name of everything a screen reader meets, in order."""
        session = self.page.context.new_cdp_session(self.page)
        nodes: list[dict[str, Any]] = session.send("Accessibility.getFullAXTree")["nodes"]
        by_id = {node["nodeId"]: node for node in nodes}

        def walk(node: dict[str, Any]) -> Iterator[tuple[str, str]]:
            if not node.get("ignored"):
                yield node["role"]["value"], node.get("name", {}).get("value", "")
            for child in node.get("childIds", []):
                yield from walk(by_id[child]) if child in by_id else ()

        return list(walk(nodes[0]))

    def headings(self) -> list[tuple[int, str]]:
        found: list[tuple[int, str]] = [
            (int(each.evaluate("node => node.tagName[1]")), " ".join(each.inner_text().split()))
            for each in self.page.locator("h1, h2, h3, h4").all()
        ]
        return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    switches = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"]
    switches += ["--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=switches)
        yield started
        started.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("report") / "2026-12-01.html"
    *before, last = twelve_nights()
    path.write_text(render(last, before), encoding="utf-8")
    return path


def _open(browser: Browser, path: Path, look: str) -> Opened:
    page = browser.new_context(**LOOKS[look]).new_page()  # type: ignore[arg-type]
    opened = Opened(page)
    page.on("request", lambda request: opened.requests.append(request.url))
    page.on("console", lambda message: opened.console.append(message.text))
    page.on("pageerror", lambda error: opened.console.append(str(error)))
    page.on("dialog", lambda dialog: (opened.dialogs.append(dialog.message), dialog.dismiss()))
    page.goto(path.as_uri())
    return opened


@pytest.mark.parametrize("look", LOOKS)
def test_the_report_is_quiet_readable_and_accessible(browser: Browser, report: Path, look: str) -> None:
    opened = _open(browser, report, look)
    page = opened.page
    PICTURES.mkdir(exist_ok=True)
    page.screenshot(path=PICTURES / f"{look}-first-screen.png")
    tree = opened.tree()
    roles = [role for role, _ in tree]
    assert {"banner", "navigation", "main", "region", "article"} <= set(roles)
    assert opened.headings()[: len(HEADINGS)] == HEADINGS
    assert [name for role, name in tree if role == "heading"][:3] == [name for _, name in HEADINGS[:3]]
    assert [role for role, name in tree if role in ("image", "table", "region", "link") and not name] == []
    assert sum(role == "image" for role in roles) >= 8 + 7
    assert roles.count("table") >= 4
    assert {"columnheader", "rowheader", "cell", "row"} <= set(roles)
    assert {"insertion", "deletion"} <= set(roles)

    page.locator("#failed summary").first.click()
    assert page.locator("#failed details").first.get_attribute("open") is not None
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    page.screenshot(path=PICTURES / f"{look}.png", full_page=True)
    wide, seen = page.evaluate("[document.scrollingElement.scrollWidth, window.innerWidth]")
    assert wide <= seen == LOOKS[look]["viewport"]["width"]  # type: ignore[index]
    small = "[...document.querySelectorAll('body *')].filter(e => parseFloat(getComputedStyle(e).fontSize) < 16).length"
    assert page.evaluate(small) == 0
    taps = "[...document.querySelectorAll('nav a, .links a, summary')].map(e => e.getBoundingClientRect().height)"
    assert min(page.evaluate(taps)) >= 44
    assert page.evaluate("document.scripts.length") == 0
    assert opened.requests == [report.as_uri()]
    assert (opened.console, opened.dialogs) == ([], [])
    page.context.close()


def test_light_and_dark_follow_the_reader(browser: Browser, report: Path) -> None:
    found = {}
    for look in ("desktop", "desktop-dark"):
        page = _open(browser, report, look).page
        found[look] = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.context.close()
    assert found == {"desktop": "rgb(255, 255, 255)", "desktop-dark": "rgb(18, 22, 29)"}


def test_on_paper_everything_is_unfolded_and_dark_on_white(browser: Browser, report: Path) -> None:
    page = _open(browser, report, "desktop-dark").page
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator("nav").is_visible()
    PICTURES.mkdir(exist_ok=True)
    page.pdf(path=PICTURES / "print.pdf", format="A4")
    text = " ".join(" ".join(each.extract_text() for each in PdfReader(PICTURES / "print.pdf").pages).split())
    assert "could not grade" in text  # inside a folded case
    assert "2026-11-20 98.6%" in text.replace("100.0%", "98.6%")  # inside the folded table of nights
    page.context.close()


def test_the_policy_of_the_page_stops_what_would_slip_through(browser: Browser, report: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.html"
    hostile = (
        "<script>document.title = 'run'</script><img src='https://example.org/x.png' onerror=\"document.title='run'\">"
    )
    broken.write_text(report.read_text(encoding="utf-8").replace("</main>", f"{hostile}</main>"), encoding="utf-8")
    opened = _open(browser, broken, "desktop")
    assert opened.page.title() == "support, night 2026-12-01"
    assert len(opened.console) >= 2
    assert all("Content Security Policy" in line for line in opened.console)
    opened.page.context.close()


def test_a_first_night_without_answers_fits_a_phone_too(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "first.html"
    path.write_text(render(summary_of(), []), encoding="utf-8")
    opened = _open(browser, path, "phone")
    assert opened.page.evaluate("document.scrollingElement.scrollWidth <= window.innerWidth")
    assert [name for _, name in opened.headings()][-2:] == ["Over the nights", "Cost, time, release"]
    opened.page.context.close()


@pytest.mark.parametrize("look", ["desktop-dark", "phone"])
def test_the_drift_part_of_a_report_is_readable_and_accessible(browser: Browser, tmp_path: Path, look: str) -> None:
    standing = standing_after(6, name="customers/<b>refund</b>@0c1d2e3f4a5b6c7d")
    *before, last = twelve_nights()
    last["evaluate"]["drift"] = standing.as_row()
    path = tmp_path / "drift.html"
    path.write_text(render(last, before, pictures=draw_drift(standing.results, standing)), encoding="utf-8")
    opened = _open(browser, path, look)
    part = opened.page.locator("#drift")
    PICTURES.mkdir(exist_ok=True)
    part.screenshot(path=PICTURES / f"drift-{look}.png")
    since = standing.drift.since
    assert opened.headings()[1:5] == [
        (2, f"Drift since {since}"),
        (3, "Evidence"),
        (3, "Over the baseline and the nights since"),
        (3, "Flips by case"),
    ]
    tree = opened.tree()
    assert [role for role, name in tree if role in ("image", "table", "region") and not name] == []
    assert part.locator("svg.strip").count() >= 6
    assert part.locator("svg").first.bounding_box()["width"] > 200  # type: ignore[index]
    assert opened.page.evaluate("document.scrollingElement.scrollWidth <= window.innerWidth")
    assert (opened.requests, opened.console) == ([path.as_uri()], [])
    opened.page.context.close()


@pytest.mark.parametrize("look", ["desktop", "phone-dark"])
def test_the_page_of_a_watched_file_is_quiet_and_readable(browser: Browser, tmp_path: Path, look: str) -> None:
    """A drift in two of four cases, a score that has none, and a name that is markup."""
    rows = [
        f"2026-03-{night:02d},<b>{case}</b>,{metric},{value}"
        for night in range(1, 29)
        for case in range(4)
        for metric, value in (("pass", int(night < 15 or case > 1)), ("score", night * case % 5 + 0.5))
    ]
    file, path = tmp_path / "results.csv", tmp_path / "watch.html"
    file.write_text("\n".join(["night,case,metric,value", *rows]), encoding="utf-8")
    results = read_results(file)
    standing = judge(results)
    path.write_text(render_watch(content_of(file, results, standing), results, standing), encoding="utf-8")
    opened = _open(browser, path, look)
    PICTURES.mkdir(exist_ok=True)
    opened.page.screenshot(path=PICTURES / f"watch-{look}.png", full_page=True)
    assert [name for level, name in opened.headings() if level == 2] == [
        "Evidence",
        "Over the nights",
        "Flips by case",
        "Night by night",
    ]
    tree = opened.tree()
    assert [role for role, name in tree if role in ("image", "table", "region") and not name] == []
    assert ("image", "failed 0 of 10, then 14 of 14") in tree
    assert opened.page.evaluate("document.scrollingElement.scrollWidth <= window.innerWidth")
    assert opened.page.evaluate("document.querySelectorAll('b').length") == 0
    assert opened.requests == [path.as_uri()]
    assert (opened.console, opened.dialogs) == ([], [])
    opened.page.context.close()
