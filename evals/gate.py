"""Gates: may this version serve?"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from evals.retrieval import MEASURES, RetrievalQuality
from knowledge.content import Content, read_content

GateVerdict = Literal["pass", "fail", "not enough evidence"]


class Gates(Content):
    """`evals/gates.yaml`: the floors of each collection's measures, and the fewest queries that count."""

    min_queries: int = Field(default=20, ge=1)
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
    """A verdict with its reason in words."""

    verdict: GateVerdict
    reason: str

    @property
    def opens(self) -> bool:
        """May the pointer move? Without evidence it may, and the move is marked unproven."""
        return self.verdict != "fail"


def read_gates(path: Path) -> Gates:
    """The gates. Raises ContentError."""
    return read_content(path, Gates)


def judge_retrieval(quality: RetrievalQuality, floors: Mapping[str, float], *, min_queries: int) -> Gate:
    """`fail` under a floor; `not enough evidence` when too few queries, or no floors, say anything."""
    if quality.judged == 0:
        return Gate("not enough evidence", "no labelled queries")
    if quality.judged < min_queries:
        return Gate("not enough evidence", f"{quality.judged} labelled queries, {min_queries} are needed")
    if not floors:
        return Gate("not enough evidence", "no floors in gates.yaml")
    under = [
        f"{name} {quality.metrics[name]:.3f} is under its floor {floor:.3f}"
        for name, floor in floors.items()
        if quality.metrics[name] < floor
    ]
    if under:
        return Gate("fail", "; ".join(under))
    return Gate("pass", f"{quality.judged} queries, every floor holds")
