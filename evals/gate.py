"""Gates: may this version serve?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from evals.paired import MeanDifference, Paired, bound_mean, pool_nights
from evals.retrieval import MEASURES, RetrievalQuality
from knowledge.content import Content, read_content

GateVerdict = Literal["pass", "fail", "not enough evidence"]

MARGIN = 0.02  # of nDCG@10


class Gates(Content):
    """`evals/gates.yaml`: the floors of each collection's measures, and the fewest queries that count.

    margin: how many points of nDCG@10 below what is proven a candidate may be and still count as not worse.
    max_stale: the share of the queries judged on what is proven whose labelled documents may all be gone.
    """

    min_queries: int = Field(default=20, ge=1)
    margin: float = Field(default=MARGIN, gt=0, le=1)
    max_stale: float = Field(default=0.1, ge=0, le=1)
    floors: dict[str, dict[str, float]] = Field(default_factory=dict)

    @field_validator("floors")
    @classmethod
    def _measures_are_known(cls, floors: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
        for collection, each in floors.items():
            for name, value in each.items():
                if name not in MEASURES:
                    raise ValueError(f"{collection}: no measure is called '{name}'; there are {', '.join(MEASURES)}")
                if not 0 <= value <= 1:
                    raise ValueError(f"{collection}: the floor of {name} is {value}; it must be between 0 and 1")
        return floors


@dataclass(frozen=True, slots=True)
class Gate:
    """A verdict with its reason in words, and the difference that it rests on, if there is one."""

    verdict: GateVerdict
    reason: str
    difference: MeanDifference | None = None

    @property
    def opens(self) -> bool:
        """May the pointer move? Without evidence it may, and the move is marked unproven."""
        return self.verdict != "fail"


def read_gates(path: Path) -> Gates:
    """The gates. Raises ContentError."""
    return read_content(path, Gates)


def judge_retrieval(
    quality: RetrievalQuality,
    gates: Gates,
    collection: str,
    *,
    tonight: Paired | None = None,
    earlier: Sequence[Mapping[str, float]] = (),
    problems: Sequence[str] = (),
) -> Gate:
    """`fail` where something shows that the version must not serve; `pass` where enough shows that it may.

    tonight: nDCG@10 against the proven version; None while nothing serves, then the floors alone decide. earlier:
    differences of the nights before against the same version, oldest first. problems: what else forbids it to serve.
    """
    floors, enough = gates.floors.get(collection, {}), quality.judged >= gates.min_queries
    problems = [*problems, *(_under(quality, floors) if enough else ()), *_gone(tonight, gates.max_stale)]
    if tonight is None or not enough:
        alone = _by_floors(quality, floors, min_queries=gates.min_queries)
        return Gate("fail", "; ".join(problems)) if problems else alone
    compared = judge_differences([*earlier, tonight.differences], margin=gates.margin, min_queries=gates.min_queries)
    apart = [
        *named("judged on the candidate alone", tonight.only_candidate),
        *named("judged on what is proven alone", tonight.only_proven),
    ]
    verdict = "fail" if problems else compared.verdict
    return Gate(verdict, "; ".join([*problems, compared.reason, *apart]), compared.difference)


def judge_differences(nights: Sequence[Mapping[str, float]], *, margin: float, min_queries: int = 2) -> Gate:
    """Is the candidate worse than what is proven? nights: each query's difference, oldest first, tonight's last.

    Where tonight alone is no evidence, the last nights are pooled.
    """
    alone = bound_mean(nights[-1])
    if alone.queries < min_queries:
        return Gate("not enough evidence", f"{alone.queries} queries judged on both, {min_queries} are needed", alone)
    verdict = judge_difference(alone, margin=margin)
    if verdict != "not enough evidence" or len(nights) == 1:
        return Gate(verdict, _told(alone, margin), alone)
    pooled = bound_mean(pool_nights(nights))
    verdict = judge_difference(alone, pooled, margin=margin)
    reason = f"{_told(alone, margin)}; pooled with the nights before: {_told(pooled, margin)}"
    return Gate(verdict, reason, alone if verdict == "not enough evidence" else pooled)


def judge_difference(
    alone: MeanDifference, pooled: MeanDifference | None = None, *, margin: float = MARGIN
) -> GateVerdict:
    """`pass` when the lower bound is above -margin; `fail` when the upper bound is below 0 and the mean below -margin.

    So a failure is worse for certain, and as far as anyone can tell by more than the margin: to wait for an upper bound
    below -margin would let most nights that lose 5 points through (`bench.retrieval_gate`). pooled: decides where
    tonight alone does not, if tonight's own mean is on the same side of the margin, so that neither a mended fault
    holds a version nor earlier nights hide a new one.
    """
    if alone.lower > -margin:
        return "pass"
    if alone.upper < 0 and alone.mean < -margin:
        return "fail"
    verdict = judge_difference(pooled, margin=margin) if pooled else "not enough evidence"
    return verdict if verdict == ("fail" if alone.mean < -margin else "pass") else "not enough evidence"


def _told(difference: MeanDifference, margin: float) -> str:
    return (
        f"nDCG@10 {difference.mean:+.3f} against what is proven on {difference.queries} queries "
        f"({difference.lower:+.3f} to {difference.upper:+.3f}, margin {margin:.3f})"
    )


def _by_floors(quality: RetrievalQuality, floors: Mapping[str, float], *, min_queries: int) -> Gate:
    """`not enough evidence` when too few queries, or no floors, say anything."""
    if quality.judged == 0:
        return Gate("not enough evidence", "no labelled queries")
    if quality.judged < min_queries:
        return Gate("not enough evidence", f"{quality.judged} labelled queries, {min_queries} are needed")
    if not floors:
        return Gate("not enough evidence", "no floors in gates.yaml")
    return Gate("pass", f"{quality.judged} queries, every floor holds")


def _gone(tonight: Paired | None, max_stale: float) -> list[str]:
    """Queries that cannot be judged any more say nothing for the version that lost their documents."""
    if tonight is None:
        return []
    gone, judged = tonight.only_proven, len(tonight.differences) + len(tonight.only_proven)
    if not gone or len(gone) / judged <= max_stale:
        return []
    return [
        f"of {len(gone)} of {judged} labelled queries every labelled document is gone, over the limit of "
        f"{max_stale:.0%}: {first_names(gone)}"
    ]


def _under(quality: RetrievalQuality, floors: Mapping[str, float]) -> list[str]:
    return [
        f"{name} {quality.metrics[name]:.3f} is under its floor {floor:.3f}"
        for name, floor in floors.items()
        if quality.metrics[name] < floor
    ]


def hold_for_quarantine(gate: Gate, new: Sequence[str], listed: int, *, max_share: float) -> Gate:
    """`fail` as well where too many of the listed documents are newly kept out, whatever retrieval says.

    new: the documents in quarantine that no version has served without.
    """
    if not listed or len(new) / listed <= max_share:
        return gate
    limit = f"over the limit of {max_share:.0%}"
    held = f"{len(new)} of {listed} documents are newly in quarantine, {limit}: {first_names(new)}"
    return Gate("fail", f"{gate.reason}; {held}" if gate.verdict == "fail" else held, gate.difference)


def named(what: str, names: Sequence[str]) -> list[str]:
    """A problem with how many it is about, and the first of them; none where there are no names."""
    return [f"{what} ({len(names)}): {first_names(names)}"] if names else []


def first_names(names: Sequence[str]) -> str:
    """The first three, and how many more there are."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
