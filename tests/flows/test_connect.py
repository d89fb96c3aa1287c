"""The edges of the composition root: a full disk, left-over servers, one run at a time."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import FileLock

from flows.connect import Connections
from flows.params import Project
from flows.state import end_left_over_servers, hold_state, is_disk_full
from knowledge.errors import ContentError, StateError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "params.yaml").write_text("min_free_mb: 0\n")
    return Project(tmp_path, tmp_path / "state", "sqlite://", None)


def test_a_full_disk_is_recognised_in_what_a_vendor_raises(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left") as caught:
        Path("/dev/full").write_text("x" * 100_000)
    wrapped = RuntimeError("the vendor's own words")
    wrapped.__cause__ = caught.value
    assert is_disk_full(wrapped, tmp_path)
    assert is_disk_full(RuntimeError("(sqlite3.OperationalError) database or disk is full"), tmp_path)
    assert not is_disk_full(RuntimeError("something else"), tmp_path)


def test_a_run_holds_its_state_folder_and_its_flows_hold_it_again(project: Project) -> None:
    with hold_state(project, "nightly support"), hold_state(project, "ingest support"):
        assert '"run": "nightly support"' in (project.state / "run.json").read_text()
        code = f"from filelock import FileLock; FileLock({str(project.state / 'run.lock')!r}).acquire(timeout=0)"
        other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert "Timeout" in other.stderr
    with FileLock(project.state / "run.lock").acquire(timeout=0):
        assert (project.state / "run.lock").exists()


def test_a_run_that_was_killed_leaves_no_lock(project: Project) -> None:
    code = "\n".join(
        [
            "import os, signal, sys; from pathlib import Path",
            "from flows.state import hold_state; from flows.params import Project",
            "folder = Path(sys.argv[1]); project = Project(folder, folder / 'state', 'sqlite://', None)",
            "with hold_state(project, 'nightly support'): os.kill(os.getpid(), signal.SIGKILL)",
        ]
    )
    done = subprocess.run([sys.executable, "-c", code, str(project.folder)], check=False)
    assert done.returncode == -9
    with hold_state(project, "ingest support"):
        assert '"run": "ingest support"' in (project.state / "run.json").read_text()


@contextmanager
def _other_run(project: Project, seconds: float, what: str = "nightly support") -> Iterator[None]:
    """Another process that holds the state folder for so long."""
    code = "\n".join(
        [
            "import sys, time; from pathlib import Path",
            "from flows.state import hold_state; from flows.params import Project",
            "folder = Path(sys.argv[1]); project = Project(folder, folder / 'state', 'sqlite://', None)",
            f"with hold_state(project, '{what}'): print(flush=True); time.sleep({seconds})",
        ]
    )
    command = [sys.executable, "-c", code, str(project.folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        try:
            yield
        finally:
            other.kill()


def test_a_busy_state_folder_stops_a_run_unless_it_is_told_to_wait(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    busy = r"another run \(nightly support, process \d+, since \S+\) is"
    with _other_run(project, 60), pytest.raises(StateError, match=f"{busy} using it"), hold_state(project, "up"):
        pass
    assert capsys.readouterr().err == ""
    (project.folder / "params.yaml").write_text("min_free_mb: 0\nbusy_wait_minutes: 0.005\n")
    short = Project(project.folder, project.state, "sqlite://", None)
    still = f"{busy} still using it after 0.005 minutes"
    with _other_run(project, 60), pytest.raises(StateError, match=still), hold_state(short, "up"):
        pass
    assert re.match(f"waiting up to 0.005 minutes: {busy} using ", capsys.readouterr().err)


def test_a_look_at_freshness_is_waited_for_and_waits_whatever_the_setting(project: Project) -> None:
    for first, second in (("freshness support", "nightly support"), ("nightly support", "freshness support")):
        with _other_run(project, 1.5, first), hold_state(project, second):
            assert json.loads((project.state / "run.json").read_text(encoding="utf-8"))["run"] == second


def test_a_run_that_waits_goes_on_when_the_other_has_ended(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    (project.folder / "params.yaml").write_text("min_free_mb: 0\nbusy_wait_minutes: 1\n")
    with _other_run(project, 0.3), hold_state(project, "check support"):
        assert '"run": "check support"' in (project.state / "run.json").read_text()
    assert capsys.readouterr().err.count("\n") == 1


def test_a_state_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    project = Project(tmp_path, tmp_path / "state", "sqlite://", None)
    with pytest.raises(StateError, match="state: cannot be made"), hold_state(project, "check support"):
        pass


@pytest.mark.parametrize(
    ("same_state", "run_lives", "ended"), [(True, False, True), (True, True, False), (False, False, False)]
)
def test_only_a_server_of_this_state_whose_run_is_gone_is_ended(
    project: Project, same_state: bool, run_lives: bool, ended: bool
) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    home = project.state if same_state else project.folder / "another"
    run = os.getpid() if run_lives else gone.pid
    environment = {**os.environ, "PREFECT_HOME": str(home / "prefect"), "PLUMBLINE_RUN": str(run)}
    command = [sys.executable, "-c", "print('up', flush=True); import time; time.sleep(60)", "flows.own_server"]
    server = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
    assert server.stdout is not None
    server.stdout.readline()
    try:
        end_left_over_servers(project)
        if ended:
            assert server.wait(timeout=10) == -15
        else:
            with pytest.raises(subprocess.TimeoutExpired):
                server.wait(timeout=0.5)
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


_JUDGE = "judge: {name: correctness, route: [openai/gpt-5-mini]}\n"


def _copy_content(folder: Path) -> Connections:
    """The connections of a project with the written content of this one."""
    for name in ("knowledge/manifests", "knowledge/policies", "knowledge/sources", "evals"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy(ROOT / "params.yaml", folder / "params.yaml")
    return Connections(Project(folder, folder / "state", "sqlite://", None))


def _name_judge(folder: Path) -> None:
    with (folder / "knowledge" / "manifests" / "support.yaml").open("a", encoding="utf-8") as file:
        file.write(_JUDGE)


@pytest.mark.parametrize(
    ("file", "old", "new", "part"),
    [
        ("knowledge/manifests/support.yaml", "limit: 6", "limit: 7", "manifest"),
        ("knowledge/manifests/support.yaml", "Question: {{question}}", "They ask: {{question}}", "prompt"),
        ("knowledge/policies/support.yaml", "outcome: escalated", "outcome: refused", "policy"),
        ("params.yaml", "max_tokens: 200", "max_tokens: 150", "recipe"),
        ("evals/judges/correctness.yaml", "Question:", "They asked:", "judge"),
        ("evals/judges/correctness.yaml", "version: 2", "version: 3", "judge"),
        ("knowledge/manifests/support.yaml", "gpt-5-mini", "gpt-5", "manifest"),
    ],
)
def test_a_change_shows_in_its_own_part_of_the_release(
    tmp_path: Path, file: str, old: str, new: str, part: str
) -> None:
    _copy_content(tmp_path)
    _name_judge(tmp_path)

    def release() -> tuple[str, dict[str, str]]:
        connections = Connections(Project(tmp_path, tmp_path / "state", "sqlite://", None))
        manifest = connections.manifest("support")
        return connections.release(manifest), connections.release_parts(manifest)

    before, parts = release()
    path = tmp_path / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    after, changed = release()
    assert after != before
    assert [name for name in parts if parts[name] != changed[name]] == [part]


def test_a_judge_joins_the_release_when_the_manifest_names_one(tmp_path: Path) -> None:
    connections = _copy_content(tmp_path)
    without = connections.manifest("support")
    parts, release = connections.release_parts(without), connections.release(without)
    assert connections.judge(without) is None
    assert set(parts) == {"manifest", "prompt", "models", "policy", "recipe", "graders"}
    _name_judge(tmp_path)
    manifest = connections.manifest("support")
    judge = connections.judge(manifest)
    assert judge
    assert connections.release_parts(manifest)["judge"] == judge.judge_digest
    assert connections.release(manifest) != release


def test_a_judge_that_is_not_there_is_told_before_anything_runs(tmp_path: Path) -> None:
    connections = _copy_content(tmp_path)
    _name_judge(tmp_path)
    connections.read_all()
    (tmp_path / "evals" / "judges" / "correctness.yaml").unlink()
    with pytest.raises(ContentError, match=r"judges/correctness\.yaml: no such file"):
        connections.read_all()
