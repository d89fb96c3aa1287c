"""`make up` for real: servers, deployments, a night from the button in the browser, notifications, `make down`."""

import asyncio
import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import psutil
import pytest
from checkout import Checkout, copy_everything

SHOTS = Path(__file__).parent / "screenshots"
ENDED = ("COMPLETED", "FAILED", "CRASHED")
EVENT = """
import sys
from prefect.events.worker import EventsWorker
from flows.events import Event, announce
announce([Event(*words.split("|")) for words in sys.argv[1:]])
EventsWorker.instance().wait_until_empty()
"""


class Mailbox:
    """A mail server that keeps what it is sent."""

    def __init__(self) -> None:
        self.port = free_port()
        self.text = ""
        self._listening = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True).start()
        assert self._listening.wait(10)

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._talk, "127.0.0.1", self.port)
        self._listening.set()
        await server.serve_forever()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 here\r\n")
        while line := await reader.readline():
            word = line[:4].upper()
            if word == b"DATA":
                writer.write(b"354 go on\r\n")
                self.text += (await reader.readuntil(b"\r\n.\r\n")).decode()
            writer.write(b"250 good\r\n")
            if word == b"QUIT":
                break
        writer.close()


class Hook:
    """A webhook that keeps what it is sent."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing on the screen."""

        server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{server.server_port}/hook"
        threading.Thread(target=server.serve_forever, daemon=True).start()


class Up:
    """A checkout whose servers run, and what its notifications reach."""

    def __init__(self, checkout: Checkout, hook: Hook, mailbox: Mailbox, ports: tuple[int, int]) -> None:
        self.checkout, self.hook, self.mailbox = checkout, hook, mailbox
        self.prefect, self.mlflow = (f"http://127.0.0.1:{port}" for port in ports)
        self.environment = {
            "PLUMBLINE_WEBHOOK_URL": hook.url,
            "PLUMBLINE_SMTP_URL": f"smtp://127.0.0.1:{mailbox.port}",
            "PLUMBLINE_MAIL_FROM": "plumbline@localhost",
            "PLUMBLINE_MAIL_TO": "duty@localhost, team@localhost",
        }

    def make(self, target: str) -> subprocess.CompletedProcess[str]:
        return self.shell(f"make {target}", **self.environment)

    def shell(self, command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """A command of the documentation, as a person types it."""
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.checkout.folder,
            env=self.checkout.environment(**environment),
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def api(self, path: str, body: dict[str, Any] | None = None) -> Any:
        content = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.prefect}/api{path}", content, {"Content-Type": "application/json"})
        with urlopen(request, timeout=30) as reply:
            return json.load(reply)

    def notifications(self) -> list[dict[str, str]]:
        path = self.checkout.folder / "state/notifications.jsonl"
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []

    def subjects(self) -> str:
        return "\n".join(each["subject"] for each in self.notifications())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(what: Callable[[], Any], seconds: float) -> Any:
    until = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < until, "it did not come in time"
        time.sleep(0.5)
    return found


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    checkout = copy_everything(tmp_path_factory.mktemp("up"))
    ports = free_port(), free_port()
    checkout.edit("params.yaml", "prefect_port: 4200", f"prefect_port: {ports[0]}")
    checkout.edit("params.yaml", "mlflow_port: 5000", f"mlflow_port: {ports[1]}")
    checkout.edit("params.yaml", "missed_after_minutes: 60", "missed_after_minutes: 0.2")
    running = Up(checkout, Hook(), Mailbox(), ports)
    (checkout.folder / ".venv").mkdir()
    (checkout.folder / ".venv/bin").symlink_to(Path(sys.executable).parent)
    (checkout.folder / ".venv/.ready").touch()
    try:
        done = running.make("up")
        assert done.stdout.splitlines()[:2] == [f"Prefect      {running.prefect}", f"MLflow       {running.mlflow}"]
        yield running
    finally:
        running.make("down")


def test_every_flow_is_deployed_and_only_nights_and_freshness_are_scheduled(up: Up) -> None:
    deployed = {each["name"]: each for each in up.api("/deployments/filter", {})}
    assert set(deployed) == {"support", "ingest", "check", "freshness", "evaluate"}
    night = deployed["support"]
    assert [each["schedule"]["cron"] for each in night["schedules"]] == ["0 2 * * *"]
    assert [each["schedule"]["timezone"] for each in night["schedules"]] == ["UTC"]
    assert [each["schedule"]["cron"] for each in deployed["freshness"]["schedules"]] == ["30 * * * *"]
    assert {name for name, each in deployed.items() if each["schedules"]} == {"support", "freshness"}
    for each in deployed.values():
        assert each["global_concurrency_limit"]["limit"] == 1
        assert each["concurrency_options"]["collision_strategy"] == "ENQUEUE"
        assert "plumbline" in each["tags"]
        assert each["description"]
        assert each["version"] == "0.1.0"
    planned = {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}}
    until = time.monotonic() + 60
    while not up.api("/flow_runs/filter", planned):  # the scheduler looks every few seconds
        assert time.monotonic() < until, "the scheduler has not planned the coming nights"
        time.sleep(1)


def test_a_wrong_form_is_refused_with_the_fields_own_error(up: Up) -> None:
    night = up.api("/deployments/name/nightly/support")
    fields = night["parameter_openapi_schema"]["properties"]
    assert fields["assistant"]["enum"] == ["support"]
    assert all(field["description"] for field in fields.values())
    with pytest.raises(OSError, match="409") as refused:
        up.api(f"/deployments/{night['id']}/create_flow_run", {"parameters": {"assistant": "nobody"}})
    assert "'nobody' is not one of ['support']" in refused.value.read().decode()


def test_a_night_runs_from_the_button_in_the_browser(up: Up) -> None:
    if not shutil.which("chromium"):
        pytest.skip("chromium is not installed: the Prefect UI was not tried (apt install chromium)")
    from playwright.sync_api import sync_playwright

    SHOTS.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        quiet = ["--headless", "--no-sandbox", "--disable-background-networking", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=quiet)
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.goto(f"{up.prefect}/deployments")
        page.get_by_role("link", name="support").first.click()
        page.get_by_role("button", name="Run", exact=True).click()
        page.screenshot(path=SHOTS / "prefect-deployment.png")
        page.get_by_text("Custom run").click()
        page.get_by_text("Run a second night on the same date").wait_for()
        page.get_by_role("switch").click()
        page.screenshot(path=SHOTS / "prefect-form.png")
        page.get_by_role("button", name="Submit").click()
        run = wait_for(lambda: _nightly_run(up), 60)
        assert run["parameters"] == {"assistant": "support", "night": None, "new_night": True}
        page.goto(f"{up.prefect}/runs/flow-run/{run['id']}")
        wait_for(lambda: up.api(f"/flow_runs/{run['id']}")["state"]["type"] in ENDED, 180)
        page.reload()
        page.get_by_text("Artifacts", exact=True).first.wait_for()
        page.wait_for_timeout(2000)  # the graph of the run is drawn, not written
        page.screenshot(path=SHOTS / "prefect-run.png")
        page.get_by_text("Artifacts", exact=True).first.click()
        page.get_by_role("link", name="night-support").click()
        page.get_by_text("baseline 1 of 10").first.wait_for()
        page.screenshot(path=SHOTS / "prefect-summary.png")
        page.goto(f"{up.prefect}/artifacts/artifact/{_artifact(up, 'quarantine-support')}")
        page.get_by_text("trust/archive-2019-audit.pdf").first.wait_for()
        page.screenshot(path=SHOTS / "prefect-quarantine.png")
        browser.close()
    finished = up.api(f"/flow_runs/{run['id']}")
    assert finished["state"]["type"] == "COMPLETED"
    assert finished["name"].startswith("support 2")
    names = {each["name"] for each in up.api("/task_runs/filter", {"limit": 200})}
    assert {"begin night", "sync sources", "plan changes", "decide", "answer cases", "announce night"} <= names
    logs = up.api("/logs/filter", {"limit": 200})
    assert any(each["message"].startswith("check: pass (83 queries") for each in logs)
    kept = {each["key"] for each in up.api("/artifacts/filter", {"limit": 200})}
    assert {"ingest-support", "quarantine-support", "check-support", "evaluate-support", "night-support"} <= kept
    assert {"report-support", "mlflow-support"} <= kept
    wait_for(lambda: "[plumbline] night support" in up.subjects(), 30)


def test_what_a_night_says_reaches_file_webhook_and_mail(up: Up) -> None:
    said = {
        "drift": "drift|assistant.support|DRIFT in night support|the answering model moved",
        "gate-failed": "gate-failed|collection.support|version 9 failed its gate|recall@5 is 0.4",
        "freshness-missed": "freshness-missed|collection.support|operations missed its target|oldest 13 h",
        "quarantine": "quarantine-over-share|collection.support|9 of 20 newly in quarantine|too many",
        "budget": "over-budget|assistant.support|night support cost 12.00 USD|too much",
    }
    subprocess.run(
        [sys.executable, "-c", EVENT, *said.values()],
        cwd=up.checkout.folder,
        env=up.checkout.environment(PREFECT_API_URL=f"{up.prefect}/api"),
        check=True,
        timeout=60,
    )
    headlines = [words.split("|")[2] for words in said.values()]
    wait_for(lambda: all(each in up.subjects() for each in headlines), 40)
    wait_for(lambda: all(each in str(up.hook.got) for each in headlines), 20)
    wait_for(lambda: all(each in up.mailbox.text for each in headlines), 20)
    assert "To: duty@localhost, team@localhost" in up.mailbox.text
    pointers = up.checkout.json("status")["pointers"]
    assert all(each["moved_by"] == "check" for each in pointers), "a notification moved the pointer"


def test_a_command_beside_the_servers_is_seen_in_them(up: Up) -> None:
    said = up.checkout.json("ingest", "--collection", "support", apart=True)
    names = {each["name"] for each in up.api("/flow_runs/filter", {})}
    assert said["collection"] == "support"
    assert "ingest support" in names
    assert up.checkout.json("status")["servers"] == {"prefect": up.prefect, "mlflow": up.mlflow, "worker": "running"}


def test_prefects_own_command_finds_the_server_and_its_deployments(up: Up) -> None:
    own = {"PREFECT_HOME": str(up.checkout.folder / "state/prefect")}
    assert "nightly/support" in up.shell("prefect deployment ls", **own).stdout
    # the night of today is finished, so this run reads it
    assert "Completed" in up.shell("prefect deployment run nightly/support --watch", **own).stdout


def _end_worker(up: Up) -> None:
    servers = json.loads((up.checkout.folder / "state/servers.json").read_text())
    process = psutil.Process(next(each["pid"] for each in servers if each["name"] == "worker"))
    process.terminate()
    process.wait(30)


@pytest.mark.nightly
def test_a_night_that_does_not_begin_is_told(up: Up) -> None:
    _end_worker(up)
    night = up.api("/deployments/name/nightly/support")
    up.api(f"/deployments/{night['id']}/create_flow_run", {"state": {"type": "SCHEDULED"}})
    wait_for(lambda: "a scheduled night has not begun" in up.subjects(), 120)
    assert "worker" not in up.checkout.json("status")["servers"]


def test_up_again_starts_what_is_missing_and_down_stops_what_up_started(up: Up) -> None:
    stranger = subprocess.Popen([sys.executable, "-m", "http.server", "0", "--bind", "127.0.0.1"], stderr=-3, stdout=-3)
    before = {each["name"]: each["pid"] for each in json.loads((up.checkout.folder / "state/servers.json").read_text())}
    if psutil.pid_exists(before["worker"]):
        _end_worker(up)
    assert "worker" not in up.checkout.json("status")["servers"]
    again = up.checkout.run_apart("up", "--json", **up.environment)
    assert again.status == 0, again.stderr
    after = {each["name"]: each["pid"] for each in json.loads(again.stdout)["servers"]}
    assert after["prefect"] == before["prefect"]
    assert after["worker"] != before["worker"]
    assert len(up.api("/automations/filter", {})) == 8
    runs = len(up.api("/flow_runs/filter", {}))
    assert up.checkout.json("down") == {"stopped": ["worker", "mlflow", "prefect"]}
    assert not any(psutil.pid_exists(pid) for pid in after.values())
    assert stranger.poll() is None
    stranger.terminate()
    stranger.wait(10)
    assert up.checkout.json("down") == {"stopped": []}
    assert up.checkout.json("status")["nights"], "the state is gone"
    assert runs > 1
    with socket.create_server(("127.0.0.1", int(up.prefect.rpartition(":")[2]))):
        line = up.checkout.error("up")
    assert line.startswith(f"StateError: port {up.prefect.rpartition(':')[2]}: taken by process")
    assert line.endswith("Stop that, or set servers.prefect_port in params.yaml.")


def _nightly_run(up: Up) -> dict[str, Any] | None:
    wanted = {"flow_runs": {"tags": {"all_": ["night"]}}}
    found = [each for each in up.api("/flow_runs/filter", wanted) if each["state_type"] != "SCHEDULED"]
    return found[0] if found else None


def _artifact(up: Up, key: str) -> str:
    return next(each["id"] for each in up.api("/artifacts/filter", {"limit": 200}) if each["key"] == key)
