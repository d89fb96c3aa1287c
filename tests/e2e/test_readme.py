"""The README and docs/ are true, word for word: their commands run, and the night shown is a night's own screen."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml
from checkout import ROOT, Checkout, Screen, assert_quiet, copy_everything, copy_project
from prefect.settings import PREFECT_API_URL

from flows.cli import cli

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [
    next(iter(entry.values())) for entry in yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
]
SERVED, EXPERIMENT = ' title="with servers"', ' title="an experiment"'
BASELINE = ' title="with a baseline"'  # run by tests/e2e/test_baseline_page.py
SLOW = ("documents.md", "contracts.md")
FAULT_SERVER = ' title="with the fault server"'  # run by tests/faults/test_page.py
# what the blocks "with servers" may hold: these commands belong to tests/e2e/test_servers.py
SERVER_COMMANDS = {
    "make up",
    "make down",
    "plumbline status",
    "prefect deployment ls",
    "prefect deployment run nightly/support --watch",
}
SERVER_VARIABLES = {
    "MLFLOW_TRACKING_URI",
    "PLUMBLINE_DATABASE_URL",
    "PLUMBLINE_MAIL_FROM",
    "PLUMBLINE_MAIL_TO",
    "PLUMBLINE_SMTP_URL",
    "PREFECT_HOME",
    "PREFECT_SERVER_DATABASE_CONNECTION_URL",
}


def blocks(text: str, info: str = "") -> list[str]:
    """The bash blocks of a page that are marked so."""
    return [block for mark, block in re.findall(r"^```bash([^\n]*)\n(.*?)^```", text, re.M | re.S) if mark == info]


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def run(folder: Path, commands: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        ["bash", "-c", "set -euo pipefail\n" + "\n".join(commands)],
        cwd=folder,
        env=Checkout(folder).environment(HOME=str(folder / "home"), **environment),
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def after_readme(
    tmp_path_factory: pytest.TempPathFactory, prefect: None
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A checkout in which every command of the README has run, in order, and its screen.

    The night starts a Prefect server of its own, as a person's does; the flows after it have the one of this process.
    """
    folder = tmp_path_factory.mktemp("readme")
    copy_project(folder)
    (folder / ".venv").mkdir()
    (folder / ".venv/bin").symlink_to(Path(sys.executable).parent)
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        (folder / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    (folder / ".venv/.ready").touch()
    night, *commands = [block for block in blocks(README) if not block.startswith("make test")]  # the suite itself
    assert night == "make nightly\n"
    assert len(commands) >= 3
    first = run(folder, [night])
    rest = run(folder, commands, PREFECT_API_URL=str(PREFECT_API_URL.value()))
    screens = (first.stdout + rest.stdout, first.stderr + rest.stderr)
    return folder, subprocess.CompletedProcess(commands, 0, *screens)


def test_every_command_of_the_readme_runs(after_readme: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    _, done = after_readme
    assert_quiet(done.stderr)
    shown = re.search(r"^```text\n(Night .*?)^```", README, re.MULTILINE | re.DOTALL)
    assert shown is not None
    missing = [line for line in _lasting(shown[1]) if line not in _lasting(done.stdout)]
    assert missing == [], "the README shows another night than the one that runs"
    assert "within 30 days" in done.stdout
    assert "28 days" in done.stdout
    assert "The workshop opens at 7:30." in done.stdout


def new_lines(name: str) -> list[str]:
    """The commands of a page that the README has not run."""
    known = {line for block in blocks(README) for line in block.splitlines()}
    return [line for block in blocks(page(name)) for line in block.splitlines() if line not in known]


def run_page(folder: Path, lines: list[str]) -> Screen:
    """The commands of a page: where all are ours in this process, else by a shell."""
    if not all(line.startswith("plumbline ") for line in lines):
        done = run(folder, lines)
        return Screen(done.returncode, done.stdout, done.stderr)
    screens = [Checkout(folder).run(*shlex.split(line)[1:]) for line in lines]
    assert {each.status for each in screens} == {0}, screens
    return Screen(0, "".join(each.stdout for each in screens), "".join(each.stderr for each in screens))


def test_every_command_of_the_pages_runs(after_readme: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    """All but those of SLOW, the first of which runs two flows: see below."""
    folder, _ = after_readme
    said = {name: run_page(folder, new_lines(name)) for name in PAGES if name not in SLOW and new_lines(name)}
    for done in said.values():
        assert_quiet(done.stderr)
    assert set(said) == {"compare.md", "model.md", "search.md", "serving.md", "watch.md"}
    assert "Exported     1 calls to" in said["model.md"].stdout  # the one the README paid
    shown = re.search(r"^```text\n(.*?)^```", page("watch.md"), re.MULTILINE | re.DOTALL)
    assert shown is not None
    assert said["watch.md"].stdout.startswith(shown[1])


def test_every_command_of_the_pages_is_one_of_ours() -> None:
    """The short form: each command and option exists."""
    lines = [line for name in PAGES for line in new_lines(name) if line.startswith("plumbline ")]
    assert len(lines) >= 7
    for line in lines:
        words = shlex.split(line)[1:]
        command: click.Command = cli
        while isinstance(command, click.Group):
            command = command.commands[words.pop(0)]
        command.make_context(command.name, words)


@pytest.mark.nightly
def test_the_pages_of_documents_and_contracts_run(
    after_readme: tuple[Path, subprocess.CompletedProcess[str]], prefect: None
) -> None:
    folder, _ = after_readme
    done = run(folder, new_lines("documents.md"), PREFECT_API_URL=str(PREFECT_API_URL.value()))
    assert_quiet(done.stderr)
    assert "The workshop opens at 7:30." in done.stdout
    assert "No passage that this reader may see matches" in done.stdout
    assert "45 documents of night" in done.stdout
    assert_quiet(run(folder, new_lines("contracts.md")).stderr)
    assert (folder / "knowledge/expectations/support/collection.json").exists()


def test_commands_with_servers_are_those_the_server_tests_run() -> None:
    texts = [README, *map(page, PAGES)]
    lines = [line for text in texts for block in blocks(text, SERVED) for line in block.splitlines() if line]
    exports = {line for line in lines if line.startswith("export ")}
    assert {line.removeprefix("export ").partition("=")[0] for line in exports} == SERVER_VARIABLES
    assert set(lines) - exports == SERVER_COMMANDS


def test_every_block_is_run_or_marked() -> None:
    for text in (README, *map(page, PAGES)):
        marks = set(re.findall(r"^```(?:bash|sh|shell|console)([^\n]*)", text, re.MULTILINE))
        assert marks <= {"", SERVED, EXPERIMENT, BASELINE, FAULT_SERVER}


def test_every_dvc_command_of_the_experiment_page_exists() -> None:
    from dvc.cli.parser import get_main_parser

    lines = "\n".join(blocks(page("experiment.md"), EXPERIMENT)).splitlines()
    commands = [line.split()[1:] for line in lines if line.startswith("dvc ")]
    assert len(commands) == 7
    for words in commands:
        get_main_parser().parse_args(words)


@pytest.mark.nightly
def test_the_experiment_page_runs(tmp_path: Path) -> None:
    copy_everything(tmp_path)
    git = ["git init -q", "git config user.name x", "git config user.email x@localhost", "git add -A"]
    site = str(tmp_path / "state/dvc")
    run(tmp_path, [*git, "git commit -qm x"])
    done = run(tmp_path, blocks(page("experiment.md"), EXPERIMENT), DVC_SITE_CACHE_DIR=site, DVC_EXP_AUTO_PUSH="false")
    for seen in ("Ran experiment(s): shorter", "Ran experiment(s): fewer", "retrieval.limit", "pass_rate.all"):
        assert seen in done.stdout + done.stderr


def test_the_deployment_and_the_schedule_that_are_shown_fit_the_file() -> None:
    written = (ROOT / "prefect.yaml").read_text(encoding="utf-8")
    fragment, entry = re.findall(r"^```yaml[^\n]*\n(.*?)^```", page("schedule.md"), re.MULTILINE | re.DOTALL)
    assert fragment in written
    *known, added = yaml.safe_load(written + entry)["deployments"]
    night = known[0]
    assert night["name"] == "support"
    assert set(added) == set(night)
    for key in ("entrypoint", "version", "tags", "concurrency_limit", "work_pool"):
        assert added[key] == night[key]


def test_the_pages_name_pictures_that_are_there_and_small() -> None:
    shown = {name for each in PAGES for name in re.findall(r"\(pictures/([^)]+)\)", page(each))}
    kept = {path.name: path.stat().st_size for path in (ROOT / "docs/pictures").iterdir()}
    assert shown == set(kept)
    assert max(kept.values()) < 200_000
    assert sum(kept.values()) < 1_200_000


def test_every_command_the_readme_names_exists() -> None:
    named = set(re.findall(r"plumbline ([a-z]+)", README))
    help_text = subprocess.run(
        [str(Path(sys.executable).parent / "plumbline"), "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "200"},
    ).stdout
    existing = set(re.findall(r"^  ([a-z]+) ", help_text, re.MULTILINE))
    assert named == existing
    for each in PAGES:
        assert set(re.findall(r"`plumbline ([a-z]+)", page(each))) <= existing


def _lasting(screen: str) -> list[str]:
    """The lines of a night that are the same on every day and machine."""
    return [line for line in screen.splitlines() if not line.startswith(("Night", "Report", "MLflow"))]
