"""Results to be judged, wherever they come from: a file of any harness, or the nights of an assistant."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from evals.drift.power import Canary
from evals.drift.streams import History


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric over the nights. binary: its values are 1 (passed) and 0 (failed)."""

    name: str
    kind: Literal["binary", "real"]
    history: History


@dataclass(frozen=True, slots=True)
class Results:
    """What is judged: a baseline, and the nights since. baseline_id: its name, which gives the seeds.

    baseline: the names of its nights; fewer than `wanted` are no baseline yet.
    slices: the cases of each. not_followed: metrics without a value in the baseline. canary: of adaptive nights.
    """

    metrics: tuple[Metric, ...]
    baseline_id: str
    baseline: tuple[str, ...]
    wanted: int
    nights: tuple[str, ...]
    slices: Mapping[str, frozenset[str]]
    not_followed: tuple[str, ...]
    canary: Canary | None = None

    @property
    def cases(self) -> int:
        """How many different cases have a result in what is followed."""
        runs = (run for metric in self.metrics for run in (*metric.history.baseline, *metric.history.nights))
        return len({case for run in runs for case in run})
