"""The flow `evaluate`: put every case to the assistant, grade the answers, compare with the night before."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from evals.case import Case, Suite, read_suite
from evals.compare import Comparison, Result, compare, pass_rates
from evals.graders import grade, passed
from flows.connect import Connections, connect, hold_state
from flows.nights import night_or_now
from flows.results import EvaluateResult
from flows.screen import say, watch
from flows.spans import SpanRecorder
from flows.tracking.steps import log_evaluate
from knowledge.errors import ContentError
from pipelines.answering.answer import answer

BATCH = 20  # results recorded in one transaction: what a kill can cost


@dataclass(frozen=True, slots=True)
class Exam:
    """What is asked of which version of what, under which night's name."""

    assistant: str
    night: str
    release: str
    collection_version: int
    suites: tuple[Suite, ...]


@flow(name="evaluate")
def evaluate(
    assistant: str = "support",
    suites: list[str] | None = None,
) -> EvaluateResult:
    """Ask every case, grade the answers, and compare them with the last night."""
    started = time.perf_counter()
    with hold_state(connect().project, f"evaluate {assistant}"):
        exam = prepare_exam(assistant, suites)
        calls = answer_cases(exam)
        result = compare_nights(exam, calls, started)
        return log_evaluate(result, exam.suites)


@task(cache_policy=NO_CACHE)
def prepare_exam(assistant: str, suites: list[str] | None) -> Exam:
    """Read the manifest and its suites, and find the version that serves. Outside a night the time is its name."""
    connections = connect()
    manifest = connections.manifest(assistant)
    for name in suites or ():
        if name not in manifest.suites:
            raise ContentError(
                f"suite '{name}': assistant '{assistant}' has none of that name. It has: {', '.join(manifest.suites)}."
            )
    return Exam(
        assistant=assistant,
        night=night_or_now(connections),
        release=connections.release(manifest),
        collection_version=connections.serving(manifest.collection).version,
        suites=tuple(read_suite(connections.project.evals / "suites", name) for name in suites or manifest.suites),
    )


@task(cache_policy=NO_CACHE)
def answer_cases(exam: Exam) -> dict[str, int]:
    """Answer and grade every case that has no result of this night yet, recording as it goes."""
    connections = connect()
    manifest = connections.manifest(exam.assistant)
    policy = connections.policy(manifest)
    collection = connections.store.open(manifest.collection, version=exam.collection_version)
    done = {_key(row) for row in connections.history.results(exam.assistant, exam.night)}
    cases = [(suite.suite, case) for suite in exam.suites for case in suite.cases]
    missing = [(suite, case) for suite, case in cases if _wanted(exam, suite, case) not in done]
    rows: list[dict[str, Any]] = []
    recorder = SpanRecorder()
    for suite, case in watch(missing, "evaluate", len(missing)):
        with recorder.alone():
            found = answer(
                case.question,
                manifest=manifest,
                policy=policy,
                collection=collection,
                embedder=connections.embedder,
                groups=case.groups,
                tracer=recorder.tracer,
            )
        scores = grade(case, found)
        rows.append(
            {
                "assistant": exam.assistant,
                "night": exam.night,
                "suite": suite,
                "case_id": case.id,
                "repeat": 0,
                "kind": case.kind,
                "case_digest": case.case_digest,
                "release": exam.release,
                "collection_version": exam.collection_version,
                "answer": found.as_row(),
                "scores": [score.as_row() for score in scores],
                "passed": passed(scores),
                "latency_ms": found.latency_ms,
                "cost_usd": found.cost_usd,
                "recorded_at": datetime.now(UTC),
                "spans": recorder.taken(),
            }
        )
        if len(rows) == BATCH:
            connections.history.record_results(rows)
            rows = []
    connections.history.record_results(rows)
    say(f"evaluate: {len(missing)} cases answered, {len(cases) - len(missing)} read from the record")
    return {"paid": 0, "reused": len(cases) - len(missing)}


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return (row["suite"], row["case_id"], row["case_digest"], row["release"], row["collection_version"])


def _wanted(exam: Exam, suite: str, case: Case) -> tuple[Any, ...]:
    return (suite, case.id, case.case_digest, exam.release, exam.collection_version)


@task(cache_policy=NO_CACHE)
def compare_nights(exam: Exam, calls: dict[str, int], started: float) -> EvaluateResult:
    """Pass rates by kind, the flips since the last finished night, and how far the baseline is."""
    connections = connect()
    wanted = {_wanted(exam, suite.suite, case) for suite in exam.suites for case in suite.cases}
    rows = [row for row in connections.history.results(exam.assistant, exam.night) if _key(row) in wanted]
    results = [_result(row) for row in rows]
    return EvaluateResult(
        assistant=exam.assistant,
        night=exam.night,
        release=exam.release,
        collection_version=exam.collection_version,
        scores=pass_rates(results),
        cases=tuple(_case_row(row) for row in rows),
        comparison=_since_last_night(connections, exam, results),
        verdict="not enough evidence",
        verdict_reason=_baseline(connections, exam),
        cost_usd=round(sum(row["cost_usd"] for row in rows), 6),
        calls=calls,
        seconds=round(time.perf_counter() - started, 2),
    )


def _since_last_night(connections: Connections, exam: Exam, results: list[Result]) -> Comparison | None:
    nights = connections.history.nights(exam.assistant)
    before = [each for each in nights if each.status == "finished" and each.name != exam.night]
    if not before:
        return None
    last = before[-1]
    return compare(results, [_result(row) for row in connections.history.results(exam.assistant, last.name)], last.name)


def _baseline(connections: Connections, exam: Exam) -> str:
    """How many nights of this release there are; a verdict needs a number of them."""
    needed = connections.settings.baseline_nights
    nights = [each for each in connections.history.nights(exam.assistant) if each.status == "finished"]
    same = [each for each in nights if (each.summary or {}).get("release") == exam.release and each.name != exam.night]
    inside = len(same) + (not exam.night.startswith("by hand"))
    if inside >= needed:
        return f"baseline {needed} of {needed} is complete; this version has no drift test yet"
    return f"baseline {inside} of {needed}"


def _result(row: dict[str, Any]) -> Result:
    return Result(row["suite"], row["case_id"], row["kind"], row["case_digest"], row["passed"])


def _case_row(row: dict[str, Any]) -> dict[str, Any]:
    """One line of the per-case table."""
    answer_row = row["answer"]
    return {
        "suite": row["suite"],
        "case": row["case_id"],
        "kind": row["kind"],
        "passed": row["passed"],
        "question": answer_row["question"],
        "answer": answer_row["text"],
        "outcome": answer_row["outcome"],
        "cited": [each["doc_id"] for each in answer_row["citations"]],
        "failed": [f"{score['grader']}: {score['reason']}" for score in row["scores"] if score["passed"] is not True],
        "model": answer_row["model"],
        "latency_ms": row["latency_ms"],
    }
