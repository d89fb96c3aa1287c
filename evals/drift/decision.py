"""The verdict: has anything drifted since the baseline, since when, and which stream says so?

A component c is one scale of one stream; its weight is the stream's, shared equally by the scales, and all weights
sum to 1. The alarm sounds when w_c R_c >= A for some c. As sum_c w_c R_c is at least each of them and E[sum_c w_c
R_c] <= T after T nights, P(false alarm within T nights) <= T / A, whatever the streams have to do with each other
(DRIFT: the proven rule; union over e-detectors, Shin, Ramdas, Rinaldo 2022). Once it has sounded it stays until
somebody resets or accepts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from evals.drift.detector import SCALES, Scale, detect
from evals.drift.streams import BlockPValues

ALARM = 1000.0  # A: one false alarm in 1,000 nights or more
SHARES = {"fail": 0.4, "pass": 0.2, "real": 0.4}  # all real-valued streams together share the last

Verdict = Literal["steady", "drift", "not enough evidence"]


@dataclass(frozen=True, slots=True)
class Stream:
    """What is followed, with its weight among all streams and its p-values of every night."""

    name: str
    weight: float
    p_values: BlockPValues


@dataclass(frozen=True, slots=True)
class Component:
    """One scale of one stream after a night. evidence: w_c R_c, held against A. since: a night, counted from 0."""

    stream: str
    scale: Scale
    evidence: float
    since: int


@dataclass(frozen=True, slots=True)
class Decision:
    """What stands after a night. leading: the component with the most evidence, at the alarm once it has sounded.

    certain: the components that reach A by themselves. evidence: by stream, that of its strongest scale.
    """

    verdict: Verdict
    alarm_night: int | None
    leading: Component
    certain: tuple[Component, ...]
    evidence: Mapping[str, float]


def weights(real: Sequence[str]) -> dict[str, float]:
    """The weight of the streams fail, pass and of each real-valued one; they sum to 1."""
    found = {"fail": SHARES["fail"], "pass": SHARES["pass"], **{name: SHARES["real"] / len(real) for name in real}}
    return {name: weight / sum(found.values()) for name, weight in found.items()}


def decide(streams: Sequence[Stream], *, resets: frozenset[int] = frozenset(), alarm: float = ALARM) -> list[Decision]:
    """The decision after every night. All streams have the same nights, and weights that sum to at most 1."""
    if sum(stream.weight for stream in streams) > 1 + 1e-9:
        raise ValueError("the weights of the streams sum to more than 1, which voids the promise on false alarms")
    detected = {stream.name: detect(stream.p_values, resets=resets) for stream in streams}
    decisions: list[Decision] = []
    sounded: tuple[int, Component] | None = None
    for night in range(len(streams[0].p_values) if streams else 0):
        if night in resets:
            sounded = None
        components = [
            Component(stream.name, scale, stream.weight / len(SCALES) * seen.r, seen.since)
            for stream in streams
            for scale, seen in detected[stream.name][night].items()
        ]
        leading = max(components, key=lambda each: each.evidence)
        if sounded is None and leading.evidence >= alarm:
            sounded = (night, leading)
        decisions.append(
            Decision(
                verdict="drift" if sounded else "steady",
                alarm_night=sounded[0] if sounded else None,
                leading=sounded[1] if sounded else leading,
                certain=tuple(each for each in components if each.evidence >= alarm),
                evidence=_by_stream(components),
            )
        )
    return decisions


def _by_stream(components: Sequence[Component]) -> dict[str, float]:
    strongest: dict[str, float] = {}
    for each in components:
        strongest[each.stream] = max(strongest.get(each.stream, 0.0), each.evidence)
    return strongest
