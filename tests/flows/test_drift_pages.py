"""The drift part of the morning report: what it names, what it draws, and when it draws nothing."""

import json
import re
import time
from html import unescape
from pathlib import Path

import pytest
import test_drift
from made_nights import evaluate_result, summary_of
from made_standings import standing_after

from evals.drift.verdict import undecided
from flows.evaluate import Asking, Outcome, compare_nights
from flows.exam import Exam
from flows.nightly import report_night
from flows.report import draw_drift, render, render_drift

connections = test_drift.connections  # a project whose baseline is made of four nights
EVIL = "<script>alert('x')</script>"
DIFFERING = (
    "the release differs from the baseline's in prompt: change it back, or say that it is meant by "
    "`plumbline baseline accept --assistant support`"
)


def rendered(standing, *, night="2026-11-14"):
    """The report of a night that stands so."""
    summary = summary_of(night, evaluate=evaluate_result(drift=standing.as_row()))
    return render(summary, [], pictures=draw_drift(standing.results, standing) if standing.results else None)


def words(page):
    """What a reader sees."""
    return unescape(" ".join(re.sub(r"<style>.*?</style>|<[^>]*>", " ", page, flags=re.DOTALL).split()))


def test_the_report_of_a_drifting_night_names_since_slices_cases_and_what_it_cannot_see():
    standing = standing_after(6)
    assert standing.verdict == "drift"
    text, since = words(rendered(standing)), standing.drift.since
    for told in (
        f"Drift since {since} drift : since night {since}",
        "Baseline 5 runs, 2026-11-01 to 2026-11-05 Nights 9 since, the last of them 2026-11-14",
        f"the alarm sounded in {standing.drift.alarm_night} , by stream fail",
        "a 95% interval that stays valid however often one looks",
        "Slices cases (",
        "20 cases",
        "Silence is not health",
        "Cases that carry the drift Case Passed before Passed since case-00 100% 0% case-01 100% 0%",
    ):
        assert told in text


@pytest.mark.parametrize(("broken", "cases", "told"), [(3, 20, True), (60, 80, False)])
def test_that_the_interval_still_holds_0_is_told_where_it_does(broken, cases, told):
    standing = standing_after(broken, cases=cases)
    size = standing.drift.size
    assert (size.low <= 0 <= size.high) == told
    assert ("It still holds 0 although the alarm stands" in words(rendered(standing))) == told


def test_a_steady_night_shows_its_evidence_below_the_alarm_and_names_no_drop():
    standing = standing_after(0)
    page = rendered(standing)
    assert standing.verdict == "steady"
    assert "No drift found steady : the most evidence, of stream" in words(page)
    assert page.count('class="threshold"') == 2
    assert "Drop" not in words(page)
    assert "Cases that carry" not in words(page)
    assert 'class="excursion"' not in page


@pytest.mark.parametrize(
    ("reason", "baseline_id", "told", "alarm"),
    [
        ("baseline 3 of 10", None, "Nothing is held against a baseline yet: this night", False),
        (DIFFERING, "first", "Until then nothing is held against the baseline: this night", True),
    ],
)
def test_a_night_that_is_held_against_nothing_says_why_and_draws_nothing(reason, baseline_id, told, alarm):
    page = rendered(undecided(reason, baseline_id=baseline_id))
    assert f"Drift: not enough evidence not enough evidence : {reason} {told}" in words(page)
    part = page[page.index('<section id="drift"') : page.index('<section id="documents"')]
    assert ('class="changed alarm"' in part) == alarm
    assert re.findall("<svg|<table|<dl|<h3", part) == []


def test_a_summary_of_before_there_was_drift_has_no_such_part():
    page = render(summary_of(evaluate=evaluate_result()), [])
    assert 'id="drift"' not in page
    assert 'href="#drift"' not in page


def test_a_flip_is_a_full_cell_in_the_column_of_its_night():
    standing = standing_after(1)
    strips = {each.case: each for each in draw_drift(standing.results, standing).strips}
    strip = strips["case-00"]
    assert strip.failed == "M11 0h1v1h-1zM12 0h1v1h-1zM13 0h1v1h-1z"
    assert (strip.partly, strip.missing) == ("", "")
    assert strip.told == "failed 0 of 5, then 3 of 7"
    assert "case-05" not in strips


def test_the_pass_rate_has_a_dot_a_column_and_a_line_and_a_band_from_the_baseline_on():
    standing = standing_after(6)
    pictures = draw_drift(standing.results, standing)
    (plot,) = pictures.plots
    assert (len(plot.dots), plot.apart) == (14, True)
    assert [len(line.split()) for line in plot.lines] == [9]
    assert [len(band.split()) for band in plot.bands] == [18]
    assert pictures.running[:5] == ("baseline",) * 5
    assert re.fullmatch(r"\d+\.\d% \(\d+\.\d% to \d+\.\d%\)", pictures.running[-1])
    assert plot.told.endswith(f"; {pictures.running[-1]} since the baseline")


def test_every_picture_is_told_in_words():
    page = rendered(standing_after(6))
    assert re.findall(r'<svg(?![^>]*role="img" aria-label="[^"]+")', page) == []


def test_names_that_are_markup_are_text():
    standing = standing_after(6, name=EVIL)
    alone = render_drift(standing.as_row(), assistant=EVIL, night="n", pictures=draw_drift(standing.results, standing))
    for page in (rendered(standing), alone):
        assert "<script" not in page
        assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;-00" in page
        assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;s" in page


def test_a_year_of_nights_is_a_page_of_less_than_half_a_megabyte_and_leaves_the_summary_small():
    standing = standing_after(2, nights=350)
    pictures = draw_drift(standing.results, standing)
    result = evaluate_result(drift=standing.as_row(), drift_pictures=pictures)
    assert len(rendered(standing).encode()) < 500_000
    assert "drift_pictures" not in result.as_row()
    assert len(json.dumps(result.as_row())) < 10_000


def test_what_is_drawn_goes_from_the_evaluation_to_the_report_of_the_same_night(connections, monkeypatch):
    monkeypatch.chdir(connections.project.folder)
    monkeypatch.delenv("PLUMBLINE_STATE", raising=False)
    nights = test_drift.Nights(connections)
    for _ in range(6):
        nights.run()
    release = connections.release(connections.manifest("support"))
    for each in connections.history.nights("support"):
        connections.history.note_night(each, summary=summary_of(each.name, release=release))
    nights.run(broken=8, finish=False)
    exam = Exam("support", "2026-11-07", release, 3, ())
    result = compare_nights.__wrapped__(Asking(exam, Outcome({"paid": 0, "reused": 0}, ())), time.perf_counter())
    summary = summary_of("2026-11-07", evaluate=result, mlflow_run_id=None, verdict=result.verdict)
    told = report_night.__wrapped__(summary, result.drift_pictures)
    page = Path(told["report"]).read_text(encoding="utf-8")
    assert f"Drift since {result.drift['since']} drift : since night" in words(page)
    assert len(re.findall('class="strip"', page)) == 8
    assert "pictures" not in json.dumps(told)
