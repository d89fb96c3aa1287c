"""The verdict on results of one baseline and the nights since: what stands, since when, and what says so."""

from collections.abc import Iterable, MutableMapping, Sequence
from dataclasses import dataclass

from evals.drift.decision import ALARM, Decision, Stream, Verdict, decide, weights
from evals.drift.results_file import Metric, Results
from evals.drift.streams import History, Kind, p_values


@dataclass(frozen=True, slots=True)
class Followed:
    """A stream with its share of the alarm, and the results it is computed from."""

    name: str
    kind: Kind
    weight: float
    history: History


@dataclass(frozen=True, slots=True)
class Standing:
    """How things stand after the last night. evidence: by stream, to be held against `alarm`.

    since: the first night of the excursion, and alarm_night the one in which the alarm sounded; None: it did not.
    decisions: those of every night since the baseline.
    """

    verdict: Verdict
    reason: str
    since: str | None
    alarm_night: str | None
    leading_stream: str | None
    evidence: dict[str, float]
    certain: tuple[str, ...]
    alarm: float
    decisions: tuple[Decision, ...]


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


def judge(results: Results, *, alarm: float = ALARM, known: MutableMapping[str, float] | None = None) -> Standing:
    """The verdict on results. known: see `p_values`."""
    runs, wanted = len(results.baseline), results.wanted
    if runs < wanted:
        return _without(f"baseline {runs} of {wanted}", alarm)
    followed = follow(results.metrics)
    if not any(night for each in followed for night in each.history.nights):
        return _without(f"baseline {runs} of {wanted}, and no result since", alarm)
    decisions = decide(
        [
            Stream(each.name, each.weight, p_values(each.history, each.name, each.kind, known=known))
            for each in followed
        ],
        alarm=alarm,
    )
    last = decisions[-1]
    drifted = last.alarm_night is not None
    return Standing(
        verdict=last.verdict,
        reason=_reason(last, results.nights, alarm),
        since=results.nights[last.leading.since] if drifted else None,
        alarm_night=results.nights[last.alarm_night] if last.alarm_night is not None else None,
        leading_stream=last.leading.stream,
        evidence=dict(last.evidence),
        certain=tuple(_unique(each.stream for each in last.certain)),
        alarm=alarm,
        decisions=tuple(decisions),
    )


def _without(reason: str, alarm: float) -> Standing:
    return Standing("not enough evidence", reason, None, None, None, {}, (), alarm, ())


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


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
