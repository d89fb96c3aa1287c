"""The flow `nightly`: the whole night of one assistant, resumed where it stopped, read when it is finished."""

from datetime import UTC, date, datetime
from typing import Any

from prefect import flow
from prefect.runtime import flow_run

from flows.announce import announce_night
from flows.changes import what_changed
from flows.check import check
from flows.connect import connect, hold_state
from flows.evaluate import evaluate
from flows.forms import AssistantName
from flows.ingest import ingest
from flows.lost import close_lost_runs
from flows.nights import tonight_of, within
from flows.report import write_report
from flows.results import CheckResult, EvaluateResult, IngestResult
from flows.screen import say
from flows.step import step
from flows.tracking.runs import tracking
from flows.tracking.steps import check_metrics, evaluate_metrics, served_models
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
    collection = connect().manifest(tonight.assistant).collection
    with within(tonight):
        ingested = ingest(collection=collection)
        checked = check(collection=collection)
        evaluated = evaluate_production(tonight, checked)
    summary = finish_night(tonight, ingested, checked, evaluated)
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
    else:
        if nights and wanted < nights[-1].scheduled_on:
            raise ContentError(
                f"night {wanted}: it did not run, and {nights[-1].name} has; what was true then is past. "
                "Name a later date, or none."
            )
        for left in (each for each in nights if each.status == "running"):
            history.note_night(left, status="abandoned")
        tonight = history.begin_night(assistant, wanted, len(same) + 1)
    if tonight.mlflow_run_id is None:
        name = f"{assistant} {tonight.name}"
        run_id = tracking().begin(assistant, name, {"plumbline.flow": "nightly", "plumbline.night": tonight.name})
        history.note_night(tonight, mlflow_run_id=run_id)
        return Night(assistant, tonight.name, tonight.scheduled_on, "running", run_id)
    return tonight


def evaluate_production(tonight: Night, checked: CheckResult) -> EvaluateResult | None:
    """Evaluate what serves; None when the first version ever was held back, so that nothing serves."""
    if checked.production_version is None:
        return None
    return evaluate(assistant=tonight.assistant)


@step
def finish_night(
    tonight: Night, ingested: IngestResult, checked: CheckResult, evaluated: EvaluateResult | None
) -> dict[str, Any]:
    """Write the report, log the night, and close it."""
    connections = connect()
    before = [each for each in connections.history.nights(tonight.assistant) if each.status == "finished"]
    said = [each.summary for each in before if each.summary]
    summary = summarise(tonight, ingested, checked, evaluated)
    summary["release_parts"] = connections.release_parts(connections.manifest(tonight.assistant))
    summary["changed"] = what_changed(summary, said[-1] if said else None)
    report = write_report(connections.project, summary, said)
    summary["report"] = str(report)
    if run_id := tonight.mlflow_run_id:
        figures = {**check_metrics(checked), **(evaluate_metrics(evaluated) if evaluated else {})}
        tracking().log(
            run_id,
            parameters={
                "assistant": tonight.assistant,
                "night": tonight.name,
                "collection": ingested.collection,
            },
            metrics={**figures, "ingest/chunks": float(ingested.chunks), "cost_usd": summary["cost_usd"]},
            tags={
                "plumbline.release": summary["release"],
                "plumbline.collection_version": checked.production_version,
                "plumbline.recipe": ingested.recipe_id,
                "plumbline.manifest_digest": connections.manifest(tonight.assistant).manifest_digest,
                "plumbline.served_model": ", ".join(served_models(evaluated)) if evaluated else "none",
                "plumbline.verdict": summary["verdict"],
                "mlflow.note.content": f"{summary['verdict']}: {summary['verdict_reason']}",
            },
        )
        tracking().log_file(run_id, report)
        tracking().log_json(run_id, summary, "summary.json")
        tracking().end(run_id)
    now = datetime.now(UTC)
    connections.history.note_night(tonight, status="finished", finished_at=now, summary=summary)
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
