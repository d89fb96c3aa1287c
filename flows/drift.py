"""Has an assistant drifted? The nights since its baseline are held against it; only their results are kept."""

from collections.abc import Mapping, Sequence
from typing import Any

from evals.drift.power import Canary
from evals.drift.results import Metric, Results
from evals.drift.streams import History
from evals.drift.verdict import Standing, judge, undecided
from flows.collecting import collected, progress, standing_baseline
from flows.connect import Connections
from flows.known_p_values import known_p_values
from knowledge.baseline import Baseline
from knowledge.history import Measured, Night

REAL = ("answer_length", "output_tokens", "cost_usd", "judge_score")


def standing_of(connections: Connections, assistant: str, *, tonight: str) -> Standing:
    """How an assistant stands with the results of tonight, which is not finished yet.

    The first nights of a release become its baseline when there are enough of them; nothing else makes one by itself.
    On adaptive nights the pilot nights come before those.
    """
    manifest = connections.manifest(assistant)
    baseline = standing_baseline(connections, assistant)
    if baseline is None:
        inside = {*collected(connections, assistant), *(() if tonight.startswith("by hand") else (tonight,))}
        return undecided(progress(connections, len(inside)))
    if tonight in (*baseline.pilot, *baseline.runs):
        return undecided(f"night {tonight} is one of those that the baseline is made of", baseline_id=baseline.id)
    if differing := baseline.differing(connections.release_parts(manifest)):
        return undecided(
            f"the release differs from the baseline's in {', '.join(differing)}: change it back, or say that it is "
            f"meant by `plumbline baseline accept --assistant {assistant}`",
            baseline_id=baseline.id,
        )
    results = results_since(connections, baseline, tonight=tonight)
    resets = resets_of(baseline, results.nights)
    with known_p_values(connections.drift_cache(baseline.id)) as known:
        return judge(results, resets=resets, known=known)


def results_since(connections: Connections, baseline: Baseline, *, tonight: str) -> Results:
    """The results of the baseline's runs and of the nights of its release since, tonight's last."""
    nights = (*(each.name for each in nights_before(connections, baseline, tonight=tonight)), tonight)
    measured = connections.history.measured(baseline.assistant, (*baseline.runs, *nights), release=baseline.release)
    slices: dict[str, set[str]] = {}
    for each in measured:
        slices.setdefault(each.kind, set()).add(each.case)
    return Results(
        metrics=metrics_of(measured, baseline.id, baseline.runs, nights),
        baseline_id=baseline.id,
        baseline=baseline.runs,
        wanted=len(baseline.runs),
        nights=nights,
        slices={name: frozenset(cases) for name, cases in slices.items()},
        not_followed=(),
        canary=Canary(frozenset(baseline.canary), len(baseline.pilot)) if baseline.canary else None,
    )


def metrics_of(
    measured: Sequence[Measured], baseline_id: str, runs: Sequence[str], nights: Sequence[str]
) -> tuple[Metric, ...]:
    """What is followed of these results: passed or not, and the numbers that the baseline's runs have."""
    by_night: dict[str, list[Measured]] = {}
    for each in measured:
        by_night.setdefault(each.night, []).append(each)

    def history(name: str) -> History:
        before, since = (tuple(_values(by_night.get(night, ()), name) for night in named) for named in (runs, nights))
        return History(baseline_id, before, since, tuple(nights))

    real = (Metric(name, "real", history(name)) for name in REAL)
    return (
        Metric("pass", "binary", history("pass")),
        *(metric for metric in real if any(run for run in metric.history.baseline)),
    )


def nights_since(connections: Connections, baseline: Baseline) -> list[Night]:
    """The finished nights of its release after the baseline's last run, oldest first."""
    nights = connections.history.nights(baseline.assistant)
    inside = [place for place, each in enumerate(nights) if each.name in (*baseline.pilot, *baseline.runs)]
    if inside:
        nights = nights[inside[-1] + 1 :]
    else:  # all of its runs were taken at once
        nights = [each for each in nights if each.started_at and each.started_at > baseline.made_at]
    return [
        each for each in nights if each.status == "finished" and (each.summary or {}).get("release") == baseline.release
    ]


def nights_before(connections: Connections, baseline: Baseline, *, tonight: str) -> list[Night]:
    """Those of them before tonight; of a night that is asked again, what came after it was not known then."""
    nights = nights_since(connections, baseline)
    names = [each.name for each in nights]
    return nights[: names.index(tonight)] if tonight in names else nights


def resets_of(baseline: Baseline, nights: Sequence[str]) -> frozenset[int]:
    """Those of the nights since the baseline, counted from 0, before which evidence was dropped."""
    return frozenset(nights.index(name) + 1 for name in baseline.resets if name in nights)


def _values(measured: Sequence[Measured], name: str) -> Mapping[str, Sequence[float]]:
    found: dict[str, list[float]] = {}
    for each in measured:
        value: Any = each.passed if name == "pass" else getattr(each, name)
        if value is not None:
            found.setdefault(each.case, []).append(float(value))
    return found
