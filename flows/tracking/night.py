"""What a whole night leaves on its run: what varies between nights, what it measured, and pages to open."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from evals.graders import GRADER_VERSIONS
from flows.connect import Connections, connect
from flows.exam import told
from flows.results import CheckResult, EvaluateResult, IngestResult
from flows.step import step
from flows.tracking.assessments import read_back
from flows.tracking.drift import log_drift
from flows.tracking.prompts import mirror_pointer, register_prompt
from flows.tracking.runs import tracking
from flows.tracking.steps import case_table, check_metrics, evaluate_metrics, flat, ingest_metrics, served_models
from flows.tracking.traces import export_traces, flagged
from knowledge.assessment import Assessment, forget_assessments, read_assessments
from knowledge.history import Night

HEARD_NIGHTS = 30  # how far back people's words on traces are looked for


def begin_run(night: Night) -> str:
    """The run of a night; one that was begun and not noted any more, because the night was killed, is taken up."""
    tags = {"plumbline.flow": "nightly", "plumbline.night": night.name, "plumbline.started_at": str(night.started_at)}
    log = tracking()
    return log.find(night.assistant, tags) or log.begin(night.assistant, f"{night.assistant} {night.name}", tags)


def abandon_run(night: Night) -> None:
    """Close the run of a night that will not be resumed."""
    if night.mlflow_run_id:
        tracking().end(night.mlflow_run_id, "KILLED")


@step
def name_prompt(assistant: str) -> str:
    """The registered version of an assistant's prompt, such as `support/3`."""
    return f"{assistant}/{register_prompt(tracking(), connect().manifest(assistant))}"


@step
def hear_people(assistant: str) -> list[Assessment]:
    """What people said in MLflow about the traces of the last nights and is not kept with the cases yet.

    What somebody took back is forgotten here as well. Words on a trace that MLflow has deleted stay.
    """
    database = connect().history
    nights = database.nights(assistant, last=HEARD_NIGHTS)
    since = min((each.started_at for each in nights if each.started_at), default=datetime.now(UTC))
    heard = read_back(tracking(), assistant, since - timedelta(minutes=1))
    known = read_assessments(database, assistant)
    still = {each.key for each in heard.assessments}
    forget_assessments(database, [each for each in known if each.trace_id in heard.traces and each.key not in still])
    kept = {each.key: (each.value, each.rationale) for each in known}
    return [each for each in heard.assessments if kept.get(each.key) != (each.value, each.rationale)]


@step
def log_night(
    night: Night,
    summary: dict[str, Any],
    ingested: IngestResult,
    checked: CheckResult,
    evaluated: EvaluateResult | None,
) -> None:
    """Log a night on its run and close it. Figures of a night that goes on are brought up to date."""
    run_id = night.mlflow_run_id
    if run_id is None:
        return
    connections = connect()
    log = tracking()
    for path in (Path(summary["report"]), *sorted(connections.project.data_docs(ingested.collection).glob("*.html"))):
        page = path.read_text(encoding="utf-8")
        log.client.log_text(run_id, page, "report.html" if str(path) == summary["report"] else f"data_docs/{path.name}")
    log.client.log_dict(run_id, summary, "summary.json")
    if evaluated:
        _log_answers(connections, run_id, evaluated, summary["prompt_version"])
    log.log(
        run_id,
        parameters=_parameters(connections, summary, ingested),
        metrics={
            # in this order: a comparison begins with the first that differs
            **(evaluate_metrics(evaluated) if evaluated else {}),
            **check_metrics(checked),
            **ingest_metrics(ingested),
            "cost_usd": summary["cost_usd"],
        },
        tags=_tags(connections, summary, ingested, checked, evaluated),
        tables={"cases.json": case_table(evaluated)} if evaluated else None,
    )
    if evaluated:
        log_drift(log, run_id, evaluated)
    log.end(run_id)


def _log_answers(connections: Connections, run_id: str, evaluated: EvaluateResult, prompt: str) -> None:
    """The answers worth a look as traces, and the alias of the prompt that serves."""
    asked = {(row["suite"], row["case"]) for row in evaluated.cases}
    rows = [
        row
        for row in told(connections.history.results(evaluated.assistant, evaluated.night))
        if (row["suite"], row["case_id"]) in asked
    ]
    comparison = evaluated.comparison
    flipped = {*comparison.lost, *comparison.gained} if comparison else set()
    judge = connections.judge(connections.manifest(evaluated.assistant))
    graders = {**GRADER_VERSIONS, **({"judge": judge.version} if judge else {})}
    export_traces(tracking(), run_id, flagged(rows, flipped), prompt=prompt, graders=graders)
    pointer = connections.history.pointer(evaluated.assistant)
    if pointer and pointer.release == evaluated.release:
        mirror_pointer(tracking(), evaluated.assistant, int(prompt.rpartition("/")[2]))


def _parameters(connections: Connections, summary: dict[str, Any], ingested: IngestResult) -> dict[str, object]:
    """What a person may change from one night to the next, each under a name of its own."""
    manifest = connections.manifest(summary["assistant"])
    recipe = connections.recipe
    settings = connections.settings.model_dump(mode="json", include={"parsing", "splitting"})
    return {
        "assistant": manifest.assistant,
        "collection": ingested.collection,
        "route": ", ".join(manifest.route),
        "policy": manifest.policy,
        "suites": ", ".join(manifest.suites),
        **({"prompt_version": summary["prompt_version"].rpartition("/")[2]} if summary["prompt_version"] else {}),
        **flat({"retrieval": manifest.retrieval.model_dump(), **settings}),
        "recipe.parse_id": recipe.parse_id,
        "recipe.split_id": recipe.split_id,
        "recipe.embed_id": recipe.embed_id,
    }


def _tags(
    connections: Connections,
    summary: dict[str, Any],
    ingested: IngestResult,
    checked: CheckResult,
    evaluated: EvaluateResult | None,
) -> dict[str, object]:
    """What serves, what was asked, and in one sentence what changed."""
    manifest = connections.manifest(summary["assistant"])
    prompt = summary["prompt_version"]
    name, _, version = (prompt or "").partition("/")
    return {
        "plumbline.release": summary["release"],
        "plumbline.collection_version": checked.production_version,
        "plumbline.recipe": ingested.recipe_id,
        "plumbline.manifest_digest": manifest.manifest_digest,
        "plumbline.served_model": ", ".join(served_models(evaluated)) if evaluated else "none",
        "plumbline.verdict": summary["verdict"],
        "mlflow.note.content": summary.get("changed") or f"{summary['verdict']}: {summary['verdict_reason']}",
        # MLflow's own call for this link goes by a tracking address that is set for the whole process
        **({"plumbline.prompt": prompt} if prompt else {}),
        **({"mlflow.linkedPrompts": json.dumps([{"name": name, "version": version}])} if prompt else {}),
    }
