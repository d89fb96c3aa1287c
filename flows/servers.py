"""`plumbline up` and `down`: the Prefect server, the MLflow server and a worker, started and stopped."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO
from urllib.error import URLError

import psutil

from flows.params import Project
from flows.running import Server, read_servers, write_servers
from flows.screen import say
from flows.state import make_folder
from knowledge.errors import StateError

HOST = "127.0.0.1"
POOL = "plumbline"
AUDIBLE = {"PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "INFO", "PREFECT_SERVER_LOGGING_LEVEL": "WARNING"}
PROFILE = """# written by `plumbline up`, removed by `plumbline down`
active = "plumbline"

[profiles.plumbline]
PREFECT_API_URL = "{url}/api"
"""


def bring_up(project: Project) -> dict[str, Server]:
    """Start what does not run yet, deploy the flows, and return every server. Raises StateError.

    An address given by PREFECT_API_URL or MLFLOW_TRACKING_URI is used as it is, and no server is started for it.
    """
    servers = read_servers(project.state)
    wanted = _wanted(project)
    for name, (port, _) in wanted.items():
        if name not in servers:
            _check_port(name, port)
    started: list[Server] = []

    def launch(name: str, words: list[str], url: str | None) -> None:
        server = _launch(project, name, words, url)
        started.append(server)
        servers[name] = server
        write_servers(project.state, servers)

    try:
        if "prefect" in servers or "prefect" in wanted:  # before Prefect is imported: it reads its address once
            _use_profile(project, servers["prefect"].url if "prefect" in servers else _url(wanted["prefect"][0]))
        for name, (port, words) in wanted.items():
            if name not in servers:
                launch(name, words, _url(port))
        timeout = project.settings.servers.startup_timeout_seconds
        from flows.deployments import deploy, make_pool, wait_for_worker  # seconds, while the server starts

        if "prefect" in servers:
            wait_for(project, servers["prefect"], "/api/health", timeout)
        make_pool(POOL)
        if "worker" not in servers:
            launch("worker", ["prefect", "worker", "start", "--pool", POOL, "--type", "process", "--limit", "1"], None)
        deploy(project)
        wait_for_worker(POOL, lambda: _check_alive(project, servers["worker"]), timeout)
        if "mlflow" in servers:
            wait_for(project, servers["mlflow"], "/health", timeout)
    except BaseException:  # Ctrl-C as well: nothing stays half set up
        for server in reversed(started):
            _end(server)
        left = {name: each for name, each in servers.items() if each not in started}
        write_servers(project.state, left)
        if "prefect" not in left:
            _profile(project).unlink(missing_ok=True)
        raise
    return servers


def take_down(project: Project) -> list[Server]:
    """Stop what `bring_up` started, the worker first; what it stopped."""
    servers = read_servers(project.state)
    ended = [servers[name] for name in ("worker", "mlflow", "prefect") if name in servers]
    for server in ended:
        _end(server)
    write_servers(project.state, {})
    _profile(project).unlink(missing_ok=True)
    return ended


def _wanted(project: Project) -> dict[str, tuple[int, list[str]]]:
    """Port and command of each server that is to run here."""
    settings = project.settings.servers
    wanted = {}
    if project.given_prefect_url is None:
        words = ["prefect", "server", "start", "--host", HOST, "--port", str(settings.prefect_port)]
        wanted["prefect"] = (settings.prefect_port, words)
    if not (project.given_tracking_uri or "").startswith("http"):
        folder = make_folder(project.state / "mlflow")
        # artifacts are not proxied: a run that uses the database directly finds them under the same file paths
        words = ["mlflow", "server", "--host", HOST, "--port", str(settings.mlflow_port), "--workers", "1"]
        words += ["--no-serve-artifacts", "--default-artifact-root", (folder / "artifacts").as_uri()]
        wanted["mlflow"] = (settings.mlflow_port, words)
    return wanted


def _url(port: int) -> str:
    return f"http://{HOST}:{port}"


def _check_port(name: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as problem:
            raise StateError(
                f"port {port}: {_port_holder(port)} ({problem.strerror}), and {name} wants it. "
                f"Stop that, or set servers.{name}_port in params.yaml."
            ) from None


def _port_holder(port: int) -> str:
    with suppress(psutil.Error):
        for each in psutil.net_connections("tcp"):
            if each.status == psutil.CONN_LISTEN and each.laddr and each.laddr.port == port and each.pid:
                return f"taken by process {each.pid} ({psutil.Process(each.pid).name()})"
    return "cannot be used"


def _launch(project: Project, name: str, words: list[str], url: str | None) -> Server:
    program = Path(sys.executable).parent / words[0]
    # PLUMBLINE_RUN marks servers that end with a run; these outlive it
    environment = {key: value for key, value in os.environ.items() if key != "PLUMBLINE_RUN"}
    environment |= AUDIBLE
    if name == "mlflow":  # not among the words of the command, which everybody on the machine can read
        database = project.given_tracking_uri or f"sqlite:///{project.state / 'mlflow' / 'mlflow.db'}"
        environment["MLFLOW_BACKEND_STORE_URI"] = database
    if name == "prefect":
        environment["PREFECT_SERVER_UI_API_URL"] = f"{url}/api"  # else the UI asks port 4200
    with open_log(project, name) as lines:
        process = subprocess.Popen(
            [str(program), *words[1:]],
            cwd=project.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=lines,
            stderr=lines,
            start_new_session=True,  # Ctrl-C in this terminal is not for them
        )
    say(f"up: {name} starts" + (f" at {url}" if url else ""))
    return Server(name, process.pid, psutil.Process(process.pid).create_time(), url)


def wait_for(project: Project, server: Server, path: str, timeout_seconds: float) -> None:
    """Return when a server answers at a path. Raises StateError when it ends, or the time is over."""
    until = time.monotonic() + timeout_seconds
    while time.monotonic() < until:
        _check_alive(project, server)
        with suppress(URLError, OSError), urllib.request.urlopen(f"{server.url}{path}", timeout=5) as reply:
            if reply.status == 200:
                return
        time.sleep(0.2)
    raise StateError(
        f"{server.name}: does not answer at {server.url} after {timeout_seconds:g} s. {_log(project, server)}"
    )


def _check_alive(project: Project, server: Server) -> None:
    if not server.alive:
        raise StateError(f"{server.name}: ended while it started. {_log(project, server)}")


def open_log(project: Project, name: str) -> BinaryIO:
    """The file that gets what a server prints."""
    return (make_folder(project.state / "logs") / f"{name}.log").open("ab")


def _log(project: Project, server: Server) -> str:
    log = project.state / "logs" / f"{server.name}.log"
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return f"Its last line: {lines[-1].strip()[:200] if lines else 'none'}. The log is {log}."


def _end(server: Server) -> None:
    """Ask a server and everything it started to end, and kill what is still there after ten seconds."""
    with suppress(psutil.Error):
        process = psutil.Process(server.pid)
        family = [*process.children(recursive=True), process]
        process.terminate()
        _, left = psutil.wait_procs(family, timeout=10)
        for each in left:
            with suppress(psutil.Error):
                each.kill()
        psutil.wait_procs(left, timeout=5)


def _profile(project: Project) -> Path:
    return project.state / "prefect" / "profiles.toml"


def _use_profile(project: Project, url: str | None) -> None:
    make_folder(_profile(project).parent)
    _profile(project).write_text(PROFILE.format(url=url), encoding="utf-8")
    os.environ.pop("PREFECT_PROFILE", None)
    os.environ["PREFECT_API_URL"] = f"{url}/api"  # for the worker, and for this process
