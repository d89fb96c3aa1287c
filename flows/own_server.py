"""The Prefect server of one run, where no other is given: it starts while the run is still reading and importing.

Prefect would start one by itself, but only when the first flow asks, after importing its whole server into the run:
some ten seconds in a row. `python -m flows.own_server FD` serves on a socket it inherits, so that no port can be lost
between choosing and using it.
"""

import atexit
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from flows.params import OWN_SERVER, Project
from flows.running import Server

_LIKE_PREFECT = {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}
_SMALL = {"MALLOC_ARENA_MAX": "1"}  # 5 MB less


@contextmanager
def own_server(project: Project) -> Iterator[None]:
    """Start a server if this run has none, and at the end of the block, where Prefect is imported, wait for it.

    It ends with this process. Raises StateError if it does not come up.
    """
    if project.prefect_url or OWN_SERVER in os.environ:
        yield
        return
    from flows.servers import wait_for

    server = _start(project)
    os.environ["PREFECT_API_URL"] = os.environ[OWN_SERVER] = f"{server.url}/api"
    yield
    wait_for(project, server, "/api/health", project.settings.servers.startup_timeout_seconds)


def _start(project: Project) -> Server:
    import psutil

    from flows.servers import AUDIBLE, HOST, open_log

    with socket.socket() as listening, open_log(project, "prefect") as log:
        listening.bind((HOST, 0))
        listening.listen()
        fd = listening.fileno()
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "flows.own_server", str(fd)],
            env={**os.environ, **AUDIBLE, **_LIKE_PREFECT, **_SMALL},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[fd],
        )
        url = f"http://{HOST}:{listening.getsockname()[1]}"
    atexit.register(_end, process)
    return Server("prefect", process.pid, psutil.Process(process.pid).create_time(), url)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _serve(fd: int) -> None:
    import uvicorn

    config = uvicorn.Config("prefect.server.api.server:create_app", factory=True, lifespan="on", log_level="error")
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=fd)])


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
