"""Who is buying: the name of a process, and whether the one that a name stands for still lives."""

import os
import socket
from datetime import datetime, timedelta

LEASE_SECONDS = (
    900.0  # another host's process cannot be looked up; an attempt ends after 120 s unless settings say more
)


def this_process() -> str:
    """`host/pid/start`; the start counts seconds since the host's boot, so that setting the clock changes nothing."""
    return f"{socket.gethostname()}/{os.getpid()}/{_started(os.getpid())}"


class Owners:
    """Which owners of reservations still live, as found at one moment; each process is looked up once."""

    def __init__(self, own: str, *, now: datetime):
        self._alive = {own: True}
        self._now = now

    def hold(self, owner: str, *, reserved_at: datetime) -> bool:
        """Does this owner still hold what it reserved then? One on another host does until the lease is over."""
        if owner not in self._alive:
            host, pid, started = owner.rsplit("/", 2)
            if host != socket.gethostname():
                return self._now - reserved_at < timedelta(seconds=LEASE_SECONDS)
            self._alive[owner] = _started(int(pid)) == started
        return self._alive[owner]


def _started(pid: int) -> str:
    """Empty when no such process runs; a zombie does not."""
    import psutil

    try:
        process = psutil.Process(pid)
        with process.oneshot():
            if process.status() == psutil.STATUS_ZOMBIE:
                return ""
            return f"{process.create_time() - psutil.boot_time():.2f}"
    except psutil.NoSuchProcess:
        return ""
