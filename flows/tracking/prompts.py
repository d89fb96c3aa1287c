"""The prompt registry: the manifest's prompt as an immutable version, found again by its digest."""

import json
from typing import Any

from flows.tracking.runs import Tracking
from knowledge.errors import StateError
from knowledge.manifest import Manifest, Prompt

SERVES = "production"  # the alias of the version that serves; a mirror of the pointer
_DIGEST, _VARIABLES = "plumbline.prompt_digest", "plumbline.variables"


def register_prompt(tracking: Tracking, manifest: Manifest) -> int:
    """The version that holds the manifest's prompt; a new one only for a text that no version holds.

    It is loaded back, so that what is registered is what was asked. Raises StateError.
    """
    version = _find(tracking, manifest) or _create(tracking, manifest)
    load_prompt(tracking, manifest.assistant, version)
    return version


def load_prompt(tracking: Tracking, assistant: str, which: int | str) -> Prompt:
    """A registered prompt by version or alias. Raises StateError when it is not there or is not what was registered."""
    from mlflow.exceptions import MlflowException

    where = f"prompt '{assistant}' {'version' if isinstance(which, int) else 'alias'} {which} in MLflow"
    try:
        found = tracking.client.get_prompt_version(assistant, which)
    except MlflowException:
        found = None
    if found is None:
        raise StateError(f"{where}: it is not there. Run `plumbline nightly --assistant {assistant}`, or name another.")
    try:
        messages = {each["role"]: each["content"] for each in found.template}
        variables = tuple(json.loads(found.tags[_VARIABLES]))
        prompt = Prompt(variables=variables, system=messages["system"], user=messages["user"])
    except (KeyError, TypeError, ValueError) as problem:
        raise StateError(f"{where}: not one of ours ({problem!r}). Name another version, or delete this one.") from None
    if prompt.prompt_digest != found.tags.get(_DIGEST):
        raise StateError(
            f"{where}: its text has digest {prompt.prompt_digest}, its tag {_DIGEST} says {found.tags.get(_DIGEST)}. "
            "Somebody changed its tags: delete that version, and the next night registers the prompt anew."
        )
    return prompt


def mirror_pointer(tracking: Tracking, assistant: str, version: int) -> None:
    """Let the alias `production` name the version that serves, whatever somebody has made of it."""
    tracking.client.set_prompt_alias(assistant, SERVES, version)


def _find(tracking: Tracking, manifest: Manifest) -> int | None:
    """The newest version with this digest; one without our tag is somebody else's."""
    client = tracking.client
    if client.get_prompt(manifest.assistant) is None:
        return None
    token = None
    while True:
        page: Any = client.search_prompt_versions(manifest.assistant, max_results=100, page_token=token)
        for each in page:
            if each.tags.get(_DIGEST) == manifest.prompt.prompt_digest:
                return int(each.version)
        token = page.token
        if not token:
            return None


def _create(tracking: Tracking, manifest: Manifest) -> int:
    """A new version. `register_prompt` of MLflow would link it to the experiment that is active, and none is."""
    client = tracking.client
    prompt = manifest.prompt
    experiments = {"_mlflow_experiment_ids": f",{tracking.experiment(manifest.assistant)},"}
    if client.get_prompt(manifest.assistant) is None:
        client.create_prompt(manifest.assistant, description=manifest.description, tags=experiments)
    made = client.create_prompt_version(
        manifest.assistant,
        [{"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.user}],
        description=f"Manifest {manifest.manifest_digest}",
        tags={_DIGEST: prompt.prompt_digest, _VARIABLES: json.dumps(prompt.variables)},
    )
    return int(made.version)
