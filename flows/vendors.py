"""What vendors read from the environment when they are imported."""

import logging
import os
from contextlib import suppress

from flows.params import Project


def quiet_vendors(project: Project) -> None:
    """Lead vendors to our state folder, without telemetry and chatter; called before any of them is imported."""
    for chatty in ("httpx2", "openai"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # vendors answer a folder that is not there with a warning; whether it can be used is told by `hold_state`
    with suppress(OSError):
        (project.state / "prefect").mkdir(parents=True, exist_ok=True)
    os.environ.update(
        PLUMBLINE_RUN=str(os.getpid()),
        PYTHONWARNINGS="ignore",  # in child processes
        PREFECT_HOME=str(project.state / "prefect"),
        PREFECT_SERVER_ANALYTICS_ENABLED="false",
        PREFECT_SERVER_EPHEMERAL_ENABLED="false",  # a run has a server of ours; a second one would write its database
        PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL="CRITICAL",
        PREFECT_SERVER_LOGGING_LEVEL="CRITICAL",
        MLFLOW_DISABLE_TELEMETRY="true",
        MLFLOW_LOGGING_LEVEL="ERROR",
        MLFLOW_ENABLE_ASYNC_LOGGING="false",
        MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT="true",  # stdout is for what a command says
        MLFLOW_ALIAS_PROMPT_CACHE_TTL_SECONDS="0",  # a moved alias is seen at once
        MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false",  # eight processes that nothing here asks for
        GIT_PYTHON_REFRESH="quiet",
        GX_ANALYTICS_ENABLED="false",
        UNSTRUCTURED_DISABLE_NOTICE="1",
        DO_NOT_TRACK="1",
        LANCE_LOG="error",
        TOKENIZERS_PARALLELISM="false",
    )
    if project.prefect_url is None:
        os.environ["PREFECT_PROFILE"] = "ephemeral"  # also where a server that died has left its profile behind
    if project.given_tracking_uri and project.tracking_login:
        user, password = project.tracking_login
        os.environ.update(
            MLFLOW_TRACKING_URI=project.given_tracking_uri,
            MLFLOW_TRACKING_USERNAME=user,
            MLFLOW_TRACKING_PASSWORD=password,
        )
