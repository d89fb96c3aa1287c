"""Bad input: one clear line with the thing, the place and the remedy, exit status 2, and nothing run."""

from pathlib import Path

import pytest
from checkout import Checkout

BAD = [
    # what is broken, with what, the command, what its line must name
    ("params.yaml", "timezone: UTC", "timezon: UTC", ["nightly"], ["params.yaml", "timezon", "timezone"]),
    ("params.yaml", "workers: 2", "workers: many", ["ingest"], ["params.yaml", "parsing.workers", "many"]),
    ("params.yaml", "max_share: 0.2", "max_share: 7", ["check"], ["mass_delete.max_share", "7"]),
    ("knowledge/manifests/support.yaml", "route:", "\troute:", ["nightly"], ["support.yaml:", "unreadable YAML"]),
    ("knowledge/manifests/support.yaml", "policy: support", "policy: none", ["nightly"], ["none.yaml", "no such file"]),
    (
        "knowledge/manifests/support.yaml",
        "local/extractive]",
        "local/other]",
        ["ask", "x"],
        ["local/other", "not embedded"],
    ),
    (
        "knowledge/manifests/support.yaml",
        ", local/extractive]",
        "]",
        ["ask", "x"],
        ["OPENAI_API_KEY"],
    ),
    (
        "knowledge/manifests/support.yaml",
        ", local/extractive]",
        "]",
        ["nightly"],
        ["OPENAI_API_KEY"],
    ),
    ("knowledge/manifests/support.yaml", "openai/gpt-4.1-mini", "gpt-4.1-mini", ["ask", "x"], ["PROVIDER/MODEL"]),
    ("params.yaml", "providers: {}", "providers: {own: {}}", ["ask", "x"], ["models.providers.own", "base_url"]),
    ("params.yaml", "run: {tokens: null", "run: {tokens: -1", ["nightly"], ["budgets.run.tokens", "-1"]),
    ("knowledge/sources/trust.yaml", "samples/trust", "samples/lost", ["ingest"], ["source 'trust'", "lost", "folder"]),
    ("knowledge/sources/trust.yaml", "groups: [public]", "groups: [Public!]", ["ingest"], ["trust.yaml", "Public!"]),
    ("evals/gates.yaml", "MRR@10", "MRR@11", ["check"], ["gates.yaml", "MRR@11"]),
]


@pytest.mark.parametrize(("name", "old", "new", "words", "named"), BAD, ids=[f"{row[0]}: {row[2]}" for row in BAD])
def test_a_wrong_file_is_one_clear_line(
    checkout: Checkout, name: str, old: str, new: str, words: list[str], named: list[str]
) -> None:
    checkout.edit(name, old, new)
    line = checkout.error(*words)
    assert all(each in line for each in named), line
    assert not (checkout.folder / "state/lancedb/support.lance/_versions").exists()


COMMANDS = [
    (["nightly", "--assistant", "nobody"], ["assistant 'nobody'", "support"]),
    (["evaluate", "--assistant", "nobody"], ["assistant 'nobody'", "support"]),
    (["ask", "hello", "--assistant", "nobody"], ["assistant 'nobody'"]),
    (["check", "--collection", "nothing"], ["collection 'nothing'", "plumbline ingest"]),
    (["search", "hello", "--collection", "nothing"], ["collection 'nothing'", "plumbline ingest"]),
    (["ingest", "--collection", "nothing"], ["collection 'nothing'", "--source"]),
    (["ingest", "--collection", "x", "--source", "/no/such/folder"], ["/no/such/folder", "no such folder"]),
    (["ingest", "--collection", "x", "--source", "az://box/docs"], ["az://box/docs", "pip install 'plumbline[az]'"]),
    (["ingest", "--collection", "x", "--source", "https://token@127.0.0.1/docs"], ["--source", "a user name"]),
    (["search", "hello", "--as", "x' OR 1=1"], ["--as", "group"]),
    (["search", "hello", "--tag", "x') OR true --"], ["search: tag", "lower-case"]),
    (["watch", "/no/such.csv"], ["ContentError: /no/such.csv", "night,case,metric,value"]),
]


@pytest.mark.parametrize(("words", "named"), COMMANDS, ids=[" ".join(words) for words, _ in COMMANDS])
def test_a_wrong_name_is_one_clear_line(checkout: Checkout, words: list[str], named: list[str]) -> None:
    line = checkout.error(*words)
    assert all(each in line for each in named), line


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["search", " "], "QUESTION"),
        (["ask", ""], "QUESTION"),
        (["search", "x", "--limit", "0"], "--limit"),
        (["search", "x", "--since", "yesterday"], "'yesterday' is no date; write 2026-01-31"),
        (["search", "x", "--min-score", "nan"], "--min-score"),
        (["search", "x", "--min-score", "2"], "--min-score"),
        (["search", "x", "--neighbours", "-1"], "--neighbours"),
        (["search", "x", "--max-tokens", "0"], "--max-tokens"),
        (["nightly", "--night", "tomorrow"], "--night"),
        (["watch", "x.csv", "--alarm", "1"], "--alarm"),
        (["dance"], "dance"),
    ],
)
def test_wrong_words_are_told_with_the_usage(checkout: Checkout, words: list[str], named: str) -> None:
    done = checkout.run(*words)
    assert (done.status, done.stdout) == (2, "")
    assert done.stderr.startswith("Usage: plumbline")
    assert named in done.stderr.splitlines()[-1]


def test_a_state_folder_that_cannot_be_made_is_named(checkout: Checkout, tmp_path: Path) -> None:
    line = checkout.error("ingest", PLUMBLINE_STATE="/proc/none/state")
    assert "/proc/none/state" in line
    assert "PLUMBLINE_STATE" in line


def test_a_database_url_never_shows_its_password(checkout: Checkout) -> None:
    url = "postgresql+psycopg://night:hush-hush@127.0.0.1:9/none"
    done = checkout.run("status", PLUMBLINE_DATABASE_URL=url)
    assert done.status == 2
    assert "127.0.0.1:9" in done.stderr
    assert "hush-hush" not in done.stdout + done.stderr


def test_too_little_room_stops_before_anything_runs(checkout: Checkout) -> None:
    checkout.edit("params.yaml", "min_free_mb: 300", "min_free_mb: 1e12")
    assert "disk is full" in checkout.error("nightly")


def test_a_prefect_server_that_does_not_come_up_is_told_with_its_last_line(checkout: Checkout) -> None:
    ended = checkout.run_apart("ingest", PREFECT_API_DATABASE_CONNECTION_URL="sqlite+aiosqlite:////none/at/all.db")
    assert (ended.status, ended.stdout) == (2, "")
    (line,) = ended.stderr.splitlines()
    assert line.startswith("StateError: prefect: ended while it started. Its last line: ")
    assert "Application startup failed" in line
    assert str(checkout.folder / "state/logs/prefect.log") in line
