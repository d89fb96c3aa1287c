"""`dvc.yaml` names only what is there: files, settings, commands and columns."""

from pathlib import Path

import pytest
import yaml

from flows.cli import cli
from flows.params import Settings

PROJECT = Path(__file__).resolve().parents[1]
PIPELINE = yaml.safe_load((PROJECT / "dvc.yaml").read_text(encoding="utf-8"))
STAGES = PIPELINE["stages"]


def outs_of(name):
    stage = STAGES[name]
    return {next(iter(each)) for family in ("outs", "metrics", "plots") for each in stage.get(family, [])}


OUTS = {path for name in STAGES for path in outs_of(name)}


def test_the_stages_are_three_commands():
    assert list(STAGES) == ["ingest", "check", "evaluate"]
    assert set(STAGES) <= set(cli.commands)
    assert all(f"${{plumbline}} {name} " in f"{stage['cmd']} " for name, stage in STAGES.items())


@pytest.mark.parametrize("name", STAGES)
def test_every_path_a_stage_depends_on_is_there_or_made_by_a_stage(name):
    assert [path for path in STAGES[name]["deps"] if path not in OUTS and not (PROJECT / path).exists()] == []


@pytest.mark.parametrize("name", STAGES)
def test_every_setting_a_stage_depends_on_is_there(name):
    missing = []
    for entry in STAGES[name].get("params", []):
        file, keys = next(iter(entry.items())) if isinstance(entry, dict) else ("params.yaml", [entry])
        content = yaml.safe_load((PROJECT / file).read_text(encoding="utf-8"))
        missing += [f"{file}:{key}" for key in keys or () if key not in content]
    assert missing == []


def test_every_setting_that_shapes_a_row_is_a_parameter():
    assert set(STAGES["ingest"]["params"]) == {"parsing", "splitting"} <= set(Settings.model_fields)


def test_every_out_is_a_metric_or_a_plot_as_dvc_keeps_no_run_of_a_stage_with_another_out_in_git():
    assert [name for name, stage in STAGES.items() if "outs" in stage] == []


def test_no_out_is_a_state_folder_and_all_stand_in_git():
    families = [
        each for stage in STAGES.values() for kind in ("outs", "metrics", "plots") for each in stage.get(kind, [])
    ]
    assert all(path.startswith("experiment/") for path in OUTS)
    assert all(options["cache"] is False for each in families for options in each.values())


def test_an_experiment_uses_a_state_folder_of_its_own_and_nothing_of_productions():
    (door,) = [each["plumbline"] for each in PIPELINE["vars"] if "plumbline" in each]
    assert "PLUMBLINE_STATE=state/experiment " in door
    assert all(f"-u {name} " in door for name in ("PLUMBLINE_DATABASE_URL", "MLFLOW_TRACKING_URI"))


def test_dvc_looks_neither_into_the_environment_nor_into_the_state():
    ignored = (PROJECT / ".dvcignore").read_text(encoding="utf-8").splitlines()
    assert {"/.venv", "/state", "__pycache__"} <= set(ignored)
