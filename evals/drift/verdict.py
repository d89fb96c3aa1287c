"""The verdict on results of one baseline and the nights since: what stands, since when, and what says so."""

from collections import Counter
from collections.abc import MutableMapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from evals.drift.decision import ALARM, Decision, Stream, Verdict, decide, weights
from evals.drift.power import Canary, Detectable, minimal_detectable
from evals.drift.results import Metric, Results
from evals.drift.size import Size, size_since
from evals.drift.slices import CarryingCase, SliceMove, carrying_cases, moved_slices
from evals.drift.streams import History, Kind, p_values


@dataclass(frozen=True, slots=True)
class Followed:
    """A stream with its share of the alarm, and the results it is computed from."""

    name: str
    kind: Kind
    weight: float
    history: History


@dataclass(frozen=True, slots=True)
class Drift:
    """What drifted. since: the first night of the excursion; alarm_night: when the alarm sounded, and by which stream.

    size: of the drop of the pass rate; None where nothing is 0 or 1, or too little was measured on both sides.
    """

    since: str
    alarm_night: str
    stream: str
    size: Size | None
    slices: tuple[SliceMove, ...]
    cases: tuple[CarryingCase, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """How things stand after the last night. evidence: by stream, to be held against `alarm`; certain: those above it.

    detectable: the least drop of the pass rate that would be seen. decisions: those of every night since the baseline.
    baseline_id: what it is held against; with a night's name it gives the seed of all that is random in it.
    results: what it was judged by, for the pictures.
    """

    verdict: Verdict
    reason: str
    alarm: float
    drift: Drift | None = None
    leading_stream: str | None = None
    evidence: dict[str, float] = field(default_factory=dict)
    certain: tuple[str, ...] = ()
    detectable: Detectable | None = None
    decisions: tuple[Decision, ...] = ()
    baseline_id: str | None = None
    results: Results | None = None

    def as_row(self) -> dict[str, Any]:
        """How things stand, as plain JSON values; decisions of the nights before and results are left out."""
        drift = asdict(self.drift) if self.drift else None
        return {
            "verdict": self.verdict,
            "reason": self.reason,
            "since": drift and drift["since"],
            "alarm_night": drift and drift["alarm_night"],
            "leading_stream": self.leading_stream,
            "certain": list(self.certain),
            "evidence": self.evidence,
            "alarm": self.alarm,
            "drop": drift and drift["size"],
            "moved_slices": list(drift["slices"]) if drift else [],
            "carrying_cases": list(drift["cases"]) if drift else [],
            "minimal_detectable_drop": asdict(self.detectable) if self.detectable else None,
            "baseline_id": self.baseline_id,
        }


def follow(metrics: Sequence[Metric]) -> list[Followed]:
    """The streams of these metrics: fail and pass of the binary one, and each real-valued one."""
    binary = [each.history for each in metrics if each.kind == "binary"]
    real = {each.name: each.history for each in metrics if each.kind == "real"}
    if not binary:
        return [Followed(name, "real", 1 / len(real), history) for name, history in real.items()]
    shares = weights(list(real))
    return [
        Followed("fail", "fail", shares["fail"], binary[0]),
        Followed("pass", "pass", shares["pass"], binary[0]),
        *(Followed(name, "real", shares[name], history) for name, history in real.items()),
    ]


def judge(
    results: Results,
    *,
    resets: frozenset[int] = frozenset(),
    alarm: float = ALARM,
    known: MutableMapping[str, float] | None = None,
) -> Standing:
    """The verdict on results. resets: nights, from 0, before which evidence was dropped; known: see `p_values`."""
    runs, wanted = len(results.baseline), results.wanted
    if runs < wanted:
        return undecided(f"baseline {runs} of {wanted}", alarm=alarm)
    followed = follow(results.metrics)
    if not any(night for each in followed for night in each.history.nights):
        return undecided(f"baseline {runs} of {wanted}, and no result since", alarm=alarm)
    decisions = decide(
        [
            Stream(each.name, each.weight, p_values(each.history, each.name, each.kind, resets=resets, known=known))
            for each in followed
        ],
        resets=resets,
        alarm=alarm,
    )
    last = decisions[-1]
    return Standing(
        verdict=last.verdict,
        reason=_reason(last, results.nights, alarm),
        alarm=alarm,
        drift=_drift(last, followed, results),
        leading_stream=last.leading.stream,
        evidence=dict(last.evidence),
        certain=tuple(dict.fromkeys(each.stream for each in last.certain)),
        detectable=_detectable(followed, alarm, results.canary),
        decisions=tuple(decisions),
        baseline_id=results.baseline_id,
        results=results,
    )


def undecided(reason: str, *, alarm: float = ALARM, baseline_id: str | None = None) -> Standing:
    """Not enough evidence, and why. baseline_id: the baseline that stands, where nothing can be held against it."""
    return Standing("not enough evidence", reason, alarm, baseline_id=baseline_id)


def _drift(last: Decision, followed: Sequence[Followed], results: Results) -> Drift | None:
    if last.alarm_night is None:
        return None
    since = last.leading.since
    leading = next(each for each in followed if each.name == last.leading.stream)
    binary = next((each.history for each in followed if each.kind != "real"), None)
    return Drift(
        since=results.nights[since],
        alarm_night=results.nights[last.alarm_night],
        stream=leading.name,
        size=size_since(binary, since) if binary and _has_size(binary, since) else None,
        slices=moved_slices(leading.history, results.slices, since=since, kind=leading.kind),
        cases=carrying_cases(leading.history, since=since, kind=leading.kind) if leading.kind != "real" else (),
    )


def _has_size(history: History, since: int) -> bool:
    """Was a case measured twice in the baseline, and again since?"""
    runs = Counter(case for run in history.baseline for case, values in run.items() for _ in values)
    return any(runs[case] > 1 and values for night in history.nights[since:] for case, values in night.items())


def _detectable(followed: Sequence[Followed], alarm: float, canary: Canary | None) -> Detectable | None:
    binary = next((each.history for each in followed if each.kind != "real"), None)
    if binary is None:
        return None
    real = [each.name for each in followed if each.kind == "real"]
    return minimal_detectable(binary.baseline_id, binary.baseline, real=real, alarm=alarm, canary=canary)


def _reason(last: Decision, nights: Sequence[str], alarm: float) -> str:
    found, lead = written(last.leading.evidence), last.leading
    if last.alarm_night is None:
        return f"the most evidence, of stream {lead.stream!r}, is {found}; the alarm is at {written(alarm)}"
    return (
        f"since night {nights[lead.since]}; in night {nights[last.alarm_night]} the evidence of stream "
        f"{lead.stream!r} was {found}, the alarm is at {written(alarm)}"
    )


def written(evidence: float) -> str:
    """Evidence for a person: it spans many powers of ten."""
    if evidence >= 1e6:
        return f"{evidence:.0e}".replace("e+0", "e").replace("e+", "e")
    return f"{evidence:,.0f}" if evidence >= 10 else f"{evidence:.2g}"
