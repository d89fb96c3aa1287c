"""The morning report: complete, escaped, and in need of nothing else."""

import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest
from made_nights import (
    EVIL,
    HOSTILE,
    case_row,
    check_result,
    evaluate_result,
    flip,
    ingest_result,
    summary_of,
    twelve_nights,
)

from evals.access import Leak
from evals.compare import Comparison
from evals.retrieval import SetQuality
from flows.params import Project
from flows.report import render, render_retrieval, write_report
from flows.report.plots import COUNT, FEW, SHARE, axis, make_plot
from flows.report.words import clean, mark_differences

SHOWN = "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;"
STYLE = Path(__file__).parents[2] / "flows" / "report" / "style.css"


def _words(page):
    """What a reader sees."""
    return " ".join(re.sub(r"<style>.*?</style>|<[^>]*>", " ", page, flags=re.DOTALL).split())


WHOLE = summary_of(
    evaluate=evaluate_result(
        case_row("good", True),
        case_row("bad", False),
        case_row("odd", None, failed=["grounded: could not grade"]),
        comparison=Comparison("2026-11-30", 10, ("customers/bad",), ("customers/good",)),
    )
)


@pytest.mark.parametrize(
    "told",
    [
        "support, night 2026-12-01",
        "Verdict not enough evidence : baseline 1 of 10",
        "Gate pass : 40 queries, every floor holds",
        "Serves version 7 of collection support, since tonight",
        "Release abc",
        "2 added, 1 changed, 40 unchanged, 1 in quarantine; 211 chunks, 9 texts embedded.",
        "help/empty.txt empty the file has no content",
        "help documentation team 43 1 30.0 h 24 h no",
        "nDCG@10 0.850, MRR@10 0.800, recall@5 0.900 (40 labelled queries)",
        "80% (8 of 10)",
        "– (0 of 0, 2 not graded)",
        "Against night 2026-11-30, over 10 cases: 1 lost, 1 gained.",
        "lost: customers/bad",
        "gained: customers/good",
        "customers/bad (answerable) Question: How long does a refund take?",
        "facts: missing: five days",
        "customers/odd (answerable, could not be graded)",
    ],
)
def test_the_page_tells_what_the_night_found(told):
    assert told in _words(render(WHOLE, []))


def test_a_case_that_passed_is_not_listed_among_those_that_did_not():
    assert "<summary>customers/good" not in render(WHOLE, [])
    assert "<summary>customers/bad" in render(WHOLE, [])


@pytest.mark.parametrize(
    "summary",
    [
        summary_of(evaluate=evaluate_result(case_row("bad", False, answer=EVIL))),
        summary_of(evaluate=evaluate_result(case_row("bad", False, question=EVIL))),
        summary_of(evaluate=evaluate_result(case_row("bad", False, failed=[f"forbidden: says: {EVIL}"]))),
        summary_of(evaluate=evaluate_result(comparison=Comparison("2026-11-30", 1, (EVIL,), ()))),
        summary_of(ingest=ingest_result(doc_id=f"help/{EVIL}.md")),
        summary_of(ingest=ingest_result(detail=EVIL)),
        summary_of(check=check_result(reason=EVIL)),
        summary_of(check=check_result(source=EVIL)),
        summary_of(verdict_reason=EVIL),
        summary_of(EVIL),
    ],
    ids=["answer", "question", "reason", "flip", "document", "detail", "gate", "source", "verdict", "night"],
)
def test_what_others_wrote_is_shown_as_text_and_never_run(summary):
    page = render(summary, [])
    assert SHOWN in page
    assert "<script" not in page.lower()


@pytest.mark.parametrize(
    "text", ['"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}", "</title></style><b>", "' onload='x"]
)
def test_no_text_can_break_out_of_its_place(text):
    clean = summary_of(
        evaluate=evaluate_result(case_row("bad", False, answer="-"), comparison=Comparison("-", 1, ("-",), ()))
    )
    evil = evaluate_result(case_row("bad", False, answer=text), comparison=Comparison(text, 1, (text,), ()))
    page = render(summary_of(evaluate=evil), [])
    assert re.findall(r"<[^>]*>", page) == re.findall(r"<[^>]*>", render(clean, []))
    assert unescape(page).count(text) == 3


@pytest.mark.parametrize("summary", [WHOLE, summary_of()], ids=["a whole night", "a night without answers"])
def test_the_page_loads_nothing_from_elsewhere(summary):
    page = render(summary, [summary] * 3)
    assert re.findall(r"https?://|//\w|<script|<link|<iframe|<img|@import|url\(|\ssrc=|\shref=(?!.#)", page) == []
    assert "default-src 'none'" in page


def test_an_address_in_an_answer_is_text_and_not_a_link():
    page = render(summary_of(evaluate=evaluate_result(case_row("bad", False, answer="See https://example.org/x."))), [])
    assert "See https://example.org/x." in page
    assert re.findall(r"\ssrc=|\shref=(?!.#)", page) == []


def test_a_night_without_evaluation_has_no_answers_part():
    words = _words(render(summary_of(check=check_result(production=None)), []))
    assert "Answers by kind of case" not in words
    assert "Cases that did not pass" not in words
    assert "Retrieval" in words


def test_a_night_without_labelled_queries_says_so():
    assert "No labelled queries." in _words(render(summary_of(check=check_result(metrics={})), []))


def test_the_first_night_has_none_to_compare_with():
    words = _words(render(summary_of(evaluate=evaluate_result(case_row("good", True))), []))
    assert "The first night: there is none to compare with." in words
    assert "Cases that did not pass None." in words


@pytest.mark.parametrize(
    ("before", "nights", "first"),
    [(0, 1, "2026-12-01"), (1, 2, "night 0"), (29, 30, "night 0"), (45, 30, "night 16")],
)
def test_the_plots_look_back_over_the_last_thirty_nights(before, nights, first):
    summary = summary_of(evaluate=evaluate_result(case_row("good", True)))
    page = render(summary, [{**summary, "night": f"night {number}"} for number in range(before)])
    assert page.count('<path class="dot"') == 8 * nights
    assert f"{first} to 2026-12-01, the oldest on the left" in page


@pytest.mark.parametrize(
    ("values", "lines"),
    [
        ([], ()),
        ([None], ()),
        ([0.5], ("50,50",)),
        ([0.0, 1.0], ("25,94 75,6",)),
        ([0.0, 0.5, None, 1.0], ("12.5,94 37.5,50", "87.5,6")),
        ([None, 0.0, 1.0, 0.5], ("37.5,94 62.5,6 87.5,50",)),
    ],
)
def test_a_curve_runs_from_the_oldest_night_on_the_left_and_a_night_without_a_value_parts_it(values, lines):
    assert make_plot("Share", values, replace(SHARE, span=1.0)).lines == lines


def test_a_plot_is_told_in_words_and_its_band_is_the_interval():
    plot = make_plot("Share", [0.5, None, 0.9, 0.7], SHARE, [(0.2, 0.7), None, (0.8, 1.0), (0.6, 0.8)])
    assert plot.told == "Share over 4 nights: first 50.0%, last 70.0%, lowest 50.0%, highest 90.0%"
    assert plot.written == ("50.0%", "–", "90.0%", "70.0%")
    assert (plot.low, plot.high) == ("20.0%", "100.0%")
    assert plot.bands == ("12.5,94 12.5,39", "62.5,28 87.5,50 87.5,28 62.5,6")
    assert make_plot("Share", [None], SHARE).told == "Share: no value in 1 night"


@pytest.mark.parametrize(
    ("values", "scale", "ends"),
    [
        ([0.99, 1.0], SHARE, (0.9, 1.0)),
        ([0.5, 0.9], SHARE, (0.5, 0.9)),
        ([0.0, 0.0], SHARE, (0.0, 0.1)),
        ([42, 42], COUNT, (40, 44)),
        ([42, 60], COUNT, (42, 60)),
        ([1, 1], FEW, (0, 4)),
        ([3, 12], FEW, (0, 12)),
        ([], FEW, (0, 4)),
    ],
)
def test_an_axis_is_near_its_values_and_never_so_near_that_noise_looks_like_a_fall(values, scale, ends):
    assert axis(values, scale) == pytest.approx(ends)


@pytest.mark.parametrize(
    ("before", "after", "only_before", "only_after"),
    [
        ("within 30 days", "within 45 days", ["30"], ["45"]),
        ("the same", "the  same", [], []),
        ("", "new words", [], ["new words"]),
        ("one two three", "one three", ["two"], []),
        ("<b> x", "<i> x", ["<b>"], ["<i>"]),
    ],
)
def test_the_words_that_differ_are_marked_on_their_side(before, after, only_before, only_after):
    old, new = mark_differences(before, after)
    assert [piece.text for piece in old.pieces if piece.kind == "only"] == only_before
    assert [piece.text for piece in new.pieces if piece.kind == "only"] == only_after
    assert ("".join(piece.text for piece in old.pieces), old.left) == (before, 0)
    assert ("".join(piece.text for piece in new.pieces), new.left) == (after, 0)


def test_an_answer_that_repeats_itself_is_compared_as_well():
    old, new = mark_differences("once " + "again " * 200, "once " + "and again " * 140)
    assert (old.pieces[0].text, new.pieces[0].text) == ("once", "once")
    assert "and" in {word for piece in new.pieces if piece.kind == "only" for word in piece.text.split()}


def test_of_a_long_answer_the_beginning_is_compared_and_the_rest_is_counted():
    old, new = mark_differences("a " * 50_000, "b" * 5000)
    assert (old.left, new.left) == (98_500, 3_500)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("invoice\u202efdp.exe", "invoice[U+202E]fdp.exe"),
        ("nul\x00", "nul[U+0000]"),
        ("half \ud800", "half [U+D800]"),
        ("hidden\U000e0041", "hidden[U+E0041]"),
        ("two\r\nlines\tkept", "two\r\nlines\tkept"),
        ("Ελλάς \U0001f468\u200d\U0001f469", "Ελλάς \U0001f468\u200d\U0001f469"),
        (7, 7),
    ],
)
def test_what_cannot_be_seen_is_named(text, shown):
    assert clean(text) == shown


def test_a_flipped_case_shows_both_answers_with_what_differs():
    lost = flip("refund", "lost", "within 30 days", "within 45 days", question="How long?")
    comparison = Comparison("2026-11-30", 10, ("customers/refund",), ())
    page = render(summary_of(evaluate=evaluate_result(comparison=comparison, flips=(lost,))), [])
    assert "within <del>30</del> days" in page
    assert "within <ins>45</ins> days" in page
    assert (
        "lost: customers/refund (answerable) How long? 2026-11-30: answered within 30 days Cites help/refunds.md "
        "2026-12-01: answered within 45 days Cites help/refunds.md facts: missing: 30 days"
    ) in _words(page)


def test_retrieval_is_told_by_tag_and_language_with_its_spread_and_its_leaks():
    some = SetQuality(2, 2, {"nDCG@10": 0.5}, {"nDCG@10": (0.25, 0.75)}, empty_rate=0.5, coverage=0.3)
    slower = replace(some, latency_ms={"p50": 7.2, "p95": 31.4})
    quality = {"whole": slower, "by_tag": {"typos": some}, "by_language": {"deu": replace(some, judged=0)}}
    leak = Leak("visitor", "q", EVIL, "its source lets only hr read it")
    check = check_result(**quality, leaks=(leak,), per_query={"a": 0.0, "b": 1.0, "c": 0.95})
    words = unescape(_words(render_retrieval(check.as_row())))
    for told in (
        "support, version 7",
        "nDCG@10 between 0.250 and 0.750 (95 %) , 50% of the queries found nothing, 30% of the documents were found",
        "7 ms a search, one in twenty over 31 ms",
        "tag typos 2 0.500 0.250 to 0.750",
        f"{EVIL} to visitor : its source lets only hr read it",
    ):
        assert told in words
    assert "language deu" not in words
    assert "in tenths from 0 to 1: 1, 0, 0, 0, 0, 0, 0, 0, 0, 2" in render_retrieval(check.as_row())
    assert EVIL not in render_retrieval(check.as_row())


def test_what_differs_from_the_night_before_is_told_beside_each_figure():
    *before, last = twelve_nights()
    words = unescape(_words(render(last, before)))
    for told in (
        last["changed"],
        "version 12 is held back",
        "Sources fresh 1 of 2 −1",
        "In quarantine 12 +11",
        "nDCG@10 0.641 ( −0.248 )",
        "q-free-trial 0.630 0.000 −0.630 q-refund-annual 1.000 0.430 −0.570 q-plan-prices 0.500 0.630 +0.130",
        "gone: q-mobile-app",
        "renamed help/time-tracking.txt -> help/tracking-time.txt",
        "prompt two new",
        "Open MLflow Since",
        "Past the target, from operations: operations/on-call.md .",
        "Not served as they are, from operations: operations/on-call.md",
        "ingest 1.0 s, check 1.0 s, evaluate 1.0 s",
    ):
        assert told in words
    assert words.count("new corrupt") == len(HOSTILE)


def test_a_link_leads_to_a_web_page_or_is_not_there():
    links = {"mlflow": "http://127.0.0.1:5000/#/runs/1", "prefect": "javascript:alert(1)"}
    page = render(summary_of(links=links), [])
    assert re.findall(r'href="([^#][^"]*)"', page) == ["http://127.0.0.1:5000/#/runs/1"]
    assert "javascript:" not in page


def test_a_summary_of_the_version_before_still_renders_and_compares():
    summary = {**WHOLE, "evaluate": {key: value for key, value in WHOLE["evaluate"].items() if key != "flips"}}
    for part, key in (("ingest", "changes"), ("check", "per_query")):
        summary[part] = {name: value for name, value in summary[part].items() if name != key}
    words = _words(render(summary, [summary]))
    assert "lost: customers/bad" in words
    assert "In quarantine 1" in words


def test_the_page_of_the_worst_night_is_small():
    *before, last = twelve_nights()
    assert len(render(last, before * 3).encode()) < 100_000


def _palettes():
    """The colours of each mode, by name: light, dark, print."""
    found = [
        dict(re.findall(r"--(\w+): (#\w{6});", block)) for block in re.findall(r":root \{(.*?)\}", _css(), re.DOTALL)
    ]
    assert len(found) == 3
    return dict(zip(("light", "dark", "print"), found, strict=True))


def _css():
    return STYLE.read_text(encoding="utf-8")


def contrast(one, other):
    """WCAG 2.2's contrast ratio of two colours #rrggbb."""

    def luminance(colour):
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("mode", ["light", "dark", "print"])
def test_text_stands_out_from_what_is_behind_it(mode):
    colours = _palettes()[mode]
    pairs = [(text, behind) for text in ("ink", "soft", "good", "bad", "mark") for behind in ("page", "panel")]
    pairs += [("ink", "ins"), ("ink", "del")]
    weak = {pair: ratio for pair in pairs if (ratio := contrast(colours[pair[0]], colours[pair[1]])) < 4.5}
    assert weak == {}
    assert contrast(colours["mark"], colours["bar"]) >= 3  # a whisker on its bar


def test_the_contrast_is_as_wcag_defines_it():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


def test_the_same_summary_gives_the_same_page():
    assert render(WHOLE, [WHOLE]) == render(WHOLE, [WHOLE])


def test_the_report_is_filed_under_its_assistant_and_night(tmp_path):
    project = Project(tmp_path, tmp_path / "state", "sqlite://", None)
    path = write_report(project, WHOLE, [])
    assert path == tmp_path / "state" / "reports" / "support" / "2026-12-01.html"
    assert path.read_text(encoding="utf-8") == render(WHOLE, [])
