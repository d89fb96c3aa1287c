"""docs/faults.md is true: its commands run against a server, and it names every setting, kind, preset and count."""

import json
import re
import shutil
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest
import yaml

from faults.counting import Tally
from faults.door import faults
from faults.settings import PRESETS, Behaviours, Kind, Rule, Settings, parse_settings

PAGE = (Path(__file__).parents[2] / "docs" / "faults.md").read_text(encoding="utf-8")
PARTS = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))


def first_cells(part):
    """What the tables of a part are about, row by row."""
    cells = re.findall(r"^\| (`.*?) \|", PARTS[part], re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


@pytest.mark.parametrize(
    ("part", "names"),
    [
        ("Start it", {option.opts[0] for option in faults.params if not getattr(option, "hidden", False)}),
        ("Switch it", set(Settings.model_fields)),
        ("Faults", {*Rule.model_fields, *get_args(Kind), *PRESETS}),
        ("Behaviours", set(Behaviours.model_fields)),
        ("Count", {each.name for each in fields(Tally)} - {"first_received_seconds", "last_answered_seconds"}),
    ],
)
def test_the_tables_name_all_there_is_and_nothing_else(part, names):
    assert first_cells(part) == names


def test_the_defaults_shown_are_those_of_the_settings():
    shown = dict(re.findall(r"^\| `(\w+)` \| `?([\w.]+)`? \|", PARTS["Switch it"], re.MULTILINE))
    defaults = json.loads(Settings().model_dump_json())
    assert {name: shown[name] for name in ("latency_seconds", "batch_seconds", "batch_ends", "charge_lost")} == {
        "latency_seconds": f"{defaults['latency_seconds']:g}",
        "batch_seconds": f"{defaults['batch_seconds']:g}",
        "batch_ends": defaults["batch_ends"],
        "charge_lost": str(defaults["charge_lost"]).lower(),
    }


def test_the_settings_file_that_is_shown_can_be_used():
    (shown,) = re.findall(r"^```yaml[^\n]*\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert [rule.kind for rule in parse_settings(yaml.safe_load(shown)).faults] == [
        "rate_limit",
        "hang",
        "server_error",
    ]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_every_command_that_is_shown_runs(fault_server):
    blocks = re.findall(r"^```bash[^\n]*\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    assert lines.pop(0) == "plumbline faults"  # tests/faults/test_control.py runs it
    assert len(lines) == 8
    script = "\n".join(lines).replace("http://127.0.0.1:8099", fault_server.url)
    words = ["bash", "-c", f"set -euo pipefail\nexport CURL_HOME=/dev/null\n{script.replace('curl', 'curl -fsS')}"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 0, done.stderr
    assert '"paths":{' in done.stdout


def test_the_python_that_is_shown_runs(capsys):
    (shown,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    exec(shown, {})
    assert capsys.readouterr().out == "{'429': 1, '200': 1}\n"
