"""Settings over HTTP, counts, the Python handle and the command."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from asked import prompt
from openai import APITimeoutError, RateLimitError

from faults.running import running
from faults.settings import PRESETS, Rule, SettingsError, read_settings

PLUMBLINE = str(Path(sys.executable).parent / "plumbline")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"latency": 1}, r"unknown key 'latency'"),
        ({"faults": [{"kind": "reset", "shares": 1}]}, r"unknown key 'faults\.0\.shares'"),
        ({"behaviours": {"usd_per_million": {"in": 1}}}, r"unknown key 'behaviours\.usd_per_million\.in'"),
        ({"faults": [{"kind": "fire"}]}, r"'faults\.0\.kind': no such kind; there are rate_limit, "),
        ({"faults": [{"kind": "reset", "share": 2}]}, r"'faults\.0\.share': .*less than or equal to 1"),
        ({"faults": [{"kind": "reset", "share": 0.1, "first": 2}]}, r"'faults\.0': share and first are both given"),
        ({"faults": "calm-night"}, r"'faults': no preset; there are none, bad-night"),
        ({"latency_seconds": -1}, r"'latency_seconds': give 0 or more"),
        ({"latency_seconds": {"low": 2, "high": 1}}, r"'latency_seconds': low is 2 and high is 1"),
        ({"behaviours": {"wrong_on": "("}}, r"'behaviours\.wrong_on': no regular expression"),
        ({"behaviours": {"terser": True, "wordier": True}}, r"'behaviours': terser and wordier are both set"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_the_name_of_the_key(fault_server, settings, words):
    before = fault_server.settings()
    with pytest.raises(SettingsError, match=words):
        fault_server.set(**settings)
    assert fault_server.settings() == before


@pytest.mark.parametrize(("body", "status"), [(b"{", 400), (b"[]", 400), (b'{"latency": 1}', 422)])
def test_the_door_for_settings_answers_with_the_status_of_the_mistake(fault_server, body, status):
    request = urllib.request.Request(f"{fault_server.url}/control", data=body, method="PUT")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=5)
    with refused.value as reply:
        assert reply.code == status
        assert status == 400 or "unknown key 'latency'" in json.load(reply)["error"]["message"]


def test_a_change_keeps_the_other_settings_and_a_set_does_not(fault_server):
    fault_server.set(latency_seconds=0.01, faults=[Rule(kind="reset")])
    fault_server.change(faults="none", behaviours={"terser": True})
    settings = fault_server.settings()
    assert (settings.latency_seconds, settings.faults, settings.behaviours.terser) == (0.01, (), True)
    fault_server.set()
    assert fault_server.settings().latency_seconds == 0


def test_a_reply_takes_its_time(fault_server, ask):
    fault_server.set(latency_seconds=0.2)
    started = time.monotonic()
    ask()
    ask(stream=True)
    assert time.monotonic() - started >= 0.4
    fault_server.set(latency_seconds={"low": 0.05, "high": 0.1})
    started = time.monotonic()
    ask()
    assert time.monotonic() - started >= 0.05


def test_calls_are_counted_with_what_was_bought_twice(fault_server, ask):
    started = time.time()
    for question in ("annual plan?", "monthly plan?", "annual plan?"):
        ask(question)
    tally = fault_server.calls()
    assert (tally.received, tally.answered, tally.distinct, tally.repeated, tally.lost) == (3, 3, 2, 1, 0)
    assert (tally.by_status, tally.by_fault, tally.by_model) == ({"200": 3}, {}, {"gpt-4o-mini": 3})
    assert started <= tally.first_received_at <= tally.last_answered_at <= time.time()
    assert 0 <= tally.first_received_seconds <= tally.last_answered_seconds
    assert tally.prompt_tokens > 0
    assert tally.cost_usd > 0
    fault_server.reset()
    assert fault_server.all_calls() == {}


def test_calls_in_flight_at_once_are_counted(fault_server, client):
    fault_server.set(latency_seconds=0.3)

    def ask(number):
        client.chat.completions.create(model="any", messages=prompt(f"annual {number}?"), stream=number % 2 == 0)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(ask, range(6)))
    assert fault_server.calls().in_flight_most == 6


@pytest.mark.parametrize("charge_lost", [True, False])
def test_a_call_whose_client_leaves_is_lost_and_charged_as_set(fault_server, ask, charge_lost):
    fault_server.set(latency_seconds=2, charge_lost=charge_lost)
    with pytest.raises(APITimeoutError):
        ask(timeout=0.1)
    until = time.monotonic() + 2
    while not (tally := fault_server.calls()).lost and time.monotonic() < until:
        time.sleep(0.01)
    assert (tally.lost, tally.answered, tally.in_flight) == (1, 0, 0)
    assert (tally.cost_usd > 0) is charge_lost


def test_a_refused_call_is_not_charged(fault_server, ask):
    fault_server.set(faults="outage", behaviours={})
    fault_server.change(faults=[{"kind": "rate_limit"}])
    with pytest.raises(RateLimitError):
        ask()
    tally = fault_server.calls()
    assert (tally.cost_usd, tally.answered, tally.by_status) == (0, 0, {"429": 1})


def test_the_handle_ends_the_server_also_when_its_body_raises():
    seen = []

    def body():
        with running(latency_seconds=0.5) as server:
            seen.append((server.pid, server.settings().latency_seconds))
            raise KeyError

    with pytest.raises(KeyError):
        body()
    ((pid, latency_seconds),) = seen
    assert latency_seconds == 0.5
    assert not psutil.pid_exists(pid)


def test_the_handle_refuses_settings_that_cannot_be():
    with pytest.raises(SettingsError, match="unknown key 'latency'"), running(latency=1):
        pass


def test_the_server_ends_with_a_process_that_is_killed():
    code = "from faults.running import running\nwith running() as s: print(s.pid, flush=True); input()"
    words = [sys.executable, "-c", code]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        pid = int(owner.stdout.readline())
        owner.kill()
    until = time.monotonic() + 5
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" and time.monotonic() < until:
        time.sleep(0.02)
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie"


def test_the_command_says_how_to_use_it_and_ends_quietly(tmp_path):
    (tmp_path / "slow.yaml").write_text("latency_seconds: 0.01\nfaults: bad-night\n")
    words = [PLUMBLINE, "faults", "--port", "0", "--faults", str(tmp_path / "slow.yaml")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        first = process.stdout.readline()
        url = re.search(r"http://127\.0\.0\.1:\d+", first)[0]
        assert f"export OPENAI_BASE_URL={url}/v1 OPENAI_API_KEY=any" in process.stdout.readline()
        assert f"curl -X PUT {url}/control" in process.stdout.readline()
        with urllib.request.urlopen(f"{url}/control", timeout=5) as reply:
            assert b'"latency_seconds":0.01' in reply.read()
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=5)
    assert (process.returncode, rest, errors) == (0, "", "")


def test_a_port_in_use_is_one_line():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [PLUMBLINE, "faults", "--port", port], capture_output=True, text=True, check=False, timeout=20
        )
    assert done.returncode == 2
    assert done.stdout == ""
    assert re.fullmatch(rf"StateError: port {port} on 127\.0\.0\.1: .*--port 0 for a free one\.\n", done.stderr)


def test_settings_in_a_file_are_named_with_the_file(tmp_path):
    path = tmp_path / "faults.yaml"
    path.write_text("faults:\n- kind: reset\n  chance: 1\n")
    with pytest.raises(SettingsError, match=r"faults\.yaml: unknown key 'faults\.0\.chance'"):
        read_settings(str(path))
    path.write_text("[")
    with pytest.raises(SettingsError, match=r"faults\.yaml: cannot be read"):
        read_settings(str(path))
    with pytest.raises(SettingsError, match="neither a file nor a preset"):
        read_settings("calm-night")
    assert {name: read_settings(name).faults for name in PRESETS} == dict(PRESETS)


def test_starting_it_imports_neither_prefect_nor_openai():
    code = (
        "import sys, faults.serving, faults.door, flows.cli; print({'prefect', 'openai', 'mlflow'} & set(sys.modules))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "set()\n"
