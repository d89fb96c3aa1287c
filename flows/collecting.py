"""What baselines are made of: the first nights of a release, those of the pilot before those that are evidence."""

from datetime import UTC, datetime

from evals.drift.planner import choose_canary
from evals.drift.streams import Values
from flows.changes import counted, is_whole
from flows.connect import Connections
from flows.git import git_revision
from knowledge.baseline import Baseline
from knowledge.errors import ContentError


def nights_wanted(connections: Connections, *, runs: int | None = None) -> int:
    """How many nights of a release a baseline takes, the pilot's among them."""
    return pilot_nights(connections) + (runs or connections.settings.baseline_nights)


def pilot_nights(connections: Connections) -> int:
    """How many of them a canary is chosen from."""
    adaptive = connections.settings.adaptive_nights
    return adaptive.pilot_nights if adaptive else 0


def progress(connections: Connections, nights: int) -> str:
    """How far so many nights have come, for a person."""
    pilot, runs = pilot_nights(connections), connections.settings.baseline_nights
    return f"pilot {nights} of {pilot}" if nights < pilot else f"baseline {nights - pilot} of {runs}"


def collected(connections: Connections, assistant: str) -> list[str]:
    """The finished nights of this release that can make a baseline, oldest first.

    They began after the last one ended, and every case was asked in them: a canary's answers are no evidence.
    """
    release = connections.release(connections.manifest(assistant))
    last = connections.baselines.last(assistant)
    return [
        each.name
        for each in connections.history.nights(assistant)
        if each.status == "finished"
        and each.summary
        and each.summary.get("release") == release
        and is_whole(each.summary)
        and (last is None or last.ended_at is None or (each.started_at and each.started_at > last.ended_at))
    ]


def standing_baseline(connections: Connections, assistant: str) -> Baseline | None:
    """What nights are held against, made now where there are enough of them; None before."""
    standing = connections.baselines.standing(assistant)
    if standing or len(collected(connections, assistant)) < nights_wanted(connections):
        return standing
    return make_baseline(connections, assistant, runs=connections.settings.baseline_nights, by="night")


def make_baseline(
    connections: Connections, assistant: str, *, runs: int, by: str, taken: tuple[str, ...] = ()
) -> Baseline:
    """Freeze the last nights of this release, and after them the runs `taken` at once.

    With adaptive nights the first of them are the pilot. Raises ContentError when there are fewer than it takes.
    """
    names = [*collected(connections, assistant), *taken]
    wanted = nights_wanted(connections, runs=runs)
    if len(names) < wanted:
        raise ContentError(
            f"baseline of '{assistant}': {wanted} whole nights of this release are asked for, {len(names)} are "
            f"finished. `plumbline baseline make --assistant {assistant} --now` asks every case "
            f"{counted(wanted - len(names), 'time')} at once; or ask for fewer with --runs."
        )
    pilot, kept = names[-wanted:-runs], names[-runs:]
    manifest, now = connections.manifest(assistant), datetime.now(UTC)
    release = connections.release(manifest)
    baseline = Baseline(
        id=f"{assistant} {now:%Y-%m-%d %H:%M:%S.%f}",
        assistant=assistant,
        release=release,
        parts=dict(connections.release_parts(manifest)),
        runs=tuple(kept),
        made_at=now,
        pilot=tuple(pilot),
        canary=_canary(connections, assistant, release, pilot=pilot, pool=kept) if pilot else (),
        git_revision=git_revision(connections.project.folder),
    )
    connections.baselines.make(baseline, by=by)
    return baseline


def _canary(
    connections: Connections, assistant: str, release: str, *, pilot: list[str], pool: list[str]
) -> tuple[str, ...]:
    adaptive = connections.settings.adaptive_nights
    assert adaptive is not None, "only adaptive nights have a pilot"
    results: dict[str, dict[str, list[float]]] = {name: {} for name in pilot}
    kinds: dict[str, set[str]] = {}
    for each in connections.history.measured(assistant, pilot, release=release):
        if each.passed is not None:
            results[each.night].setdefault(each.case, []).append(float(each.passed))
            kinds.setdefault(each.kind, set()).add(each.case)
    runs: dict[str, Values] = {**results}
    strata = {kind: frozenset(cases) for kind, cases in kinds.items()}
    return choose_canary(runs, cases=adaptive.canary_cases, pool=pool, strata=strata)
