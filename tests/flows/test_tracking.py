"""MLflow on a real store: what is logged twice stands once, prompts are versions, traces carry spans and scores."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from made_nights import evaluate_result
from made_standings import standing_after

from evals.drift.verdict import undecided
from flows.params import Project
from flows.report import draw_drift
from flows.spans import SpanRecorder
from flows.tracking.assessments import read_back
from flows.tracking.drift import log_drift
from flows.tracking.prompts import load_prompt, mirror_pointer, register_prompt
from flows.tracking.runs import Tracking
from flows.tracking.steps import flat
from flows.tracking.traces import MAX_TRACES, export_traces, flagged
from knowledge.errors import StateError
from knowledge.manifest import Manifest
from pipelines.answering.spans import gave, step


def project(folder, uri=None):
    return Project(folder=folder, state=folder / "state", database_url="sqlite://", given_tracking_uri=uri)


@pytest.fixture(scope="module")
def tracking(tmp_path_factory):
    """One tracking store for the tests of this module; each uses names of its own."""
    return Tracking(project(tmp_path_factory.mktemp("tracking")))


def manifest(assistant, user="{{question}}"):
    prompt = {"variables": ["question"], "system": "Answer.", "user": user}
    return Manifest(assistant=assistant, collection="c", policy="p", suites=("s",), prompt=prompt)


def test_nested_settings_become_one_name_each():
    assert flat({"a": {"b": 1, "c": {"d": 2}}, "e": 3}) == {"a.b": 1, "a.c.d": 2, "e": 3}


# --- runs


def test_what_is_logged_twice_stands_once_and_a_figure_that_changed_is_shown(tracking):
    run = tracking.begin("twice", "twice 2026-11-02", {})
    for value in (1.0, 2.0):
        tracking.log(
            run,
            parameters={"limit": value},
            metrics={"rate": value, "none": None},
            tags={"last": value},
            tables={"cases.json": [{"case": "a", "cited": ["x", "y"]}]},
        )
    data = tracking.client.get_run(run).data
    assert (data.params, data.metrics, data.tags["last"]) == ({"limit": "1.0"}, {"rate": 2.0}, "2.0")
    assert [(each.value, each.step) for each in tracking.client.get_metric_history(run, "rate")] == [(1.0, 0), (2.0, 0)]
    assert json.loads(data.tags["mlflow.loggedArtifacts"]) == [{"path": "cases.json", "type": "table"}]
    table = json.loads(Path(tracking.client.download_artifacts(run, "cases.json")).read_text())
    assert table == {"columns": ["case", "cited"], "data": [["a", "x, y"]]}


def test_a_run_that_was_begun_is_found_again(tracking):
    tags = {"plumbline.night": "2026-11-02", "plumbline.started_at": "a time"}
    assert tracking.find("found", tags) is None
    run = tracking.begin("found", "found 2026-11-02", tags)
    assert tracking.find("found", tags) == run


def test_a_child_that_is_begun_again_replaces_the_first(tracking):
    parent = tracking.begin("children", "a night", {})
    children = [tracking.begin_child(parent, "check") for _ in range(2)]
    found = tracking.client.search_runs([tracking.experiment("children")], "tags.`plumbline.flow` = 'check'")
    assert [run.info.run_id for run in found] == children[1:]


def test_with_a_database_url_artifacts_are_in_the_state_folder(tracking, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(tracking.client.tracking_uri.removeprefix("sqlite:///"), tmp_path / "other.db")
    theirs = Tracking(project(tmp_path, f"sqlite:///{tmp_path / 'other.db'}"))
    run = theirs.begin("support", "a night", {})
    theirs.client.log_text(run, "a page", "report.html")
    assert (tmp_path / f"state/mlflow/artifacts/support/{run}/artifacts/report.html").read_text() == "a page"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.db", "state"]


def test_artifacts_behind_a_server_are_told_with_the_remedy(tracking):
    tracking.client.create_experiment("behind", artifact_location="mlflow-artifacts:/7")
    with pytest.raises(
        StateError, match=r"experiment 'behind' keeps its artifacts behind a server\. Set MLFLOW_TRACKING"
    ):
        tracking.begin("behind", "a night", {})


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        (None, None),
        ("postgresql+psycopg://night:hush@db:5432/mlflow", "postgresql+psycopg://night:***@db:5432/mlflow"),
        ("sqlite:////data/mlflow.db", "sqlite:////data/mlflow.db"),
        ("http://mlflow:5000", "http://mlflow:5000"),
    ],
)
def test_the_address_is_shown_without_its_password(tmp_path, uri, shown):
    mine = project(tmp_path, uri)
    assert mine.shown_tracking_uri == shown
    assert "hush" not in repr(mine)


# --- drift


def logged(tracking, standing):
    """The run of an evaluation that stands so, logged twice, and the text of its page."""
    pictures = draw_drift(standing.results, standing) if standing.results else None
    result = evaluate_result(drift=standing.as_row(), drift_pictures=pictures)
    run = tracking.begin("drift", "support 2026-11-14", {})
    for _ in range(2):
        log_drift(tracking, run, result)
    page = Path(tracking.client.download_artifacts(run, "drift.html")).read_text(encoding="utf-8")
    return tracking.client.get_run(run).data, page


def test_a_run_has_the_figures_of_a_drift_and_a_page_that_opens(tracking):
    standing = standing_after(6)
    run, page = logged(tracking, standing)
    size = standing.drift.size
    assert run.metrics == {
        "drift/evidence/fail": standing.evidence["fail"],
        "drift/evidence/pass": standing.evidence["pass"],
        "drift/drop_points": 100 * size.drop,
        "drift/drop_points_low": 100 * size.low,
        "drift/drop_points_high": 100 * size.high,
        "drift/minimal_detectable_drop_points": standing.detectable.drop_points,
    }
    tags = {name.removeprefix("plumbline."): value for name, value in run.tags.items() if name.startswith("plumbline.")}
    assert tags == {"baseline": "first", "drift_since": standing.drift.since, "leading_stream": "fail"}
    assert f"Drift since <bdi>{standing.drift.since}</bdi></h2>" in page
    assert page.count('class="strip"') >= 6


def test_a_run_of_a_collecting_night_has_no_figures_and_says_so(tracking):
    run, page = logged(tracking, undecided("baseline 3 of 10"))
    assert run.metrics == {}
    assert {run.tags[f"plumbline.{name}"] for name in ("baseline", "drift_since", "leading_stream")} == {"none"}
    assert "baseline 3 of 10" in page


def test_a_stream_of_any_name_is_a_metric(tracking):
    row = standing_after(0).as_row() | {"evidence": {"canary fail": 2.0, "tone (0–1)": 3.0}}
    run = tracking.begin("names", "a night", {})
    log_drift(tracking, run, evaluate_result(drift=row))
    found = tracking.client.get_run(run).data.metrics
    assert {name for name in found if "evidence" in name} == {
        "drift/evidence/canary_fail",
        "drift/evidence/tone__0_1_",
    }


# --- prompts


def test_the_same_prompt_is_one_version_also_when_it_comes_back(tracking):
    first, second = manifest("back"), manifest("back", "Question: {{question}}")
    versions = [register_prompt(tracking, each) for each in (first, first, second, first, second)]
    assert versions == [1, 1, 2, 1, 2]
    assert [load_prompt(tracking, "back", version) for version in (1, 2)] == [first.prompt, second.prompt]


def test_a_prompt_is_loaded_by_the_alias_of_what_serves(tracking):
    old, new = manifest("alias"), manifest("alias", "Now: {{question}}")
    assert [register_prompt(tracking, each) for each in (old, new)] == [1, 2]
    for version, each in ((2, new), (1, old)):
        mirror_pointer(tracking, "alias", version)
        assert load_prompt(tracking, "alias", "production") == each.prompt


def test_a_prompt_is_listed_with_its_experiment(tracking):
    register_prompt(tracking, manifest("listed"))
    found = tracking.client.search_prompts(filter_string=f'experiment_id = "{tracking.experiment("listed")}"')
    assert [each.name for each in found] == ["listed"]


@pytest.mark.parametrize("which", [9, "production"])
def test_a_prompt_that_is_not_there_is_named(tracking, which):
    register_prompt(tracking, manifest("named"))
    with pytest.raises(StateError, match=r"prompt 'named' (version 9|alias production) in MLflow: it is not there"):
        load_prompt(tracking, "named", which)


def test_a_version_that_is_not_what_its_tag_says_is_refused(tracking):
    first, second = manifest("changed"), manifest("changed", "Question: {{question}}")
    assert [register_prompt(tracking, each) for each in (first, second)] == [1, 2]
    tracking.client.set_prompt_version_tag("changed", "2", "plumbline.prompt_digest", first.prompt_digest)
    with pytest.raises(StateError, match=r"prompt 'changed' version 2 in MLflow: its text has digest .*delete that"):
        register_prompt(tracking, first)


def test_a_version_that_somebody_else_made_is_left_alone(tracking):
    tracking.client.create_prompt("theirs")
    tracking.client.create_prompt_version("theirs", "Say {{question}}")
    assert register_prompt(tracking, manifest("theirs")) == 2
    with pytest.raises(StateError, match="version 1 in MLflow: not one of ours"):
        load_prompt(tracking, "theirs", 1)


# --- traces and assessments


def result(case, *, passed):
    """A result row with the spans of a small answer."""
    recorder = SpanRecorder()
    with step(recorder.tracer, "answer", "CHAIN", {"question": "Wie lange?"}) as root:
        with step(recorder.tracer, "retrieve", "RETRIEVER", "Wie lange?") as span:
            gave(
                span, [{"page_content": "Fünf Tage.", "metadata": {"doc_id": "a/b.md", "score": 0.5}, "id": "a/b.md#0"}]
            )
        gave(root, {"text": "Fünf Tage [1]."})
        trace_id = f"{root.get_span_context().trace_id:032x}"
    score = {"grader": "facts", "value": 0.0 if passed is False else 1.0, "passed": passed, "reason": "lacks 'days'"}
    return {
        "assistant": "a", "night": "2026-11-02", "suite": "s", "case_id": case, "case_digest": "d",
        "kind": "answerable", "release": "r", "passed": passed, "latency_ms": 3.0, "scores": [score],
        "spans": recorder.taken(trace_id),
        "answer": {"trace_id": trace_id, "question": "Wie lange?", "text": "Fünf Tage [1].", "outcome": "answered"},
    }  # fmt: skip


def test_flagged_are_failed_then_ungraded_then_gained_and_no_more_than_the_limit():
    rows = [
        result(case, passed=passed) for case, passed in (("good", True), ("new", True), ("none", None), ("bad", False))
    ]
    assert [row["case_id"] for row in flagged(rows, {"s/new"})] == ["bad", "none", "new"]
    assert flagged([row | {"spans": None} for row in rows], {"s/new"}) == []
    assert len(flagged([rows[3]] * (MAX_TRACES + 1), set())) == MAX_TRACES


def test_a_trace_shows_question_passages_and_scores_and_is_exported_once(tracking):
    run = tracking.begin("traces", "a night", {})
    rows = [result("bad", passed=False), result("none", passed=None)]
    for _ in range(2):
        assert export_traces(tracking, run, rows, prompt="traces/3", graders={"facts": 2}) == 2
    found = tracking.client.search_traces(locations=[tracking.experiment("traces")], run_id=run)
    assert {trace.info.trace_id for trace in found} == {f"tr-{row['answer']['trace_id']}" for row in rows}
    trace = next(each for each in found if each.info.tags["plumbline.case"] == "bad")
    assert [(span.name, span.span_type) for span in trace.data.spans] == [
        ("answer", "CHAIN"),
        ("retrieve", "RETRIEVER"),
    ]
    assert trace.data.spans[0].outputs == {"text": "Fünf Tage [1]."}
    assert trace.data.spans[1].outputs[0]["metadata"] == {"doc_id": "a/b.md", "score": 0.5}
    assert (trace.info.request_preview, trace.info.response_preview) == ("Wie lange?", "Fünf Tage [1].")
    assert trace.info.tags["plumbline.prompt"] == "traces/3"
    scores = {each.info.tags["plumbline.case"]: each.info.assessments for each in found}
    said = [(each.name, each.value, each.rationale, each.source.source_id) for each in scores["bad"]]
    assert said == [("facts", False, "lacks 'days'", "plumbline/facts@2")]
    assert [each.feedback.error.error_code for each in scores["none"]] == ["COULD_NOT_GRADE"]


def test_a_killed_export_is_completed(tracking):
    run = tracking.begin("killed", "a night", {})
    rows = [result("one", passed=False), result("two", passed=False)]
    export_traces(tracking, run, rows[:1], prompt="killed/1", graders={"facts": 1})
    export_traces(tracking, run, rows, prompt="killed/1", graders={"facts": 1})
    found = tracking.client.search_traces(locations=[tracking.experiment("killed")], run_id=run)
    assert sorted(each.info.tags["plumbline.case"] for each in found) == ["one", "two"]
    assert [len(each.info.assessments) for each in found] == [1, 1]


def test_only_people_are_heard_and_only_their_last_word(tracking):
    from mlflow.entities import AssessmentSource, Feedback

    row = result("heard", passed=False)
    run = tracking.begin("heard", "a night", {})
    export_traces(tracking, run, [row], prompt="heard/1", graders={"facts": 1})
    trace = f"tr-{row['answer']['trace_id']}"
    person = AssessmentSource("HUMAN", "ada")
    for value in (True, False):
        said = Feedback(name="correct", value=value, source=person, rationale="it is ten days")
        tracking.traces.log_assessment(trace, said)
    tracking.traces.log_assessment(trace, Feedback(name="tone", value=True, source=AssessmentSource("LLM_JUDGE", "j")))
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    heard = read_back(tracking, "heard", long_ago)
    assert heard.traces == {trace}
    last = {each.key: each for each in heard.assessments}
    assert list(last) == [(trace, "correct", "ada")]
    (word,) = last.values()
    assert (word.value, word.rationale, word.case_id, word.case_digest) == (False, "it is ten days", "heard", "d")
    assert read_back(tracking, "heard", datetime.now(UTC) + timedelta(hours=1)).assessments == ()
