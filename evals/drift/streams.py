"""Streams: what is followed from night to night, and its p-values as a fold over the stored results.

Nothing is kept between nights: the p-values up to tonight are recomputed from the baseline's results and every
night's since, and are the same bit for bit. What is random in them (how ties are broken) comes from a seed that is a
digest of names. Who folds a long history every night may keep p-values under a digest of all they come from.
"""

import hashlib
import json
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import scipy

from evals.drift.conformal import Counts, Floats, block_p_value
from evals.drift.detector import SCALES, Scale
from evals.drift.ranks import block_rank_p_value

Values = Mapping[str, Sequence[float]]  # case -> its valid results in one run; a case without one is missing
Kind = Literal["fail", "pass", "real"]
BlockPValues = list[dict[Scale, float | None]]  # for each night, by scale, the p-values of the blocks that end with it


@dataclass(frozen=True, slots=True)
class History:
    """Results of the cases in M baseline runs and in the nights since, oldest first.

    For a stream of kind fail or pass a result is 1.0 (passed) or 0.0; for a real one it is the number itself.
    baseline_id: the name of the baseline; with the nights' names it gives the seeds.
    """

    baseline_id: str
    baseline: tuple[Values, ...]
    nights: tuple[Values, ...]
    names: tuple[str, ...]


def by_case(runs: Sequence[Values]) -> dict[str, list[float]]:
    """All results of every case in these runs, oldest first."""
    found: dict[str, list[float]] = {}
    for run in runs:
        for case, values in run.items():
            found.setdefault(case, []).extend(values)
    return found


def seed_of(baseline_id: str, night: str) -> int:
    """The seed of all that is random in a night's p-values, to be stored with the night."""
    return int.from_bytes(hashlib.sha256(f"{baseline_id}\n{night}".encode()).digest()[:8])


def p_values(
    history: History,
    stream: str,
    kind: Kind,
    *,
    resets: frozenset[int] = frozenset(),
    known: MutableMapping[str, float] | None = None,
    scales: Sequence[Scale] = SCALES,
) -> BlockPValues:
    """The p-values of one stream. stream: its name, for the seeds. resets: nights before which evidence was dropped.

    known: p-values found before, by the digest of all that they come from; those that were missing are put in.
    """
    if len(history.nights) != len(history.names):
        raise ValueError(f"{len(history.nights)} nights have {len(history.names)} names")
    known = {} if known is None else known
    inputs = _inputs(history, stream, kind)
    blocks = _RankBlocks(history) if kind == "real" else _CountBlocks(history, failures=kind == "fail")
    found: BlockPValues = []
    begin = 0
    for night, name in enumerate(history.names):
        begin = night if night in resets else begin
        of_night: dict[Scale, float | None] = {}
        for scale in (each for each in scales if each.ends(night - begin + 1)):
            first, end = night - scale.length + 1, night + 1
            if not blocks.measured(first, end):
                continue
            if not blocks.varies(first, end):
                of_night[scale] = None  # a p-value would be u alone, noise in a suite that never flips
                continue
            key = f"{inputs[night]} {scale.length} {scale.offset}"
            if key not in known:
                known[key] = blocks.p_value(first, end, u=_u(seed_of(history.baseline_id, name), stream, scale))
            of_night[scale] = known[key]
        found.append(of_night)
    return found


def _inputs(history: History, stream: str, kind: Kind) -> list[str]:
    """For each night a digest of all that its p-values come from: results up to it, names for the seeds, our code."""
    so_far = hashlib.sha256(
        json.dumps([_code(), history.baseline_id, stream, kind, history.baseline], sort_keys=True).encode()
    )
    found = []
    for name, night in zip(history.names, history.nights, strict=True):
        so_far.update(json.dumps([name, night], sort_keys=True).encode())
        found.append(so_far.hexdigest()[:32])
    return found


@cache
def _code() -> str:
    texts = [(Path(__file__).parent / name).read_text("utf-8") for name in ("conformal.py", "ranks.py", "streams.py")]
    return hashlib.sha256("".join([*texts, np.__version__, scipy.__version__]).encode()).hexdigest()


def _u(seed: int, stream: str, scale: Scale) -> float:
    """What breaks the ties: uniform on (0, 1), never 0, as a p-value of 0 would be infinite evidence."""
    name = int.from_bytes(hashlib.sha256(stream.encode()).digest()[:8])
    return 1.0 - float(np.random.default_rng([seed, name, *scale]).random())


class _CountBlocks:
    """Failures (or passes) and runs of every case, summed up to each night."""

    def __init__(self, history: History, *, failures: bool):
        cases = sorted({case for run in (*history.baseline, *history.nights) for case in run})
        place = {case: number for number, case in enumerate(cases)}
        self._counted = np.zeros((len(history.nights) + 1, len(cases)), dtype=np.int64)
        self._runs = np.zeros_like(self._counted)
        for row, runs in enumerate((history.baseline, *([night] for night in history.nights))):
            for run in runs:
                for case, values in run.items():
                    passed = sum(value == 1.0 for value in values)
                    self._counted[row, place[case]] += len(values) - passed if failures else passed
                    self._runs[row, place[case]] += len(values)
        self._counted = self._counted.cumsum(axis=0)
        self._runs = self._runs.cumsum(axis=0)

    def measured(self, first: int, end: int) -> bool:
        """Is there a result in the nights from `first` up to `end`, which is not among them?"""
        return bool((self._runs[end] > self._runs[first]).any())

    def varies(self, first: int, end: int) -> bool:
        """Has a case that was measured there, and before, ever had two different results?"""
        counted, runs, before = self._counted[end], self._runs[end], self._runs[first]
        return bool(((counted > 0) & (counted < runs) & (runs > before) & (before > 0)).any())

    def p_value(self, first: int, end: int, *, u: float) -> float:
        """The p-value of these nights."""
        runs: Counts = self._runs[end] - self._runs[first]
        counted: Counts = self._counted[end] - self._counted[first]
        return block_p_value(counted, runs, self._counted[end], self._runs[end], u=u)


class _RankBlocks:
    """The values of every case in the order they came, and how many there were up to each night."""

    def __init__(self, history: History):
        cases = sorted({case for run in (*history.baseline, *history.nights) for case in run})
        self._values: list[Floats] = []
        self._ends = np.zeros((len(history.nights) + 1, len(cases)), dtype=np.int64)
        for number, case in enumerate(cases):
            values = [value for run in history.baseline for value in run.get(case, ())]
            self._ends[0, number] = len(values)
            for night, results in enumerate(history.nights, 1):
                values.extend(results.get(case, ()))
                self._ends[night, number] = len(values)
            self._values.append(np.array(values, dtype=np.float64))

    def measured(self, first: int, end: int) -> bool:
        """As of _CountBlocks."""
        return bool((self._ends[end] > self._ends[first]).any())

    def varies(self, first: int, end: int) -> bool:
        """As of _CountBlocks."""
        ends = zip(self._values, self._ends[first].tolist(), self._ends[end].tolist(), strict=True)
        return any(after > before > 0 and np.ptp(values[:after]) > 0 for values, before, after in ends)

    def p_value(self, first: int, end: int, *, u: float) -> float:
        """As of _CountBlocks."""
        runs: list[int] = (self._ends[end] - self._ends[first]).tolist()
        bags = [values[:until] for values, until in zip(self._values, self._ends[end].tolist(), strict=True)]
        return block_rank_p_value(bags, runs, u=u)
