"""The morning report: complete, escaped, and in need of nothing else."""

import json
import re
from html import unescape

import pytest

from evals.compare import Comparison, PassRate
from evals.freshness import Freshness
from flows.params import Project
from flows.report import polyline, render, write_report
from flows.results import CheckResult, EvaluateResult, IngestResult
from knowledge.record import DocumentCounts, Rejected

EVIL = "<script>alert('x')</script>"
SHOWN = "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;"


def _case(name, passed, **values):
    row = {
        "suite": "customers",
        "case": name,
        "kind": "answerable",
        "passed": passed,
        "question": "How long does a refund take?",
        "answer": "Five days. [1]",
        "outcome": "answered",
        "cited": ["help/refunds.md"],
        "failed": [] if passed else ["facts: missing: five days"],
        "model": "local/extractive",
        "latency_ms": 3.2,
    }
    return row | values


def _ingest(*, doc_id="help/empty.txt", detail="the file has no content"):
    return IngestResult(
        collection="support",
        version=7,
        documents=DocumentCounts(added=2, changed=1, unchanged=40, quarantined=1),
        chunks=211,
        texts_embedded=9,
        quarantine=(Rejected(doc_id, "sha", "p", "empty", detail),),
        recipe_id="r",
        seconds=1.0,
    )


def _check(*, metrics=None, reason="40 queries, every floor holds", verdict="pass", source="help", production=7):
    return CheckResult(
        collection="support",
        version=7,
        freshness=(Freshness(source, "documentation team", 43, ("help/new.md",), 1, 30.0, 24.0),),
        metrics={"recall@5": 0.9, "MRR@10": 0.8, "nDCG@10": 0.85} if metrics is None else metrics,
        queries=40,
        stale_queries=(),
        verdict=verdict,
        reason=reason,
        production_version=production,
        moved=True,
        seconds=1.0,
    )


def _evaluate(*cases, comparison=None, scores=None):
    return EvaluateResult(
        assistant="support",
        night="2026-12-01",
        release="abc",
        collection_version=7,
        scores=scores or {"all": PassRate(8, 10), "answerable": PassRate(8, 10), "messy": PassRate(0, 0, 2)},
        cases=cases,
        comparison=comparison,
        verdict="not enough evidence",
        verdict_reason="baseline 1 of 10",
        cost_usd=0.0,
        calls={"paid": 0, "reused": 0},
        seconds=1.0,
    )


def _summary(night="2026-12-01", *, ingest=None, check=None, evaluate=None, **values):
    """A night's summary as it comes back from the state database."""
    row = {
        "night": night,
        "assistant": "support",
        "release": "abc",
        "ingest": (ingest or _ingest()).as_row(),
        "check": (check or _check()).as_row(),
        "evaluate": evaluate.as_row() if evaluate else None,
        "verdict": "not enough evidence",
        "verdict_reason": "baseline 1 of 10",
        "gate_failed": False,
        "cost_usd": 0.0,
        "report": "",
        "mlflow_run_id": "m",
    }
    return json.loads(json.dumps(row | values))


def _words(page):
    """What a reader sees."""
    return " ".join(re.sub(r"<style>.*?</style>|<[^>]*>", " ", page, flags=re.DOTALL).split())


WHOLE = _summary(
    evaluate=_evaluate(
        _case("good", True),
        _case("bad", False),
        _case("odd", None, failed=["grounded: could not grade"]),
        comparison=Comparison("2026-11-30", 10, ("customers/bad",), ("customers/good",)),
    )
)


@pytest.mark.parametrize(
    "told",
    [
        "support, night 2026-12-01",
        "Verdict: not enough evidence : baseline 1 of 10.",
        "Retrieval gate: pass (40 queries, every floor holds).",
        "Release abc, serving version 7 of collection support.",
        "2 added, 1 changed, 0 renamed, 0 copied, 0 deleted, 40 unchanged, 1 in quarantine; 211 chunks",
        "help/empty.txt empty the file has no content",
        "help documentation team 43 1 30.0 h 24 h no",
        "recall@5 0.900, MRR@10 0.800, nDCG@10 0.850 (40 labelled queries)",
        "80 % (8 of 10)",
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
        _summary(evaluate=_evaluate(_case("bad", False, answer=EVIL))),
        _summary(evaluate=_evaluate(_case("bad", False, question=EVIL))),
        _summary(evaluate=_evaluate(_case("bad", False, failed=[f"forbidden: says: {EVIL}"]))),
        _summary(evaluate=_evaluate(comparison=Comparison("2026-11-30", 1, (EVIL,), ()))),
        _summary(ingest=_ingest(doc_id=f"help/{EVIL}.md")),
        _summary(ingest=_ingest(detail=EVIL)),
        _summary(check=_check(reason=EVIL)),
        _summary(check=_check(source=EVIL)),
        _summary(verdict_reason=EVIL),
        _summary(EVIL),
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
    clean = _summary(evaluate=_evaluate(_case("bad", False, answer="-"), comparison=Comparison("-", 1, ("-",), ())))
    evil = _evaluate(_case("bad", False, answer=text), comparison=Comparison(text, 1, (text,), ()))
    page = render(_summary(evaluate=evil), [])
    assert re.findall(r"<[^>]*>", page) == re.findall(r"<[^>]*>", render(clean, []))
    assert unescape(page).count(text) == 3


@pytest.mark.parametrize("summary", [WHOLE, _summary()], ids=["a whole night", "a night without answers"])
def test_the_page_loads_nothing_from_elsewhere(summary):
    page = render(summary, [summary] * 3)
    assert re.findall(r"https?://|//\w|<script|<link|<iframe|<img|@import|url\(|\ssrc=|\shref=", page) == []


def test_an_address_in_an_answer_is_text_and_not_a_link():
    page = render(_summary(evaluate=_evaluate(_case("bad", False, answer="See https://example.org/x."))), [])
    assert "See https://example.org/x." in page
    assert re.findall(r"\ssrc=|\shref=|<a\s", page) == []


def test_a_night_without_evaluation_has_no_answers_part():
    words = _words(render(_summary(check=_check(production=None)), []))
    assert "Answers by kind of case" not in words
    assert "Cases that did not pass" not in words
    assert "Retrieval" in words


def test_a_night_without_labelled_queries_says_so():
    assert "No labelled queries." in _words(render(_summary(check=_check(metrics={})), []))


def test_the_first_night_has_none_to_compare_with():
    words = _words(render(_summary(evaluate=_evaluate(_case("good", True))), []))
    assert "The first night: there is none to compare with." in words
    assert "Cases that did not pass None." in words


@pytest.mark.parametrize(
    ("before", "dots", "first"),
    [(0, 1, "2026-12-01"), (1, 2, "night 0"), (29, 30, "night 0"), (45, 30, "night 16")],
)
def test_the_plots_look_back_over_the_last_thirty_nights(before, dots, first):
    summary = _summary(evaluate=_evaluate(_case("good", True)))
    nights = [{**summary, "night": f"night {number}"} for number in range(before)]
    page = render(summary, nights)
    assert page.count('<circle class="dot"') == 4 * dots
    assert f'<text x="0" y="116">{first}</text>' in page
    assert f"over {dots} nights" in page


def test_nights_without_a_value_leave_a_gap_in_their_plot():
    summary = _summary(evaluate=_evaluate(_case("good", True)))
    page = render(summary, [_summary("2026-11-29", check=_check(metrics={})), _summary("2026-11-30")])
    assert page.count('<circle class="dot"') == 1 + 3 * 2


@pytest.mark.parametrize(
    ("values", "points"),
    [
        ([], []),
        ([None], []),
        ([0.5], [(0.0, 50.0)]),
        ([0.0, 1.0], [(0.0, 100.0), (200.0, 0.0)]),
        ([0.0, None, 1.0], [(0.0, 100.0), (200.0, 0.0)]),
        ([None, 0.25, 0.75], [(100.0, 75.0), (200.0, 25.0)]),
    ],
)
def test_a_curve_runs_from_the_oldest_night_on_the_left(values, points):
    assert polyline(values, width=200, height=100) == points


def test_the_same_summary_gives_the_same_page():
    assert render(WHOLE, [WHOLE]) == render(WHOLE, [WHOLE])


def test_the_report_is_filed_under_its_assistant_and_night(tmp_path):
    project = Project(tmp_path, tmp_path / "state", "sqlite://", None)
    path = write_report(project, WHOLE, [])
    assert path == tmp_path / "state" / "reports" / "support" / "2026-12-01.html"
    assert path.read_text(encoding="utf-8") == render(WHOLE, [])
