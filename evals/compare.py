"""Comparing nights: pass rates with their uncertainty, and the cases that flipped."""

from collections.abc import Sequence
from dataclasses import dataclass

from evals.case import KINDS


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of one case in one night. passed None: it could not be graded, which is not a failure."""

    suite: str
    case_id: str
    kind: str
    case_digest: str
    passed: bool | None


@dataclass(frozen=True, slots=True)
class PassRate:
    """Share of graded cases that passed, with the Wilson interval (Wilson 1927) at 95 %; None without cases."""

    passed: int
    cases: int
    not_graded: int = 0

    @property
    def rate(self) -> float | None:
        """passed / cases."""
        return self.passed / self.cases if self.cases else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Low and high end."""
        if not self.cases:
            return None
        from scipy.stats import binomtest  # 40 MB that an ingest can spare

        found = binomtest(self.passed, self.cases).proportion_ci(confidence_level=0.95, method="wilson")
        return float(found.low), float(found.high)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Cases that both nights graded, and those of them that flipped."""

    night: str
    compared: int
    lost: tuple[str, ...]
    gained: tuple[str, ...]


def pass_rates(results: Sequence[Result]) -> dict[str, PassRate]:
    """Pass rate of all under `all`, and of every kind that occurs, in the usual order."""
    found = {}
    for kind in ("all", *KINDS):
        graded = [each.passed for each in results if kind in ("all", each.kind)]
        if graded or kind == "all":
            known = [passed for passed in graded if passed is not None]
            found[kind] = PassRate(sum(known), len(known), len(graded) - len(known))
    return found


def compare(tonight: Sequence[Result], before: Sequence[Result], night: str) -> Comparison:
    """Flips since `night`, over the cases whose text is the same and that both nights graded."""
    then = {(each.suite, each.case_id, each.case_digest): each.passed for each in before}
    pairs = [
        (f"{each.suite}/{each.case_id}", then[key], each.passed)
        for each in tonight
        if (key := (each.suite, each.case_id, each.case_digest)) in then
        and then[key] is not None
        and each.passed is not None
    ]
    return Comparison(
        night=night,
        compared=len(pairs),
        lost=tuple(name for name, old, new in pairs if old and not new),
        gained=tuple(name for name, old, new in pairs if new and not old),
    )
