"""The flow `nightly`: the whole night of one assistant, resumed where it stopped, read when it is finished."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from flows.check import check
from flows.connect import connect, hold_state
from flows.evaluate import evaluate
from flows.ingest import ingest
from flows.nights import tonight_of, within
from flows.report import write_report
from flows.results import CheckResult, EvaluateResult, IngestResult
from flows.screen import say
from flows.tracking.night import abandon_run, begin_run, hear_people, log_night, name_prompt
from knowledge.assessment import record_assessments
from knowledge.errors import ContentError
from knowledge.history import Night


@flow(name="nightly")
def nightly(assistant: str = "support", night: date | None = None, new_night: bool = False) -> dict[str, Any]:
    """Refresh what the assistant knows, check what it retrieves, measure how it answers, and say what moved."""
    with hold_state(connect().project, f"nightly {assistant}"):
        tonight = begin_night(assistant, night, new_night)
        return tonight.summary or run_night(tonight)


def run_night(tonight: Night) -> dict[str, Any]:
    """The steps of an unfinished night; those that are done already find nothing left to do."""
    collection = connect().manifest(tonight.assistant).collection
    with within(tonight):
        ingested = ingest(collection=collection)
        checked = check(collection=collection)
        prompt = name_prompt(tonight.assistant) if checked.production_version is not None else None
        evaluated = evaluate_production(tonight, checked)
    return finish_night(tonight, ingested, checked, evaluated, prompt)


@task(cache_policy=NO_CACHE)
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


def evaluate_production(tonight: Night, checked: CheckResult) -> EvaluateResult | None:
    """Evaluate what serves; None when the first version ever was held back, so that nothing serves."""
    if checked.production_version is None:
        return None
    return evaluate(assistant=tonight.assistant)


@task(cache_policy=NO_CACHE)
def finish_night(
    tonight: Night,
    ingested: IngestResult,
    checked: CheckResult,
    evaluated: EvaluateResult | None,
    prompt_version: str | None,
) -> dict[str, Any]:
    """Write the report, log the night, and close it."""
    connections = connect()
    said = hear_people(tonight.assistant)
    before = [each for each in connections.history.nights(tonight.assistant) if each.status == "finished"]
    summary = summarise(tonight, ingested, checked, evaluated)
    summary |= {"prompt_version": prompt_version, "assessments": [each.as_row() for each in said]}
    report = write_report(connections.project, summary, [each.summary for each in before if each.summary])
    summary["report"] = str(report)
    log_night(tonight, summary, ingested, checked, evaluated)
    now = datetime.now(UTC)
    connections.history.note_night(tonight, status="finished", finished_at=now, summary=summary)
    # last: a night that is killed here says once more, rather than never, what people said
    record_assessments(connections.history, said)
    return summary


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
