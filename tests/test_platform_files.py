"""prefect.yaml and automations.yaml: every deployment names a flow, every automation is one that Prefect takes."""

import tomllib
from importlib import import_module
from pathlib import Path
from typing import get_args
from uuid import uuid4

import pytest
import yaml
from prefect import Flow
from prefect.events.schemas.automations import AutomationCore

from flows.deployments import check_timezones, put_automation, read_automations
from flows.events import EventName
from flows.forms import Written
from flows.params import Project
from knowledge.errors import ContentError

ROOT = Path(__file__).parents[1]
DEPLOYMENTS = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
AUTOMATIONS = yaml.safe_load(
    (ROOT / "automations.yaml").read_text(encoding="utf-8").replace("MISSED_AFTER_SECONDS", "60")
)


def _project(folder: Path) -> Project:
    return Project(folder=folder, state=folder / "state", database_url="sqlite://", given_tracking_uri=None)


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda each: each["name"])
def test_a_deployment_names_a_flow_and_gives_it_parameters_it_has(deployment):
    module, _, name = deployment["entrypoint"].rpartition(".")
    flow = getattr(import_module(module), name)
    assert isinstance(flow, Flow)
    assert set(deployment.get("parameters", {})) <= set(flow.parameters.properties)
    assert all(field.get("description") for field in flow.parameters.properties.values())


def test_deployments_carry_the_version_of_the_project():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert {each["version"] for each in DEPLOYMENTS} == {version}


def test_the_schedule_stands_in_the_zone_of_the_settings():
    zones = {schedule["timezone"] for each in DEPLOYMENTS for schedule in each.get("schedules", ())}
    assert zones == {yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))["timezone"]}


def test_a_schedule_in_another_zone_is_refused(tmp_path):
    (tmp_path / "params.yaml").write_text("timezone: Europe/Berlin\n")
    (tmp_path / "prefect.yaml").write_text((ROOT / "prefect.yaml").read_text(encoding="utf-8"))
    with pytest.raises(
        ContentError, match=r"'support' is scheduled in UTC, and params\.yaml dates nights in Europe/Berlin"
    ):
        check_timezones(_project(tmp_path))


@pytest.mark.parametrize("text", ["", "deployments:", "[", "deployments: [a]"])
def test_a_prefect_yaml_that_is_none_is_told_in_one_line(tmp_path, text):
    (tmp_path / "prefect.yaml").write_text(text)
    (tmp_path / "params.yaml").write_text("timezone: UTC\n")
    with pytest.raises(ContentError, match=r"prefect.yaml: no usable deployments \(.*\)\. Put the file back\."):
        check_timezones(_project(tmp_path))


@pytest.mark.parametrize("automation", AUTOMATIONS["automations"], ids=lambda each: each["name"])
def test_an_automation_only_notifies(automation):
    actions = [{**each, "block_document_id": uuid4()} for each in automation["actions"]]
    assert {each["type"] for each in actions} == {"send-notification"}
    AutomationCore.model_validate({**automation, "actions": actions})


def test_every_event_of_ours_has_its_automation():
    heard = {name for each in AUTOMATIONS["automations"] for name in each["trigger"]["expect"]}
    ours = {name for name in heard if name.startswith("plumbline.")}
    assert ours == {f"plumbline.{name}" for name in get_args(EventName)}


def test_the_seconds_of_a_missed_night_come_from_the_settings(tmp_path):
    (tmp_path / "params.yaml").write_text("alarms: {missed_after_minutes: 90}\n")
    (tmp_path / "automations.yaml").write_text((ROOT / "automations.yaml").read_text(encoding="utf-8"))
    missed = next(each for each in read_automations(_project(tmp_path)) if each["name"] == "plumbline: night missed")
    assert missed["trigger"]["within"] == 5400


def test_a_wrong_automation_is_told_by_name(tmp_path):
    wrong = {"name": "mine", "trigger": {"type": "event", "posture": "Sideways"}, "actions": []}
    with pytest.raises(ContentError, match="automation 'mine'"):
        put_automation(None, wrong, [])


def test_a_form_offers_the_names_that_are_written(tmp_path, monkeypatch):
    folder = tmp_path / "knowledge/manifests"
    folder.mkdir(parents=True)
    (tmp_path / "params.yaml").write_text("")
    monkeypatch.chdir(tmp_path)
    assert Written("knowledge/manifests").__get_pydantic_json_schema__(None, lambda _: {"type": "string"}) == {
        "type": "string"
    }
    for name in ("sales", "billing"):
        (folder / f"{name}.yaml").touch()
    shown = Written("knowledge/manifests").__get_pydantic_json_schema__(None, lambda _: {"type": "string"})
    assert shown["enum"] == ["billing", "sales"]
