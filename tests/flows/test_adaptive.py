"""Adaptive nights, from nights as they are recorded: what is asked, what it saves, and what is evidence."""

import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from evals.case import read_suite
from flows.adaptive import opens, plan_night, planned_row
from flows.collecting import collected
from flows.connect import Connections
from flows.drift import results_since, standing_of
from flows.exam import CANARY, WHOLE, Exam, told
from flows.nights import within
from flows.params import Project

ROOT = Path(__file__).parents[2]
FIRST = date(2026, 11, 1)
ADAPTIVE = "adaptive_nights: {canary_cases: 30, pilot_nights: 3, whole_every: 5}"


@pytest.fixture
def connections(tmp_path: Path) -> Connections:
    for name in ("knowledge/manifests", "knowledge/policies", "knowledge/sources", "evals"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "state").mkdir()
    return connect_with(tmp_path, ADAPTIVE)


def connect_with(folder: Path, adaptive: str) -> Connections:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    text = text.replace("baseline_nights: 10", "baseline_nights: 4").replace("adaptive_nights: null", adaptive)
    (folder / "params.yaml").write_text(text, encoding="utf-8")
    return Connections(Project(folder, folder / "state", f"sqlite:///{folder / 'state' / 'plumbline.db'}", None))


class Nights:
    """Nights of `support`, one a day, asked as planned; cases fail as they are told to."""

    def __init__(self, connections: Connections):
        self.connections = connections
        self.suites = tuple(read_suite(ROOT / "evals/suites", name) for name in ("customers", "staff"))
        self._day = FIRST
        self.asked: list[int] = []

    def exam(self, night: str) -> Exam:
        release = self.connections.release(self.connections.manifest("support"))
        return Exam("support", night, release, 3, self.suites)

    def record(self, exam: Exam, broken: int) -> None:
        """The answers of an exam; of the whole suite the first `broken` cases of each kind fail."""
        fails = set()
        for kind in {case.kind for suite in self.suites for case in suite.cases}:
            of_kind = [case.id for suite in self.suites for case in suite.cases if case.kind == kind]
            fails.update(of_kind[:broken])
        row = {"assistant": "support", "night": exam.night, "release": exam.release, "collection_version": 3}
        row |= {"scores": [], "latency_ms": 1.0, "cost_usd": 0.001, "recorded_at": datetime.now(UTC), "spans": []}
        row |= {"repeat": exam.repeat, "answer": {"text": "word", "usage": {"input_tokens": 9, "output_tokens": 1}}}
        self.connections.history.record_results(
            [
                {
                    **row,
                    "suite": suite.suite,
                    "case_id": case.id,
                    "kind": case.kind,
                    "case_digest": case.case_digest,
                    "passed": case.id not in fails,
                }
                for suite in exam.suites
                for case in suite.cases
            ]
        )

    def run(self, *, broken: int = 0):
        """A night: its plan's row and how things stand after it."""
        history = self.connections.history
        night = history.begin_night("support", self._day, 1)
        self._day += timedelta(1)
        exam = self.exam(night.name)
        with within(night):
            plan = plan_night(self.connections, exam)
            canary, why = plan and plan.canary, None
            if canary:
                self.record(canary, broken)
                why = opens(self.connections, exam)
            if not canary or why:
                self.record(exam, broken)
            self.asked.append((canary.cases if canary else 0) + (exam.cases if why or not canary else 0))
            row = plan and planned_row(self.connections, exam, why or plan.reason, asked=self.asked[-1])
            standing = standing_of(self.connections, "support", tonight=night.name)
        summary = {"release": exam.release, "evaluate": {"verdict": standing.verdict, "plan": row}}
        history.note_night(night, status="finished", summary=summary)
        return row, standing


def test_pilot_and_baseline_are_whole_then_a_canary_is_asked_and_every_fifth_night_all(connections):
    nights = Nights(connections)
    said = [nights.run() for _ in range(12)]
    pilot, baseline = [f"pilot {number} of 3" for number in (1, 2)], [f"baseline {number} of 4" for number in range(5)]
    assert [standing.reason for _, standing in said[:7]] == [*pilot, *baseline]
    assert nights.asked == [69] * 7 + [69] + [30] * 4
    assert [row["saved"] for row, _ in said] == [0] * 8 + [39] * 4
    assert said[-1][0]["saved_since_baseline"] == 4 * 39
    assert said[-1][1].verdict == "steady"


def test_no_night_of_the_pilot_is_a_run_of_the_baseline(connections):
    nights = Nights(connections)
    for _ in range(8):
        nights.run()
    baseline = connections.baselines.standing("support")
    assert baseline.pilot == ("2026-11-01", "2026-11-02", "2026-11-03")
    assert baseline.runs == ("2026-11-04", "2026-11-05", "2026-11-06", "2026-11-07")
    assert len(baseline.canary) == 30


def test_a_canary_that_breaks_opens_the_whole_suite_and_only_that_is_evidence(connections):
    nights = Nights(connections)
    for _ in range(9):
        nights.run()
    row, standing = nights.run(broken=3)
    assert (row["asked"], row["saved"]) == (69 + 30, -30)
    assert row["reason"].startswith("the canary has changed: evidence ")
    assert standing.verdict == "drift"
    baseline = connections.baselines.standing("support")
    passed = results_since(connections, baseline, tonight="2026-11-10").metrics[0].history
    assert [len(night) for night in passed.nights] == [69, 0, 69]
    assert {len(values) for values in passed.nights[-1].values()} == {1}, "the canary's answers are not counted"


def test_while_an_alarm_stands_every_case_is_asked_and_after_a_reset_the_canary_again(connections):
    nights = Nights(connections)
    for _ in range(8):
        nights.run()
    assert nights.run(broken=4)[1].verdict == "drift"
    row, _ = nights.run()
    assert (row["asked"], row["reason"]) == (69, "an alarm stands")
    connections.baselines.reset(
        connections.baselines.standing("support"), after="2026-11-10", by="person", reason="mended"
    )
    assert nights.run()[0]["asked"] == 30


def test_a_baseline_without_pilot_says_how_to_get_a_canary(connections):
    nights = Nights(connect_with(connections.project.folder, "adaptive_nights: null"))
    for _ in range(5):
        assert nights.run()[0] is None
    nights.connections = connect_with(connections.project.folder, ADAPTIVE)
    row, _ = nights.run()
    assert row["asked"] == 69
    assert "`plumbline baseline accept --assistant support` begins anew" in row["reason"]


def test_what_is_asked_by_hand_has_no_plan(connections):
    assert plan_night(connections, Nights(connections).exam("by hand 2026-11-01 10:00:00")) is None


def test_a_night_is_told_by_the_whole_suite_where_it_was_asked():
    canary, whole = {"repeat": CANARY}, {"repeat": WHOLE}
    assert told([canary, whole]) == [whole]
    assert told([canary]) == [canary]
    assert told([]) == []


def test_no_baseline_is_made_of_nights_that_asked_a_canary_alone(connections):
    nights = Nights(connections)
    for _ in range(12):
        nights.run()
    assert nights.asked[-4:] == [30] * 4
    assert collected(connections, "support") == [f"2026-11-{day:02d}" for day in range(1, 9)]


def test_a_night_that_is_asked_again_knows_nothing_of_those_after_it(connections):
    nights = Nights(connections)
    for _ in range(9):
        nights.run()
    nights.run(broken=4)
    asked = {night.name: night for night in connections.history.nights("support")}
    for name, reason in {
        "2026-11-03": "the baseline is made of this night",
        "2026-11-07": "the baseline is made of this night",
        "2026-11-08": "one night in 5 is whole",
        "2026-11-09": "a canary of 30 cases first",
    }.items():
        with within(asked[name]):
            plan = plan_night(connections, nights.exam(name))
            assert plan.reason == reason
    assert opens(connections, nights.exam("2026-11-09")) is None
    assert opens(connections, nights.exam("2026-11-10")) is not None


def test_a_night_of_the_baseline_is_not_held_against_it(connections):
    nights = Nights(connections)
    for _ in range(6):
        nights.run()
    assert standing_of(connections, "support", tonight="2026-11-06").reason == "baseline 3 of 4"
    nights.run()
    standing = standing_of(connections, "support", tonight="2026-11-07")  # as when its missing cases are asked
    assert (standing.verdict, standing.reason) == (
        "not enough evidence",
        "night 2026-11-07 is one of those that the baseline is made of",
    )


def test_a_canary_that_nobody_answered_opens_nothing(connections):
    nights = Nights(connections)
    for _ in range(8):
        nights.run()
    assert nights.run(broken=4)[0]["reason"].startswith("the canary has changed")
    assert opens(connections, nights.exam("2026-11-10")) is None


def test_a_canary_of_every_case_is_the_whole_suite(connections):
    nights = Nights(connect_with(connections.project.folder, ADAPTIVE.replace("30", "500")))
    for _ in range(9):
        row, _ = nights.run()
    assert nights.asked == [69] * 9
    assert row["reason"].endswith("lower canary_cases")
