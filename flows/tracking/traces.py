"""Traces: the answers of a night that failed, could not be graded or flipped, with their spans and scores."""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from flows.tracking.runs import Tracking

MAX_TRACES = 100  # a night; on a night when everything fails, more would say nothing new and fill the database


def flagged(rows: Sequence[dict[str, Any]], flipped: Collection[str]) -> list[dict[str, Any]]:
    """The results worth a person's look: failed ones first, then those not graded, then those that now pass.

    flipped: `suite/case` of those that differ from the last night.
    """
    order = {False: 0, None: 1, True: 2}
    wanted = [
        row
        for row in rows
        if row["spans"] and (row["passed"] is not True or f"{row['suite']}/{row['case_id']}" in flipped)
    ]
    return sorted(wanted, key=lambda row: order[row["passed"]])[:MAX_TRACES]


def export_traces(
    tracking: Tracking, run_id: str, rows: Sequence[dict[str, Any]], *, prompt: str, graders: Mapping[str, int]
) -> int:
    """Write results as traces of a run, all spans at once; what a night that was killed had written stays. How many.

    prompt: the registered version that was asked, as `name/version`.
    """
    if not rows:
        return 0
    experiment = tracking.client.get_run(run_id).info.experiment_id
    found = tracking.client.search_traces(
        locations=[experiment], run_id=run_id, include_spans=False, max_results=MAX_TRACES
    )
    there = {trace.info.trace_id for trace in found}
    for row in rows:
        if trace_id(row["answer"]["trace_id"]) not in there:
            tracking.traces.start_trace(_trace(row, experiment, run_id, prompt, graders))
    # spans that are there already are replaced by the same
    tracking.traces.log_spans(experiment, [_span(span) for row in rows for span in row["spans"]])
    return len(rows)


def trace_id(answer_trace_id: str) -> str:
    """What MLflow calls the trace of an answer."""
    return f"tr-{answer_trace_id}"


def _trace(row: dict[str, Any], experiment: str, run_id: str, prompt: str, graders: Mapping[str, int]) -> Any:
    """The head of a trace: what the list of traces shows, and the case that was asked."""
    from mlflow.entities import TraceInfo, TraceLocation, TraceState

    answer = row["answer"]
    root = next(span for span in row["spans"] if span["parent_id"] is None)
    identity = trace_id(answer["trace_id"])
    name, _, version = prompt.partition("/")
    return TraceInfo(
        trace_id=identity,
        trace_location=TraceLocation.from_experiment_id(experiment),
        request_time=_nanoseconds(root["start_time"]) // 1_000_000,
        execution_duration=round(row["latency_ms"]),
        state=TraceState.OK,
        request_preview=answer["question"],
        response_preview=answer["text"],
        trace_metadata={"mlflow.sourceRun": run_id},
        tags={
            "mlflow.traceName": f"{row['suite']}/{row['case_id']}",
            "mlflow.linkedPrompts": json.dumps([{"name": name, "version": version}]),
            "plumbline.assistant": row["assistant"],
            "plumbline.night": row["night"],
            "plumbline.suite": row["suite"],
            "plumbline.case": row["case_id"],
            "plumbline.case_digest": row["case_digest"],
            "plumbline.kind": row["kind"],
            "plumbline.outcome": answer["outcome"],
            "plumbline.passed": json.dumps(row["passed"]),
            "plumbline.release": row["release"],
            "plumbline.prompt": prompt,
        },
        assessments=[_assessment(score, identity, graders) for score in row["scores"]],
    )


def _assessment(score: dict[str, Any], identity: str, graders: Mapping[str, int]) -> Any:
    """A grader's score, as what a program said about the trace."""
    from mlflow.entities import AssessmentError, AssessmentSource, Feedback

    grader = score["grader"]
    error = None if score["passed"] is not None else AssessmentError("COULD_NOT_GRADE", score["reason"])
    return Feedback(
        name=grader,
        value=score["passed"],
        error=error,
        source=AssessmentSource("CODE", f"plumbline/{grader}@{graders[grader]}"),
        rationale=score["reason"],
        metadata={"value": str(score["value"])},
        trace_id=identity,
    )


def _span(written: dict[str, Any]) -> Any:
    """A span as MLflow takes it, from one as OpenTelemetry writes it."""
    from mlflow.entities import Span
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags

    otel_id = written["context"]["trace_id"]

    def context(span_id: str) -> SpanContext:
        return SpanContext(int(otel_id, 16), int(span_id, 16), is_remote=False, trace_flags=TraceFlags(1))

    attributes = {**written["attributes"], "mlflow.traceRequestId": trace_id(otel_id.removeprefix("0x"))}
    status = written["status"]
    return Span(
        ReadableSpan(
            name=written["name"],
            context=context(written["context"]["span_id"]),
            parent=context(written["parent_id"]) if written["parent_id"] else None,
            start_time=_nanoseconds(written["start_time"]),
            end_time=_nanoseconds(written["end_time"]),
            attributes={name: json.dumps(value) for name, value in attributes.items()},
            status=Status(StatusCode[status["status_code"]], status.get("description")),
            resource=Resource.get_empty(),
        )
    )


def _nanoseconds(moment: str) -> int:
    return round(datetime.fromisoformat(moment).timestamp() * 1_000_000) * 1_000
