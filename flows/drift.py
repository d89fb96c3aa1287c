"""Has an assistant drifted? The nights since its baseline are held against it; only their results are kept."""

from collections.abc import Mapping, Sequence
from typing import Any

from evals.drift.results import Metric, Results
from evals.drift.streams import History
from evals.drift.verdict import Standing, judge, undecided
from flows.connect import Connections
from flows.known_p_values import known_p_values
from knowledge.baseline import Baseline
from knowledge.digest import digest
from knowledge.errors import ContentError
from knowledge.history import Measured, Night

REAL = ("answer_length", "output_tokens", "cost_usd")


def standing_of(connections: Connections, assistant: str, *, tonight: str) -> Standing:
    """How an assistant stands with the results of tonight, which is not finished yet.

    The first nights of a release become its baseline when there are enough of them; nothing else makes one by itself.
    """
    manifest = connections.manifest(assistant)
    baseline = connections.baselines.standing(assistant)
    if baseline is None:
        runs, needed = collected(connections, assistant), connections.settings.baseline_nights
        if len(runs) < needed:
            inside = len(runs) + (not tonight.startswith("by hand"))
            return undecided(f"baseline {inside} of {needed}")
        baseline = make_baseline(connections, assistant, runs=needed, by="night")
    if differing := baseline.differing(connections.release_parts(manifest)):
        return undecided(
            f"the release differs from the baseline's in {', '.join(differing)}: change it back, or say that it is "
            f"meant by `plumbline baseline accept --assistant {assistant}`",
            baseline_id=baseline.id,
        )
    results, resets = results_since(connections, baseline, tonight=tonight), _resets(connections, baseline)
    with known_p_values(connections.project.state / "cache" / "drift" / f"{digest(baseline.id)}.json") as known:
        return judge(results, resets=resets, known=known)


def collected(connections: Connections, assistant: str) -> list[str]:
    """The finished nights of this release that no baseline has used or ended yet, oldest first."""
    release = connections.release(connections.manifest(assistant))
    last = connections.baselines.last(assistant)
    return [
        each.name
        for each in connections.history.nights(assistant)
        if each.status == "finished"
        and (each.summary or {}).get("release") == release
        and (last is None or last.ended_at is None or (each.started_at and each.started_at > last.ended_at))
    ]


def make_baseline(connections: Connections, assistant: str, *, runs: int, by: str) -> Baseline:
    """Freeze the last finished nights of this release. Raises ContentError when there are fewer."""
    manifest = connections.manifest(assistant)
    names = collected(connections, assistant)
    if len(names) < runs:
        raise ContentError(
            f"baseline of '{assistant}': {runs} nights of this release are asked for, {len(names)} are finished. "
            f"Run `plumbline nightly --assistant {assistant} --new-night` for more, or ask for fewer with --runs."
        )
    return connections.baselines.make(
        assistant,
        release=connections.release(manifest),
        parts=connections.release_parts(manifest),
        runs=names[-runs:],
        by=by,
    )


def results_since(connections: Connections, baseline: Baseline, *, tonight: str) -> Results:
    """The results of the baseline's runs and of the nights of its release since, tonight's last."""
    names = [each.name for each in nights_since(connections, baseline) if each.name != tonight]
    nights = (*names, tonight)
    measured = connections.history.measured(baseline.assistant, (*baseline.runs, *nights), release=baseline.release)
    by_night: dict[str, list[Measured]] = {}
    for each in measured:
        by_night.setdefault(each.night, []).append(each)
    slices: dict[str, set[str]] = {}
    for each in measured:
        slices.setdefault(each.kind, set()).add(each.case)
    return Results(
        metrics=tuple(
            Metric(
                name,
                "binary" if name == "pass" else "real",
                History(
                    baseline.id,
                    tuple(_values(by_night.get(night, ()), name) for night in baseline.runs),
                    tuple(_values(by_night.get(night, ()), name) for night in nights),
                    nights,
                ),
            )
            for name in ("pass", *REAL)
        ),
        baseline_id=baseline.id,
        baseline=baseline.runs,
        wanted=len(baseline.runs),
        nights=nights,
        slices={name: frozenset(cases) for name, cases in slices.items()},
        not_followed=(),
    )


def nights_since(connections: Connections, baseline: Baseline) -> list[Night]:
    """The finished nights of its release after the baseline's last run, oldest first."""
    nights = connections.history.nights(baseline.assistant)
    places = [place for place, each in enumerate(nights) if each.name in baseline.runs]
    return [
        each
        for each in nights[max(places, default=-1) + 1 :]
        if each.status == "finished" and (each.summary or {}).get("release") == baseline.release
    ]


def _resets(connections: Connections, baseline: Baseline) -> frozenset[int]:
    names = [each.name for each in nights_since(connections, baseline)]
    return frozenset(names.index(name) + 1 for name in baseline.resets if name in names)


def _values(measured: Sequence[Measured], name: str) -> Mapping[str, Sequence[float]]:
    found: dict[str, list[float]] = {}
    for each in measured:
        value: Any = each.passed if name == "pass" else getattr(each, name)
        if value is not None:
            found.setdefault(each.case, []).append(float(value))
    return found
