"""How an assistant stands against its baseline, from nights as they are recorded."""

import json
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from flows.collecting import make_baseline
from flows.connect import Connections
from flows.drift import standing_of
from flows.params import Project
from knowledge.errors import ContentError

ROOT = Path(__file__).parents[2]
CASES = 40
FIRST = date(2026, 11, 1)


@pytest.fixture
def connections(tmp_path: Path) -> Connections:
    for name in ("knowledge/manifests", "knowledge/policies", "knowledge/sources", "evals"):
        shutil.copytree(ROOT / name, tmp_path / name)
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    (tmp_path / "params.yaml").write_text(text.replace("baseline_nights: 10", "baseline_nights: 4"), encoding="utf-8")
    (tmp_path / "state").mkdir()
    return Connections(Project(tmp_path, tmp_path / "state", f"sqlite:///{tmp_path / 'state' / 'plumbline.db'}", None))


class Nights:
    """Nights of `support`, one a day; each is judged before it is finished, as in a night."""

    def __init__(self, connections: Connections):
        self.connections = connections
        self._day = FIRST

    def run(self, *, broken: int = 0, words: int = 10, missing: int = 0, finish: bool = True):
        """The standing after a night in which the first `broken` cases fail and answers have so many words."""
        history = self.connections.history
        night = history.begin_night("support", self._day, 1)
        self._day += timedelta(1)
        release = self.connections.release(self.connections.manifest("support"))
        row = {"assistant": "support", "night": night.name, "suite": "customers", "repeat": 0, "kind": "answerable"}
        row |= {"case_digest": "d", "release": release, "collection_version": 3, "scores": [], "latency_ms": 1.0}
        row |= {"cost_usd": 0.001, "recorded_at": datetime.now(UTC), "spans": []}
        answer = {"text": "word " * words, "usage": {"input_tokens": 9, "output_tokens": words}}
        answer |= {"question": "How long?", "outcome": "answered", "citations": [], "model": "local/extractive"}
        history.record_results(
            [
                {**row, "case_id": f"case-{number}", "answer": answer, "passed": number >= broken}
                for number in range(missing, CASES)
            ]
        )
        standing = standing_of(self.connections, "support", tonight=night.name)
        if finish:
            history.note_night(night, status="finished", summary={"release": release})
        return standing


def test_the_first_nights_of_a_release_become_its_baseline_and_the_next_ones_are_held_against_it(connections):
    nights = Nights(connections)
    said = [nights.run() for _ in range(6)]
    assert [each.reason for each in said[:4]] == [f"baseline {number} of 4" for number in (1, 2, 3, 4)]
    assert [each.verdict for each in said] == ["not enough evidence"] * 4 + ["steady"] * 2
    standing = connections.baselines.standing("support")
    assert standing is not None
    assert standing.runs == ("2026-11-01", "2026-11-02", "2026-11-03", "2026-11-04")


def test_a_night_in_which_many_cases_break_is_drift_since_that_night(connections):
    nights = Nights(connections)
    for _ in range(6):
        nights.run()
    said = nights.run(broken=8)
    assert said.verdict == "drift"
    assert (said.drift.alarm_night, said.drift.stream) == ("2026-11-07", "fail")
    assert "2026-11-05" <= said.drift.since <= "2026-11-07", "the chance of quiet nights may lead it back a little"
    assert {each.case for each in said.drift.cases} == {f"customers/case-{number}@d" for number in range(8)}
    assert json.loads(json.dumps(said.as_row()))["alarm_night"] == "2026-11-07"
    assert said.baseline_id == connections.baselines.standing("support").id
    assert nights.run().verdict == "drift", "an alarm stays until somebody answers it"


def test_answers_that_grow_longer_are_drift_although_every_case_passes(connections):
    nights = Nights(connections)
    for _ in range(6):
        nights.run()
    said = [nights.run(words=12) for _ in range(3)]
    assert said[-1].verdict == "drift"
    assert said[-1].leading_stream in ("answer_length", "output_tokens")


def test_missing_cases_are_not_failures(connections):
    nights = Nights(connections)
    for _ in range(6):
        nights.run()
    assert [nights.run(missing=20).verdict for _ in range(3)] == ["steady"] * 3


def test_the_same_night_judged_again_says_the_same(connections):
    nights = Nights(connections)
    for _ in range(5):
        nights.run()
    said = nights.run(broken=2, finish=False)
    assert standing_of(connections, "support", tonight="2026-11-06") == said


def test_after_a_false_alarm_evidence_begins_anew_and_the_pool_stays(connections):
    nights = Nights(connections)
    for _ in range(5):
        nights.run()
    assert nights.run(broken=8).verdict == "drift"
    standing = connections.baselines.standing("support")
    connections.baselines.reset(standing, after="2026-11-06", by="person", reason="a broken grader")
    assert nights.run().verdict == "steady"
    assert connections.baselines.standing("support").runs == standing.runs
    assert [each["action"] for each in connections.history.audit("support")] == ["make baseline", "reset evidence"]


def test_a_changed_release_is_refused_by_its_part_until_it_is_accepted(connections):
    nights = Nights(connections)
    for _ in range(5):
        nights.run()
    path = connections.project.folder / "knowledge/manifests/support.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("Answer", "Please answer", 1))
    changed = Connections(connections.project)
    nights.connections = changed
    said = nights.run()
    assert said.verdict == "not enough evidence"
    assert "the release differs from the baseline's in prompt" in said.reason
    assert "plumbline baseline accept --assistant support" in said.reason
    changed.baselines.end(changed.baselines.standing("support"), by="person", reason="shorter answers")
    assert nights.run().reason == "baseline 1 of 4"


def test_a_baseline_of_more_nights_than_there_are_is_refused(connections):
    Nights(connections).run()
    with pytest.raises(ContentError, match=r"asked for, 1 are finished\. .*--now` asks every case 2 times"):
        make_baseline(connections, "support", runs=3, by="person")
