"""CPU time and memory of a process and all it has started, watched from outside."""

import threading
import time
from dataclasses import dataclass

import psutil

SAMPLE_SECONDS = 0.05
_LOOK_AGAIN = 5  # samples; to look for new processes is dearer than to sample those that are known


@dataclass(frozen=True, slots=True)
class Spent:
    """What a tree of processes did between two moments.

    peak_mb: the largest sum of their proportional set sizes; peak_mb_by_process: what each held then, by its program.
    """

    cpu_seconds: float
    peak_mb: float
    peak_mb_by_process: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class _Sample:
    at: float
    cpu_seconds: float
    held: dict[psutil.Process, int]

    @property
    def bytes(self) -> int:
        return sum(self.held.values())


class TreeClock(threading.Thread):
    """Samples the tree of a process until it has ended.

    Memory is PSS: a page that n processes share counts as 1/n for each, so that the sum is what the machine holds.
    """

    def __init__(self, pid: int):
        super().__init__(daemon=True)
        self._root = psutil.Process(pid)
        self._names: dict[psutil.Process, str] = {}
        self._cpu: dict[int, float] = {}
        self._samples: list[_Sample] = []
        self.start()

    def run(self) -> None:
        tree = [self._root]
        number = 0
        while self._root.is_running() and self._root.status() != psutil.STATUS_ZOMBIE:
            if number % _LOOK_AGAIN == 0:
                tree = self._tree()
            number += 1
            held = {process: self._sample(process) for process in tree}
            self._samples.append(_Sample(time.time(), sum(self._cpu.values()), held))
            time.sleep(SAMPLE_SECONDS)

    def between(self, start: float, end: float) -> Spent:
        """What was spent between two moments of `time.time()`."""
        before = [each for each in self._samples if each.at <= start][-1]
        during = [each for each in self._samples if start <= each.at <= end] or [before]
        most = max(during, key=lambda each: each.bytes)
        held = sorted(((self._names.get(process, "other"), round(size / 1e6)) for process, size in most.held.items()))
        return Spent(during[-1].cpu_seconds - before.cpu_seconds, most.bytes / 1e6, tuple(held))

    def _tree(self) -> list[psutil.Process]:
        try:
            return [self._root, *self._root.children(recursive=True)]
        except psutil.Error:
            return []

    def _sample(self, process: psutil.Process) -> int:
        try:
            if process not in self._names:
                self._names[process] = _name(process, self._root)
            times = process.cpu_times()
            self._cpu[process.pid] = times.user + times.system
            return _proportional_bytes(process.pid)
        except (psutil.Error, OSError):
            return 0  # it has ended; its CPU time stays counted


def _name(process: psutil.Process, root: psutil.Process) -> str:
    if process == root:
        return "flow"
    words = " ".join(process.cmdline())
    known = {"own_server": "prefect server", "forkserver": "worker", "resource_tracker": "tracker"}
    return f"{next((name for part, name in known.items() if part in words), 'other')} {process.pid}"


def _proportional_bytes(pid: int) -> int:
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
        return next((int(line.split()[1]) * 1024 for line in rollup if line.startswith("Pss:")), 0)
