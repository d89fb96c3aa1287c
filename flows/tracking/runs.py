"""MLflow runs: one parent a night, a child for each of its flows."""

import logging
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from flows.connect import connect, make_folder
from flows.params import Project
from knowledge.errors import StateError


class Tracking:
    """Runs in one MLflow tracking store: `MLFLOW_TRACKING_URI`, or a SQLite file in the state folder."""

    def __init__(self, project: Project):
        logging.getLogger("mlflow").setLevel(logging.ERROR)
        logging.getLogger("alembic").setLevel(logging.ERROR)
        from mlflow.tracking import MlflowClient

        self._folder = make_folder(project.state / "mlflow")
        self._external = project.tracking_uri
        self._client = MlflowClient(self._external or f"sqlite:///{self._folder / 'mlflow.db'}")
        self._git = git_revision(project.folder)

    def begin(self, experiment: str, name: str, tags: Mapping[str, str]) -> str:
        """A new run; its id."""
        return str(self._run(self._experiment(experiment), name, tags))

    def begin_child(self, parent: str, name: str) -> str:
        """The child run of a night's flow. A resumed night starts it anew: the earlier one is deleted."""
        experiment = self._client.get_run(parent).info.experiment_id
        wanted = f"tags.`mlflow.parentRunId` = '{parent}' and tags.`plumbline.flow` = '{name}'"
        for earlier in self._client.search_runs([experiment], wanted):
            self._client.delete_run(earlier.info.run_id)
        return str(self._run(experiment, name, {"mlflow.parentRunId": parent, "plumbline.flow": name}))

    def log(
        self,
        run_id: str,
        *,
        parameters: Mapping[str, object] | None = None,
        metrics: Mapping[str, float | None] | None = None,
        tags: Mapping[str, object] | None = None,
        tables: Mapping[str, Sequence[Mapping[str, object]]] | None = None,
        datasets: Mapping[str, tuple[str, Sequence[Mapping[str, object]]]] | None = None,
    ) -> None:
        """Write to a run. tables: rows by file name. datasets: digest and rows by name."""
        from mlflow.entities import Metric, Param, RunTag
        from mlflow.utils.time import get_current_time_millis

        now = get_current_time_millis()
        self._client.log_batch(
            run_id,
            metrics=[Metric(name, value, now, 0) for name, value in (metrics or {}).items() if value is not None],
            params=[Param(name, str(value)[:500]) for name, value in (parameters or {}).items()],
            tags=[RunTag(name, str(value)) for name, value in (tags or {}).items()],
        )
        for name, rows in (tables or {}).items():
            if rows:
                self._client.log_table(run_id, _columns(rows), name)
        if datasets:
            self._client.log_inputs(run_id, [_dataset(name, *content) for name, content in datasets.items()])

    def run_url(self, run_id: str) -> str | None:
        """Where a person sees a run; None where no MLflow server is used."""
        if not (self._external or "").startswith("http"):
            return None
        experiment = self._client.get_run(run_id).info.experiment_id
        return f"{self._external}/#/experiments/{experiment}/runs/{run_id}"

    def log_file(self, run_id: str, path: Path) -> None:
        """Keep a file with a run."""
        self._client.log_artifact(run_id, str(path))

    def log_json(self, run_id: str, content: Mapping[str, object], name: str) -> None:
        """Keep a JSON document with a run."""
        self._client.log_dict(run_id, dict(content), name)

    def end(self, run_id: str, status: str = "FINISHED") -> None:
        """Close a run."""
        self._client.set_terminated(run_id, status)

    def _experiment(self, name: str) -> str:
        from mlflow.exceptions import MlflowException

        try:
            found = self._client.get_experiment_by_name(name)
        except MlflowException as problem:
            where = self._external or f"{self._folder}"
            raise StateError(
                f"MLflow at {where}: cannot be used ({' '.join(str(problem).split())[:160]}). "
                "Start that server, or take MLFLOW_TRACKING_URI out of the environment."
            ) from None
        if found:
            return str(found.experiment_id)
        place = None if self._external else (self._folder / "artifacts" / name.replace(" ", "-")).as_uri()
        return str(self._client.create_experiment(name, artifact_location=place))

    def _run(self, experiment: str, name: str, tags: Mapping[str, str]) -> str:
        code = {"mlflow.source.git.commit": self._git} if self._git else {}
        run = self._client.create_run(experiment, run_name=name, tags={**code, **tags})
        return str(run.info.run_id)


def tracking() -> Tracking:
    """The tracking store of the project we are in."""
    return _tracking(connect().project)


@cache
def _tracking(project: Project) -> Tracking:
    return Tracking(project)


def git_revision(folder: Path) -> str | None:
    """The commit that is checked out; None outside a git checkout."""
    command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _columns(rows: Sequence[Mapping[str, object]]) -> dict[str, list[object]]:
    return {name: [_cell(row[name]) for row in rows] for name in rows[0]}


def _cell(value: object) -> object:
    return ", ".join(str(each) for each in value) if isinstance(value, list | tuple) else value


def _dataset(name: str, digest: str, rows: Sequence[Mapping[str, object]]) -> Any:
    import mlflow.data
    import pandas as pd
    from mlflow.entities import DatasetInput

    made = mlflow.data.from_pandas(pd.DataFrame(list(rows)), name=name, digest=digest)
    return DatasetInput(made._to_mlflow_entity())
