"""CPU time of a process that is watched from outside."""

import threading
import time

import psutil

SAMPLE_SECONDS = 0.05


class CpuClock(threading.Thread):
    """CPU seconds of one process over time, sampled; those between two moments by interpolation."""

    def __init__(self, pid: int):
        super().__init__(daemon=True)
        self._process = psutil.Process(pid)
        self._samples: list[tuple[float, float]] = []
        self.start()

    def run(self) -> None:
        try:
            while True:
                times = self._process.cpu_times()
                self._samples.append((time.time(), times.user + times.system))
                time.sleep(SAMPLE_SECONDS)
        except psutil.Error:
            return  # it has ended

    def between(self, start: float, end: float) -> float:
        before = [cpu for at, cpu in self._samples if at <= start]
        until = [cpu for at, cpu in self._samples if at <= end]
        return until[-1] - before[-1]
