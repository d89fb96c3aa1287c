"""Two runs at once on one state folder: one wins, the other stops or waits, by setting."""

import json
import signal
import subprocess

import pytest
from checkout import PLUMBLINE, Checkout, assert_quiet


def _start(checkout: Checkout) -> "subprocess.Popen[str]":
    command = [PLUMBLINE, "ingest", "--json"]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, cwd=checkout.folder, env=checkout.environment(), stdout=pipe, stderr=pipe, text=True
    )


@pytest.mark.nightly
def test_of_two_runs_at_once_the_second_waits_and_finds_nothing_left_to_do(checkout: Checkout) -> None:
    checkout.edit("params.yaml", "busy_wait_minutes: 0 ", "busy_wait_minutes: 5 ")
    both = [_start(checkout) for _ in range(2)]
    said = [process.communicate(timeout=400) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    first, second = sorted((json.loads(stdout) for stdout, _ in said), key=lambda each: each["documents"]["unchanged"])
    assert first["documents"]["unchanged"] == 0
    assert second["documents"]["unchanged"] == first["documents"]["added"] > 0
    assert (second["version"], second["chunks"]) == (first["version"], first["chunks"])
    screens = [stderr for _, stderr in said]
    assert sum(screen.count("waiting up to 5 minutes: another run (ingest support, ") for screen in screens) == 1
    for screen in screens:
        assert_quiet(screen)


def test_ctrl_c_ends_the_waiting(checkout: Checkout) -> None:
    checkout.edit("params.yaml", "busy_wait_minutes: 0 ", "busy_wait_minutes: 5 ")
    (checkout.folder / "state").mkdir()
    holder = subprocess.Popen(["flock", "--no-fork", str(checkout.folder / "state/run.lock"), "sleep", "60"])
    try:
        waiting = _start(checkout)
        assert waiting.stderr is not None
        assert waiting.stderr.readline().startswith("waiting up to 5 minutes: another run is using ")
        waiting.send_signal(signal.SIGINT)
        stdout, stderr = waiting.communicate(timeout=60)
        assert (waiting.returncode, stdout) == (130, "")
        assert "stopped; what was recorded is kept" in stderr
    finally:
        holder.kill()
        holder.wait()
