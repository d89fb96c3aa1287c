"""Which cases are asked tonight: all of them, or a canary of stable ones that can call for all.

On most nights only the canary is asked. Where it no longer looks like its own past, the whole suite is asked in the
same night; and so it is on the first night after the baseline and every 28th from then on, whatever the canary says.

Only whole nights are evidence. The canary is held against a pool of its own, the pilot nights it was chosen from and
the canary nights since, and on a night that it opens its cases are asked once more. So, given the rates of the cases,
which nights are whole depends on nothing that the verdict counts: baseline and whole nights are exchangeable as if the
nights had been drawn by lot, and the promise on false alarms holds for any canary and any rule that opens. A canary
chosen from nights of the verdict's own pool would open the nights that differ from them by chance: it is refused.
What is needed is that the two askings of a case in one night are independent given its rate. A provider's bad night
moves both; simulated, identical answers to both askings gave no more alarms than independent ones.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from statistics import fmean

from evals.drift.decision import Stream
from evals.drift.detector import Scale, e_values
from evals.drift.streams import Values, by_case

OPENING = 2.0  # weighted evidence of the canary that opens a night
MOST_EVIDENCE = 1e300
SHORT = (Scale(1), Scale(2), Scale(2, 1))  # what a night is opened by


def choose_canary(
    pilot: Mapping[str, Values], *, cases: int, pool: Collection[str], strata: Mapping[str, frozenset[str]]
) -> tuple[str, ...]:
    """The canary: cases that passed in every pilot night, taken evenly from the strata; then the next best.

    pilot: results of 0 and 1 by name of the night. pool: the names of the nights that are evidence. Raises ValueError
    where a pilot night is one of them.
    """
    if shared := sorted(set(pilot) & set(pool)):
        raise ValueError(
            f"night {shared[0]} is in the pool, so no canary may be chosen by it: choose it from nights before the "
            "baseline"
        )
    rates = {case: fmean(values) for case, values in by_case(list(pilot.values())).items() if values}
    stratum = {case: name for name, members in strata.items() for case in members}
    seed = "\n".join(sorted(pilot))
    order = sorted(rates, key=lambda case: (-rates[case], stratum.get(case, ""), _lot(seed, case)))
    stable = [case for case in order if rates[case] == 1.0]
    if len(stable) <= cases:
        return tuple(order[:cases])
    return tuple(stable[place * len(stable) // cases] for place in range(cases))


def _lot(seed: str, case: str) -> str:
    return hashlib.sha256(f"{seed}\n{case}".encode()).hexdigest()


def canary_evidence(streams: Sequence[Stream], *, resets: frozenset[int] = frozenset()) -> list[float]:
    """For every night the largest w_c C_c of the canary's streams over blocks of one night and of two.

    C <- max(C, 1) e is evidence since the most likely change (CUSUM); unlike R it does not grow while nothing happens.
    A night is opened by OPENING or more. What has opened a night is spent: C begins anew, as it does before the nights
    in `resets`.
    """
    components = [(stream, scale) for stream in streams for scale in SHORT]
    reached = dict.fromkeys(range(len(components)), 1.0)
    found: list[float] = []
    for night in range(len(streams[0].p_values) if streams else 0):
        if night in resets or (found and found[-1] >= OPENING):
            reached = dict.fromkeys(reached, 1.0)
        for place, (stream, scale) in enumerate(components):
            p = stream.p_values[night].get(scale)
            if p is not None:
                reached[place] = min(max(reached[place], 1.0) * float(e_values(p).mean()), MOST_EVIDENCE)
        found.append(max(stream.weight * reached[place] for place, (stream, _) in enumerate(components)))
    return found


def is_whole(night: int, *, every: int) -> bool:
    """Is this night, counted from 0 since the baseline, one of those on which the whole suite is asked anyway?"""
    return night % every == 0
