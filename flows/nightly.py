"""The flow `nightly`: the whole night of one assistant, resumed where it stopped, read when it is finished."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from prefect import flow
from prefect.runtime import flow_run

from flows.announce import announce_night
from flows.changes import counted, what_changed
from flows.check import check
from flows.connect import connect
from flows.evaluate import evaluate
from flows.forms import AssistantName
from flows.ingest import ingest
from flows.lost import close_lost_runs
from flows.nights import missing_cases, tonight_of, within
from flows.report import DriftPictures, write_report
from flows.results import CheckResult, EvaluateResult, IngestResult
from flows.screen import say
from flows.state import hold_state
from flows.step import step
from flows.tracking.night import abandon_run, begin_run, hear_people, log_night, name_prompt
from flows.tracking.runs import tracking
from knowledge.assessment import Assessment, record_assessments
from knowledge.errors import ContentError
from knowledge.history import Night


def run_name() -> str:
    """A night's run is called by its assistant and date."""
    given = flow_run.parameters
    connections = connect()
    nights = connections.history.nights(given["assistant"])
    return f"{given['assistant']} {given['night'] or tonight_of(connections, nights)}"


@flow(name="nightly", flow_run_name=run_name)
def nightly(assistant: AssistantName = "support", night: date | None = None, new_night: bool = False) -> dict[str, Any]:
    """Refresh what the assistant knows, check what it retrieves, measure how it answers, and say what moved.

    An unfinished night is resumed where it stopped; a finished one is read, not run again.

    Args:
        assistant: Which manifest to run the night of.
        night: The date the night belongs to; today, or an unfinished night of yesterday, when left empty.
        new_night: Run a second night on the same date, although one is finished.
    """
    with hold_state(connect().project, f"nightly {assistant}"):
        close_lost_runs(connect().project)
        tonight = begin_night(assistant, night, new_night)
        return tonight.summary or run_night(tonight)


def run_night(tonight: Night) -> dict[str, Any]:
    """The steps of an unfinished night; those that are done already find nothing left to do."""
    forget_texts()
    collection = connect().manifest(tonight.assistant).collection
    with within(tonight):
        ingested = ingest(collection=collection)
        checked = check(collection=collection)
        prompt = name_prompt(tonight.assistant) if checked.production_version is not None else None
        evaluated = evaluate_production(tonight, checked)
    said = hear_people(tonight.assistant)
    summary = summarise(tonight, ingested, checked, evaluated)
    summary |= {"prompt_version": prompt, "assessments": [each.as_row() for each in said]}
    summary = report_night(summary, evaluated.drift_pictures if evaluated else None)
    log_night(tonight, summary, ingested, checked, evaluated)
    close_night(tonight, summary, said)
    announce_night(summary)
    return summary


@step
def begin_night(assistant: str, night: date | None, new_night: bool) -> Night:
    """The night to run: a new one, an unfinished one to resume, or a finished one to read. Raises ContentError."""
    connections = connect()
    connections.manifest(assistant)
    history = connections.history
    nights = history.nights(assistant)
    wanted = night or tonight_of(connections, nights)
    same = [each for each in nights if each.scheduled_on == wanted]
    if same and not new_night and same[-1].status != "abandoned":
        tonight = same[-1]
        if tonight.status == "running":
            say(f"night {tonight.name} of '{assistant}' was not finished: it goes on")
        elif missing := missing_cases(tonight):
            say(f"night {tonight.name} of '{assistant}' has {counted(missing, 'case')} missing, asked now")
            tonight = replace(tonight, summary=None)
    else:
        if nights and wanted < nights[-1].scheduled_on:
            raise ContentError(
                f"night {wanted}: it did not run, and {nights[-1].name} has; what was true then is past. "
                "Name a later date, or none."
            )
        for left in (each for each in nights if each.status == "running"):
            history.note_night(left, status="abandoned")
            abandon_run(left)
        tonight = history.begin_night(assistant, wanted, len(same) + 1)
    if tonight.mlflow_run_id is None:
        tonight = replace(tonight, mlflow_run_id=begin_run(tonight))
        history.note_night(tonight, mlflow_run_id=tonight.mlflow_run_id)
    return tonight


@step
def forget_texts() -> None:
    """Take requests and replies past their retention out of the ledger; digests, counts and costs stay."""
    connections = connect()
    days = connections.settings.ledger.raw_text_days
    if forgotten := connections.ledger.forget_texts(datetime.now(UTC) - timedelta(days=days)):
        say(f"ledger: texts are kept for {days} days; forgotten now: {forgotten}")


def evaluate_production(tonight: Night, checked: CheckResult) -> EvaluateResult | None:
    """Evaluate what serves; None when the first version ever was held back, so that nothing serves."""
    if checked.production_version is None:
        return None
    return evaluate(assistant=tonight.assistant)


@step
def report_night(summary: dict[str, Any], pictures: DriftPictures | None) -> dict[str, Any]:
    """Say what changed since the last finished night, and write the morning report."""
    connections = connect()
    nights = connections.history.nights(summary["assistant"])
    before = [each.summary for each in nights if each.status == "finished" and each.summary]
    parts = connections.release_parts(connections.manifest(summary["assistant"]))
    told = {**summary, "release_parts": parts}
    told["links"] = run_links(summary["mlflow_run_id"])
    told["changed"] = what_changed(told, before[-1] if before else None)
    return {**told, "report": str(write_report(connections.project, told, before, pictures=pictures))}


def run_links(mlflow_run_id: str | None) -> dict[str, str]:
    """Where this night stands in the platforms' own views, as far as a server shows them."""
    mlflow = tracking().run_url(mlflow_run_id) if mlflow_run_id else None
    prefect = flow_run.ui_url if connect().project.prefect_url else None
    return {name: url for name, url in (("mlflow", mlflow), ("prefect", prefect)) if url}


@step
def close_night(tonight: Night, summary: dict[str, Any], said: list[Assessment]) -> None:
    """Enter the night as finished, and keep what people said with the cases."""
    history = connect().history
    history.note_night(tonight, status="finished", finished_at=datetime.now(UTC), summary=summary)
    # last: a night that is killed here says once more, rather than never, what people said
    record_assessments(history, said)


def summarise(
    tonight: Night, ingested: IngestResult, checked: CheckResult, evaluated: EvaluateResult | None
) -> dict[str, Any]:
    """What the night says, as plain JSON values."""
    held = checked.verdict == "fail"
    quiet = ("not enough evidence", "no version serves: the check held the first one back")
    verdict, reason = (evaluated.verdict, evaluated.verdict_reason) if evaluated else quiet
    return {
        "night": tonight.name,
        "assistant": tonight.assistant,
        "release": evaluated.release if evaluated else "none",
        "ingest": ingested.as_row(),
        "check": checked.as_row(),
        "evaluate": evaluated.as_row() if evaluated else None,
        "verdict": verdict,
        "verdict_reason": reason,
        "gate_failed": held,
        "cost_usd": evaluated.cost_usd if evaluated else 0.0,
        "report": "",
        "mlflow_run_id": tonight.mlflow_run_id,
    }
