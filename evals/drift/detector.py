"""Evidence of one stream over the nights: Shiryaev-Roberts e-detectors at several scales.

z = Phi^-1(1 - p) is standard normal when p is uniform, so exp(mu z - mu^2 / 2) is an e-value: under the null
hypothesis its expectation, given the past, is 1. A detector adds b for each block of b nights, and multiplies by the
block's e-value, R <- (R + b) exp(mu z / s - mu^2 / 2), so that E[R after T nights] <= T: it exceeds A within T nights
with probability at most T / A (Shin, Ramdas, Rinaldo, *E-detectors*, 2022, section 2; Vovk, Nouretdinov, Gammerman,
2024). s >= 1 widens the law where nights scatter more than cases alone explain; it is fixed when a block begins, so
the block cannot choose it. It sees a night three nights later: else the first night of a drift would widen the law
against the second and third, which were to confirm it.

Drifted nights enter the bag and hide what follows, so a single scale would miss a small drift it did not catch at
once: blocks of 1, 2, 4, 8 and 16 nights are followed beside each other. A drift that begins in the middle of a block
waits for the next one, so each length but 1 is followed twice, the second half a block later.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri


class Scale(NamedTuple):
    """Blocks of so many nights, the first of which begins `offset` nights after the baseline or the last reset."""

    length: int
    offset: int = 0

    def begins(self, nights: int) -> bool:
        """Does a block begin when so many nights have passed?"""
        return nights >= self.offset and (nights - self.offset) % self.length == 0

    def ends(self, nights: int) -> bool:
        """Does a block end when so many nights have passed?"""
        return nights > self.offset and self.begins(nights)


SCALES = (Scale(1), *(Scale(length, offset) for length in (2, 4, 8, 16) for offset in (0, length // 2)))
NIGHTLY = SCALES[0]
BETS = (0.5, 1.0, 2.0, 4.0, 8.0)
GUARD_NIGHTS = 10  # nights of spread 1 that the guard begins with
GUARD_LAG = 3  # the last nights, which it does not see yet
MOST_Z = 37.0  # where 1 - p can no longer be told from 1


@dataclass(frozen=True, slots=True)
class Evidence:
    """One scale of one stream after a night. r: its R, the mean over the bets. since: the excursion's first night.

    cusum: max(cusum, 1) times the mean e-value of the block, which says where the excursion began.
    """

    r: float
    cusum: float
    since: int


def detect(
    nights: Sequence[Mapping[Scale, float | None]], *, resets: frozenset[int] = frozenset()
) -> list[dict[Scale, Evidence]]:
    """The evidence at every scale after every night.

    nights: for each night the p-values of the blocks that end with it, by scale; a night without any result has none,
        and a block in which no case could have differed has None: its e-value is 1.
    resets: nights (counted from 0) before which all evidence is dropped; blocks begin anew there.
    """
    z_past: list[float] = []
    states = {scale: _fresh(0) for scale in SCALES}
    guards = dict.fromkeys(SCALES, 1.0)
    after: list[dict[Scale, Evidence]] = []
    for night, p_values in enumerate(nights):
        if night in resets:
            states = {scale: _fresh(night) for scale in SCALES}
        begin = max((each for each in resets if each <= night), default=0)
        for scale in SCALES:
            if scale.begins(night - begin):
                guards[scale] = _guard(z_past)
            if scale in p_values:
                first = _first_measured(nights, night - scale.length + 1)
                states[scale] = states[scale].after(p_values[scale], scale.length, guards[scale], first)
        if (nightly := p_values.get(NIGHTLY)) is not None:
            z_past.append(z_value(nightly))
        after.append({scale: state.evidence for scale, state in states.items()})
    return after


def z_value(p: float) -> float:
    """Phi^-1(1 - p), kept finite."""
    return float(np.clip(-ndtri(p), -MOST_Z, MOST_Z))


def e_values(p: float, guard: float = 1.0) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """One e-value for each bet: exp(mu z / s - mu^2 / 2)."""
    bets = np.array(BETS)
    return np.exp(bets * z_value(p) / guard - bets**2 / 2)


@dataclass(frozen=True, slots=True)
class _State:
    """R of one scale for every bet, and the excursion it is on."""

    r: "np.ndarray[tuple[int], np.dtype[np.float64]]"
    cusum: float
    since: int

    def after(self, p: float | None, length: int, guard: float, first: int) -> "_State":
        gained = np.ones(len(BETS)) if p is None else e_values(p, guard)
        since = self.since if self.cusum > 1 else first
        with np.errstate(over="ignore"):
            r = np.minimum((self.r + length) * gained, 1e300)
        return _State(r, min(max(self.cusum, 1.0) * float(gained.mean()), 1e300), since)

    @property
    def evidence(self) -> Evidence:
        return Evidence(float(self.r.mean()), self.cusum, self.since)


def _fresh(night: int) -> _State:
    return _State(np.zeros(len(BETS)), 1.0, night)


def _first_measured(nights: Sequence[Mapping[Scale, float | None]], begin: int) -> int:
    """The first night of a block with a result: on the others nothing can have been seen to begin."""
    return next((night for night in range(begin, len(nights)) if NIGHTLY in nights[night]), begin)


def _guard(z_past: Sequence[float]) -> float:
    """max(1, sqrt((10 + sum of z^2) / (10 + nights))), without the last three nights."""
    seen = z_past[:-GUARD_LAG]
    spread = (GUARD_NIGHTS + sum(z * z for z in seen)) / (GUARD_NIGHTS + len(seen))
    return max(1.0, float(np.sqrt(spread)))
