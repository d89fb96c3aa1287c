"""What a Prefect server is told: the work pool, the deployments of prefect.yaml, notification blocks, automations."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from prefect.blocks.abstract import NotificationBlock
from prefect.blocks.notifications import CustomWebhookNotificationBlock, SlackWebhook
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import WorkerStatus
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import ObjectAlreadyExists
from pydantic import SecretStr, ValidationError

from flows.notifications import FileNotification, MailNotification
from flows.params import Project
from flows.screen import say
from knowledge.content import explain
from knowledge.errors import ContentError, SettingsError, StateError

AUTOMATIONS = "automations.yaml"
DEPLOYMENTS = "prefect.yaml"


def make_pool(name: str) -> None:
    """The work pool that the worker polls; one that is there already stays as it is."""
    with get_client(sync_client=True) as client:
        try:
            client.create_work_pool(WorkPoolCreate(name=name, type="process", description="Plumbline's own processes"))
        except ObjectAlreadyExists:
            return


def deploy(project: Project) -> None:
    """Deploy every flow of prefect.yaml, save the notification blocks, and create or correct the automations."""
    check_timezones(project)
    program = Path(sys.executable).parent / "prefect"
    done = subprocess.run(
        [str(program), "--no-prompt", "deploy", "--all", "--prefect-file", DEPLOYMENTS],
        cwd=project.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise ContentError(f"{project.folder / DEPLOYMENTS}: cannot be deployed: {' '.join(said[-3:])[:400]}")
    with get_client(sync_client=True) as client:
        places = [block.save(f"plumbline-{name}", overwrite=True) for name, block in _places(project).items()]
        names = [put_automation(client, written, places) for written in read_automations(project)]
        say(f"up: flows deployed, {len(names)} automations notify {len(places)} place{'s' * (len(places) != 1)}")


def wait_for_worker(pool: str, check_alive: Callable[[], None], timeout_seconds: float) -> None:
    """Return once a worker polls the pool. Raises StateError when none does in time."""
    until = time.monotonic() + timeout_seconds
    with get_client(sync_client=True) as client:
        while time.monotonic() < until:
            if any(each.status == WorkerStatus.ONLINE for each in client.read_workers_for_work_pool(pool)):
                return
            check_alive()
            time.sleep(0.2)
    raise StateError(f"worker: none polls the pool '{pool}' after {timeout_seconds:g} s. See state/logs/worker.log.")


def check_timezones(project: Project) -> None:
    """A night is named after its date in the settings' zone, so that is the zone its schedule must be in."""
    path = project.folder / DEPLOYMENTS
    try:
        written = yaml.safe_load(path.read_text(encoding="utf-8"))
        schedules = [
            (each["name"], schedule.get("timezone", "UTC"))
            for each in written["deployments"]
            for schedule in each.get("schedules") or ()
        ]
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as problem:
        raise ContentError(f"{path}: no usable deployments ({problem!r}). Put the file back.") from None
    for name, zone in schedules:
        if zone != project.settings.timezone:
            raise ContentError(
                f"{path}: '{name}' is scheduled in {zone}, and params.yaml dates nights in "
                f"{project.settings.timezone}. Write the same zone in both."
            )


def _places(project: Project) -> dict[str, NotificationBlock]:
    """Where notifications go: always a file in the state folder, and what the environment names."""
    places: dict[str, NotificationBlock] = {"file": FileNotification(path=str(project.state / "notifications.jsonl"))}
    given = project.notify
    if given.webhook_url:
        content = {"subject": "{{subject}}", "body": "{{body}}"}
        places["webhook"] = CustomWebhookNotificationBlock(name="plumbline", url=given.webhook_url, json_data=content)
    if given.slack_url:
        places["slack"] = SlackWebhook(url=SecretStr(given.slack_url))
    if given.smtp_url and not (given.mail_from and given.mail_to):
        raise SettingsError("PLUMBLINE_SMTP_URL: a mail needs PLUMBLINE_MAIL_FROM and PLUMBLINE_MAIL_TO as well.")
    if given.smtp_url:
        places["mail"] = MailNotification(
            server=SecretStr(given.smtp_url), sender=given.mail_from, to=list(given.mail_to)
        )
    return places


def read_automations(project: Project) -> list[dict[str, Any]]:
    """What automations.yaml says, with the seconds of a missed night from the settings. Raises ContentError."""
    path = project.folder / AUTOMATIONS
    minutes = project.settings.alarms.missed_after_minutes
    try:
        text = path.read_text(encoding="utf-8").replace("MISSED_AFTER_SECONDS", f"{minutes * 60:.0f}")
        written: list[dict[str, Any]] = yaml.safe_load(text)["automations"]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as problem:
        raise ContentError(f"{path}: no usable automations ({problem!r}). Put the file back.") from None
    return written


def put_automation(client: SyncPrefectClient, written: dict[str, Any], places: list[Any]) -> str:
    """Create an automation of the file, or bring the one of that name to what the file says."""
    actions = [{**action, "block_document_id": place} for action in written["actions"] for place in places]
    try:
        automation = AutomationCore.model_validate({**written, "actions": actions})
    except ValidationError as problem:
        name = written.get("name", "without a name")
        raise ContentError(f"{AUTOMATIONS}: automation '{name}': {explain(problem, AutomationCore)}") from None
    known = client.read_automations_by_name(automation.name)
    if known:
        client.update_automation(known[0].id, automation.model_copy(update={"enabled": known[0].enabled}))
    else:
        client.create_automation(automation)
    return automation.name
