"""Adaptive nights: whether tonight's suite is asked whole, or a canary first."""

from dataclasses import dataclass, replace
from typing import Any

from evals.case import Case, Suite
from evals.drift.decision import Stream
from evals.drift.planner import OPENING, SHORT, canary_evidence, is_whole
from evals.drift.results import Metric
from evals.drift.streams import p_values
from evals.drift.verdict import follow, written
from flows.collecting import collected, progress, standing_baseline
from flows.connect import Connections
from flows.drift import metrics_of, nights_before, resets_of
from flows.exam import CANARY, Exam
from flows.known_p_values import known_p_values
from flows.nights import TONIGHT
from knowledge.baseline import Baseline
from knowledge.history import case_key


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked tonight. canary: an exam of the canary alone, to be put first; None: the night is whole.

    reason: why, for a person.
    """

    reason: str
    canary: Exam | None = None


def plan_night(connections: Connections, exam: Exam) -> Plan | None:
    """The plan of a night; None where there is none to make: by hand, and where `adaptive_nights` is not set."""
    adaptive = connections.settings.adaptive_nights
    night = TONIGHT.get()
    if adaptive is None or night is None or night.name != exam.night:
        return None
    baseline = standing_baseline(connections, exam.assistant)
    if baseline is None:
        return Plan(progress(connections, len({*collected(connections, exam.assistant), exam.night})))
    if exam.night in (*baseline.pilot, *baseline.runs):
        return Plan("the baseline is made of this night")
    if baseline.release != exam.release:
        return Plan("the release is not the baseline's")
    if not baseline.canary:
        return Plan(
            "the baseline was made without pilot nights, so it has no canary; "
            f"`plumbline baseline accept --assistant {exam.assistant}` begins anew with them"
        )
    before = nights_before(connections, baseline, tonight=exam.night)
    last: dict[str, Any] = (before[-1].summary or {}).get("evaluate") or {} if before else {}
    if last.get("verdict") == "drift" and before[-1].name not in baseline.resets:
        return Plan("an alarm stands")
    if is_whole(len(before), every=adaptive.whole_every):
        return Plan(f"one night in {adaptive.whole_every} is whole")
    canary = only(exam, frozenset(baseline.canary))
    if not canary.suites:
        return Plan("no case of the canary is left in the suites")
    if canary.cases == exam.cases:
        return Plan("the canary has every case of the suites, so there is none to save; lower canary_cases")
    return Plan(f"a canary of {canary.cases} cases first", canary)


def planned_row(connections: Connections, exam: Exam, reason: str, *, asked: int) -> dict[str, Any]:
    """What was planned, and how many cases it saved asking, tonight and since the baseline."""
    baseline = connections.baselines.standing(exam.assistant)
    before = nights_before(connections, baseline, tonight=exam.night) if baseline else []
    plans = [((each.summary or {}).get("evaluate") or {}).get("plan") or {} for each in before]
    saved = exam.cases - asked
    return {
        "reason": reason,
        "asked": asked,
        "cases": exam.cases,
        "saved": saved,
        "saved_since_baseline": saved + sum(each.get("saved", 0) for each in plans),
    }


def only(exam: Exam, cases: frozenset[str]) -> Exam:
    """The exam of these cases alone, whose answers are no evidence."""

    def kept(suite: Suite) -> tuple[Case, ...]:
        return tuple(case for case in suite.cases if case_key(suite.suite, case.id, case.case_digest) in cases)

    suites = tuple(suite.model_copy(update={"cases": kept(suite)}) for suite in exam.suites if kept(suite))
    return replace(exam, suites=suites, repeat=CANARY)


def opens(connections: Connections, exam: Exam) -> str | None:
    """Why tonight's canary calls for the whole suite; None where it looks as before, or nobody answered it."""
    baseline = connections.baselines.standing(exam.assistant)
    assert baseline is not None, "a canary is of a baseline"
    followed = follow(canary_metrics(connections, baseline, tonight=exam.night))
    resets = resets_of(baseline, followed[0].history.names)
    if not any(each.history.nights[-1] for each in followed):
        return None
    with known_p_values(connections.drift_cache(f"canary of {baseline.id}")) as known:
        streams = [
            Stream(
                each.name,
                each.weight,
                p_values(each.history, each.name, each.kind, resets=resets, known=known, scales=SHORT),
            )
            for each in followed
        ]
    evidence = canary_evidence(streams, resets=resets)[-1]
    return (
        f"the canary has changed: evidence {written(evidence)}, {OPENING:g} is enough" if evidence >= OPENING else None
    )


def canary_metrics(connections: Connections, baseline: Baseline, *, tonight: str) -> tuple[Metric, ...]:
    """The canary's results in the pilot nights, and in the canary nights since; none of them is evidence."""
    nights = (*(each.name for each in nights_before(connections, baseline, tonight=tonight)), tonight)
    cases = frozenset(baseline.canary)
    measure = connections.history.measured
    pilot = measure(baseline.assistant, baseline.pilot, release=baseline.release)
    since = measure(baseline.assistant, nights, release=baseline.release, repeat=CANARY)
    kept = [each for each in (*pilot, *since) if each.case in cases]
    return metrics_of(kept, f"canary of {baseline.id}", baseline.pilot, nights)
