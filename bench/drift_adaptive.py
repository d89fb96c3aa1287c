"""Adaptive nights in `bench.drift`: what they save, how late they are, and what a canary may not be chosen from.

A night is asked as `evals.drift.planner` plans it, with the defaults of the setting `adaptive_nights`: 55 canary cases,
10 pilot nights, one whole night in 28. The streams are those of an assistant without a judge: fail, pass, and length,
tokens and cost of an answer, which do not change.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.drift_entry import Entry
from bench.drift_rules import OURS, SEED
from bench.drift_worlds import YEAR, Bools, Change, Floats, Nights, World, twin_nights
from evals.drift.decision import Stream, decide, weights
from evals.drift.planner import OPENING, canary_evidence, choose_canary, is_whole
from evals.drift.streams import History, Kind, Values, p_values

CANARY, PILOT, EVERY = 55, 10, 28
AFTER = 12  # nights that are simulated after a change
LENGTH_NOISE = 0.2
NUMBERS = ("length", "tokens", "cost")
KINDS: dict[str, Kind] = {"fail": "fail", "pass": "pass", **dict.fromkeys(NUMBERS, "real")}
SHARES = weights(NUMBERS)
NULL = "nothing changes"
CHANGES = {
    NULL: Change(),
    "5 % of 200 break": Change(lost=0.05),
    "2 % of 200 break": Change(lost=0.02),
    "3 % lost, 3 % gained": Change(lost=0.03, gained=0.03),
    "5 points in all": Change(worse=0.05),
}


@dataclass(frozen=True, slots=True)
class Year:
    """What adaptive nights came to: cases asked a night before the change, nights opened, alarms, and the delay.

    delay, whole_delay: nights until the alarm, adaptive and with every night whole; None: not in 12 nights.
    """

    asked: float
    opened: float
    false_alarms: int
    delay: int | None
    whole_delay: int | None


def play_adaptive(name: str, replication: int, nights: int) -> Year:
    """One history: a null one of so many nights, or a change after 0 to 27 of them."""
    change = CHANGES[name]
    rng = np.random.default_rng([SEED, list(CHANGES).index(name), replication, EVERY])
    null = name == NULL
    before = nights if null else int(rng.integers(EVERY))
    world = World()
    canary, suite = twin_nights(world, change, 0 if null else AFTER, rng, pilot=PILOT, before=before)
    label = f"{SEED} {name} {replication}"
    chosen = _choose(canary)
    scheduled = np.array([is_whole(night, every=EVERY) for night in range(len(canary.nights))])
    probed = _streams(canary, rng, f"canary {label}", cases=chosen, asked=~scheduled)
    evidence = _streams(suite, rng, label, cases=range(world.cases))
    alarms, opened = _fold(probed, evidence, scheduled, until=before)
    opened_before = opened[:before] & ~scheduled[:before]
    asked = np.where(scheduled[:before], world.cases, CANARY) + world.cases * opened_before
    return Year(
        asked=float(asked.mean()) if before else 0.0,
        opened=float(opened_before.mean()) if before else 0.0,
        false_alarms=sum(alarm < before for alarm in alarms),
        delay=_delay(alarms, before),
        whole_delay=None if null else _delay(_fold([], evidence, np.ones_like(scheduled), until=before)[0], before),
    )


def _delay(alarms: Sequence[int], before: int) -> int | None:
    return next((alarm - before + 1 for alarm in alarms if alarm >= before), None)


def _choose(canary: Nights) -> list[int]:
    pilot = {f"pilot {number}": _run(run) for number, run in enumerate(canary.baseline)}
    pool = [f"night {number}" for number in range(len(canary.nights))]
    return [int(case) for case in choose_canary(pilot, cases=CANARY, pool=pool, strata={})]


def _run(results: Floats) -> Values:
    return {str(case): [value] for case, value in enumerate(results.tolist())}


def _streams(
    nights: Nights,
    rng: np.random.Generator,
    label: str,
    *,
    cases: Sequence[int],
    asked: Bools | None = None,
) -> list[tuple[str, History]]:
    """The histories of all streams, of these cases alone and of the nights on which they are asked."""
    shape = nights.results.shape
    length = np.rint(rng.lognormal(np.log(1200), 0.6, shape[1]) * rng.lognormal(0, LENGTH_NOISE, shape))
    tokens = np.rint(length / 4 * rng.lognormal(0, 0.02, shape))
    prompt = np.rint(rng.lognormal(np.log(2000), 0.3, shape[1]) * rng.lognormal(0, 0.05, shape))

    def history(values: Floats) -> History:
        kept = [{str(case): [run[case]] for case in cases} for run in values.tolist()]
        runs, since = kept[: nights.baseline_runs], kept[nights.baseline_runs :]
        if asked is not None:
            since = [run if here else {} for run, here in zip(since, asked.tolist(), strict=True)]
        return History(label, tuple(runs), tuple(since), tuple(map(str, range(len(since)))))

    passed = history(nights.results)
    numbers = zip(NUMBERS, map(history, (length, tokens, 0.4 * prompt + 1.6 * tokens)), strict=True)
    return [("fail", passed), ("pass", passed), *numbers]


def _fold(
    probed: list[tuple[str, History]],
    evidence: list[tuple[str, History]],
    scheduled: Bools,
    *,
    until: int,
) -> tuple[list[int], Bools]:
    """The nights of alarm, each answered by a reset, up to the first one from night `until` on; the whole nights."""
    alarms: list[int] = []
    resets: frozenset[int] = frozenset()
    while True:
        whole = scheduled.copy()
        if probed:
            whole |= np.array(canary_evidence(_followed(probed, resets), resets=resets)) >= OPENING
        asked = [(name, _only(history, whole.tolist())) for name, history in evidence]
        sounded = decide(_followed(asked, resets), resets=resets)[-1].alarm_night
        if sounded is None:
            return alarms, whole
        alarms.append(sounded)
        if sounded >= until or sounded + 1 == len(scheduled):
            return alarms, whole
        resets |= {sounded + 1}


def _followed(histories: list[tuple[str, History]], resets: frozenset[int]) -> list[Stream]:
    return [
        Stream(name, SHARES[name], p_values(history, name, KINDS[name], resets=resets)) for name, history in histories
    ]


def _only(history: History, whole: list[bool]) -> History:
    nights = tuple(night if here else {} for night, here in zip(history.nights, whole, strict=True))
    return History(history.baseline_id, history.baseline, nights, history.names)


def adaptive_pieces(short: bool) -> list[tuple[str, int, int]]:
    """Histories of adaptive nights: name of the change, number, and nights of a null one."""
    null, few, many = (3, 4, 6) if short else (14, 30, 150)
    gates = ("5 % of 200 break", "5 points in all")
    numbers = {name: many if name in gates else few for name in CHANGES} | {NULL: null}
    return [(name, each, 4 * EVERY if short else YEAR) for name, number in numbers.items() for each in range(number)]


def adaptive_entry(played: Sequence[tuple[str, Year]]) -> Entry:
    by_change = {name: [each for found, each in played if found == name] for name in CHANGES}
    null = by_change[NULL]
    asked = float(np.mean([each.asked for each in null]))
    alarms = sum(each.false_alarms for each in null)
    met, table = asked <= 70, {OURS: {}, "every night whole": {}}
    for name, years in by_change.items():
        if name == NULL:
            continue
        for rule, found in ((OURS, [y.delay for y in years]), ("every night whole", [y.whole_delay for y in years])):
            took = np.array([np.inf if each is None else each for each in found])
            median, within = float(np.median(took)), float((took <= 7).mean())
            table[rule][name] = f"{'never' if np.isinf(median) else f'{median:g}'}, {within:.0%}"
            if rule == OURS and name in ("5 % of 200 break", "5 points in all"):
                met &= median <= 2 and within >= 0.98
    opened = float(np.mean([each.opened for each in null]))
    lines = [
        f"a canary of {CANARY} of 200 cases, {PILOT} pilot nights, one night in {EVERY} whole",
        f"null: {asked:.1f} of 200 answers a night, {opened:.1%} of the nights opened by it, {alarms} false alarms"
        f" ({len(null)} histories)",
        ", ".join(f"{name}: {len(years)} replications" for name, years in by_change.items() if name != NULL),
    ]
    what = "adaptive nights: <= 70 answers a null night; 5 % break and 5 points in all: median <= 2, 98 % within 7"
    return Entry("G9", what, met, lines, table)


def refused_entry() -> Entry:
    """A canary from the pool, in the library; `baseline make` divides the nights so that none can be."""
    nights: dict[str, Values] = {f"night {number}": {"case": [1.0]} for number in range(3)}
    try:
        choose_canary(nights, cases=1, pool=["night 2"], strata={})
    except ValueError as refusal:
        return Entry("G12", "choosing canaries from pool runs is refused", True, [str(refusal)])
    return Entry("G12", "choosing canaries from pool runs is refused", False, ["it was not"])
