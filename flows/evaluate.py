"""The flow `evaluate`: put every case to the assistant, grade the answers, compare with the night before."""

import gc
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from typing import Any

from prefect import flow

from evals.case import Case, read_suite
from evals.compare import Comparison, Result, compare, pass_rates
from flows.adaptive import opens, plan_night, planned_row
from flows.announce import announce_evaluate
from flows.assistant import Assistant
from flows.changes import counted
from flows.connect import Connections, connect
from flows.deferral import buy_ahead
from flows.drift import standing_of
from flows.exam import CANARY, Exam, Examiner, Judging, Missing, result_row, told
from flows.forms import AssistantName, SuiteName
from flows.nights import night_or_now
from flows.report import draw_drift
from flows.results import EvaluateResult
from flows.screen import say, watch
from flows.state import hold_state
from flows.step import step
from flows.tracking.steps import log_evaluate
from knowledge.call import Account
from knowledge.errors import ContentError
from knowledge.spending import read_cost
from pipelines.answering.retrieve import Asked
from pipelines.answering.route import Purse

BATCH = 20  # results recorded in one transaction: what a kill can cost


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of asking: calls paid and reused (replies of the ledger, results of the record), cases missing."""

    calls: dict[str, int]
    missing: tuple[Missing, ...]

    def __add__(self, other: "Outcome") -> "Outcome":
        calls = {name: number + other.calls[name] for name, number in self.calls.items()}
        return Outcome(calls, (*self.missing, *other.missing))


@dataclass(frozen=True, slots=True)
class Asking:
    """The exam that a night is told by, what came of asking, and the plan it followed, if there was one."""

    exam: Exam
    outcome: Outcome
    plan: dict[str, Any] | None = None


@flow(name="evaluate", flow_run_name="evaluate {assistant}")
def evaluate(
    assistant: AssistantName = "support",
    suites: list[SuiteName] | None = None,
    candidate: bool = False,
) -> EvaluateResult:
    """Ask every case, grade the answers, and compare them with the last night.

    Args:
        assistant: Which manifest to evaluate.
        suites: Only these suites of the assistant; all of them when left empty.
        candidate: Ask the newest version instead of the one that serves.
    """
    started = time.perf_counter()
    with hold_state(connect().project, f"evaluate {assistant}"):
        exam = prepare_exam(assistant, suites, candidate)
        asking = ask_as_planned(exam, partly=candidate or bool(suites))
        result = compare_nights(asking, started)
        log_evaluate(result, exam.suites)
        announce_evaluate(result)
        return result


@step
def prepare_exam(assistant: str, suites: list[str] | None, candidate: bool) -> Exam:
    """Read the manifest and its suites, and find the version to ask. Outside a night the time is its name."""
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
        collection_version=connections.asked(manifest.collection, candidate=candidate).version,
        suites=tuple(read_suite(connections.project.evals / "suites", name) for name in suites or manifest.suites),
    )


def ask_as_planned(exam: Exam, *, partly: bool) -> Asking:
    """Ask every case, or a canary that may call for all.

    partly: only some suites or a candidate are asked for, and no plan is for those.
    """
    connections = connect()
    plan = None if partly else plan_night(connections, exam)
    if plan is None:
        return Asking(exam, answer_cases(exam))
    say(f"evaluate: {plan.reason}")
    if plan.canary is None:
        return Asking(exam, answer_cases(exam), planned_row(connections, exam, plan.reason, asked=exam.cases))
    outcome = answer_cases(plan.canary)
    why = opens(connections, exam)
    if why is None:
        return Asking(plan.canary, outcome, planned_row(connections, exam, plan.reason, asked=plan.canary.cases))
    say(f"evaluate: every case is asked, as {why}")
    row = planned_row(connections, exam, why, asked=plan.canary.cases + exam.cases)
    return Asking(exam, outcome + answer_cases(exam), row)


@step
def answer_cases(exam: Exam) -> Outcome:
    """Answer and grade every case that has no result of this night yet, recording as it goes."""
    connections = connect()
    done = {_key(row) for row in connections.history.results(exam.assistant, exam.night)}
    cases = [(suite.suite, case) for suite in exam.suites for case in suite.cases]
    wanted = [(suite, case) for suite, case in cases if _wanted(exam, suite, case) not in done]
    if lost := connections.ledger.close_lost():
        say(f"evaluate: {lost} calls of a run that was killed are charged at their worst case: nobody knows their end")
    missing: list[Missing] = []
    rows: list[dict[str, Any]] = []
    with closing(connections.calls) as calls:
        examiner = open_examiner(connections, exam, wanted)
        ahead = buy_ahead(connections, exam, wanted, examiner)
        examined = calls.each(wanted, examiner.examine)
        for each in watch(examined, "evaluate", len(wanted), beside=lambda: ahead.cost_with(calls.tally)):
            if isinstance(each, Missing):
                missing.append(each)
                continue
            rows.append(result_row(exam, each))
            if len(rows) == BATCH:
                connections.history.record_results(rows)
                rows = []
    connections.history.record_results(rows)
    read = len(cases) - len(wanted)
    if ahead.paid:
        say(f"evaluate: {ahead.paid} replies were bought in batches, {calls.tally.paid} directly")
    say(f"evaluate: {len(wanted) - len(missing)} cases answered, {read} read from the record")
    for reason, number in Counter(each.reason for each in missing).most_common(3):
        say(f"evaluate: {counted(number, 'case')} missing: {reason}")
    return Outcome(ahead.calls_with(calls.tally, read=read), tuple(missing))


def open_examiner(connections: Connections, exam: Exam, wanted: Sequence[tuple[str, Case]]) -> Examiner:
    """The assistant with its judge, the passages of the wanted cases found."""
    manifest = connections.manifest(exam.assistant)
    run = f"{exam.assistant} {exam.night}"
    account = Account("answer", exam.assistant, exam.night, repeat=exam.repeat, run=run)
    purse = Purse(account, connections.settings.models.retries.attempts)
    collection = connections.store.open(manifest.collection, version=exam.collection_version)
    assistant = Assistant(connections, manifest, collection, purse, evaluated=True)
    assistant.retrieve_ahead([Asked(case.question, case.groups) for _, case in wanted])
    judge, models = connections.judge(manifest), connections.judge_models(manifest)
    judging = Judging(judge, models, connections.calls, replace(account, purpose="judge")) if judge else None
    # what is there by now stays, so the collector need not go through it again: a tenth of the time of quick calls
    gc.freeze()
    return Examiner(assistant, judging)


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    names = ("suite", "case_id", "case_digest", "release", "collection_version", "repeat")
    return tuple(row[name] for name in names)


def _wanted(exam: Exam, suite: str, case: Case) -> tuple[Any, ...]:
    return (suite, case.id, case.case_digest, exam.release, exam.collection_version, exam.repeat)


@step
def compare_nights(asking: Asking, started: float) -> EvaluateResult:
    """Pass rates by kind, the flips since the last finished night, and how it stands against the baseline."""
    connections, exam, outcome = connect(), asking.exam, asking.outcome
    wanted = {_wanted(exam, suite.suite, case) for suite in exam.suites for case in suite.cases}
    rows = [row for row in connections.history.results(exam.assistant, exam.night) if _key(row) in wanted]
    results = [_result(row) for row in rows]
    before = _last_night(connections, exam)
    standing = standing_of(connections, exam.assistant, tonight=exam.night)
    comparison = compare(results, [_result(row) for row in before.rows], before.night) if before else None
    return EvaluateResult(
        assistant=exam.assistant,
        night=exam.night,
        release=exam.release,
        collection_version=exam.collection_version,
        scores=pass_rates(results),
        cases=tuple(_case_row(row) for row in rows),
        comparison=comparison,
        verdict=standing.verdict,
        verdict_reason="; ".join(each for each in (_missing(outcome), standing.reason, _canary(exam, rows)) if each),
        drift=standing.as_row(),
        drift_pictures=draw_drift(standing.results, standing) if standing.results else None,
        cost_usd=round(read_cost(connections.history, exam.assistant, exam.night), 6),
        calls=outcome.calls,
        missing=tuple(asdict(each) for each in outcome.missing),
        seconds=round(time.perf_counter() - started, 2),
        flips=tuple(_flips(comparison, rows, before.rows)) if before and comparison else (),
        plan=asking.plan,
    )


@dataclass(frozen=True, slots=True)
class Recorded:
    """The results of a finished night, as they were recorded."""

    night: str
    rows: list[dict[str, Any]]


def _last_night(connections: Connections, exam: Exam) -> Recorded | None:
    nights = connections.history.nights(exam.assistant)
    before = [each.name for each in nights if each.status == "finished" and each.name != exam.night]
    return Recorded(before[-1], told(connections.history.results(exam.assistant, before[-1]))) if before else None


def _flips(
    comparison: Comparison, tonight: list[dict[str, Any]], before: list[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Both nights' answers of each case that was lost or gained, the lost ones first."""
    now, then = ({f"{row['suite']}/{row['case_id']}": _case_row(row) for row in rows} for rows in (tonight, before))
    for flip, names in (("lost", comparison.lost), ("gained", comparison.gained)):
        for name in names:
            row = {key: now[name][key] for key in ("suite", "case", "kind", "question")}
            answers = {
                when: {key: each[key] for key in ("outcome", "answer", "cited", "failed")}
                for when, each in (("before", then[name]), ("after", now[name]))
            }
            yield {**row, "flip": flip, **answers}


def _missing(outcome: Outcome) -> str:
    """Cases that were not answered: they are neither passed nor failed."""
    return f"{counted(len(outcome.missing), 'case')} missing ({outcome.missing[0].reason})" if outcome.missing else ""


def _canary(exam: Exam, rows: Sequence[dict[str, Any]]) -> str:
    if exam.repeat != CANARY:
        return ""
    asked = f"asked tonight: a canary of {exam.cases} cases"
    if len(rows) == exam.cases:
        return f"{asked}, which looks as before"
    return f"{asked}; the {len(rows)} answered look as before" if rows else f"{asked}, none of them answered"


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
        "served_model": answer_row.get("served_model") or answer_row["model"],
        "fallback": answer_row.get("fallback", ""),
        "cost_usd": row["cost_usd"],
        "latency_ms": row["latency_ms"],
    }
