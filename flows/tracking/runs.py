"""MLflow runs: one parent a night, a child for each of its flows."""

import json
import logging
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from flows.connect import connect
from flows.git import git_revision
from flows.params import Project
from flows.state import make_folder
from knowledge.errors import StateError

DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
STEP = 0  # of every metric of every night: MLflow draws nights as bars side by side, not as dots apart


class Tracking:
    """Runs in one MLflow tracking store: `MLFLOW_TRACKING_URI`, or a SQLite file in the state folder."""

    def __init__(self, project: Project):
        logging.getLogger("mlflow").setLevel(logging.ERROR)
        logging.getLogger("alembic").setLevel(logging.ERROR)
        from mlflow.tracing.client import TracingClient
        from mlflow.tracking import MlflowClient

        self._folder = make_folder(project.state / "mlflow")
        self._uri = project.tracking_uri or f"sqlite:///{self._folder / 'mlflow.db'}"
        self._shown = project.shown_tracking_uri or str(self._folder)
        self._git = git_revision(project.folder)
        self.client = MlflowClient(self._uri)
        self.traces = TracingClient(self._uri)  # hands over spans in bulk, which no documented call does

    def begin(self, experiment: str, name: str, tags: Mapping[str, str]) -> str:
        """A new run; its id."""
        return self._run(self.experiment(experiment), name, tags)

    def find(self, experiment: str, tags: Mapping[str, str]) -> str | None:
        """The run with these tags; None when there is none."""
        found = self._search(self.experiment(experiment), tags)
        return found[0] if found else None

    def begin_child(self, parent: str, name: str) -> str:
        """The child run of a night's flow. A resumed night starts it anew: the earlier one is deleted."""
        experiment = self.client.get_run(parent).info.experiment_id
        tags = {"mlflow.parentRunId": parent, "plumbline.flow": name}
        for earlier in self._search(experiment, tags):
            self.client.delete_run(earlier)
        return self._run(experiment, name, tags)

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
        """Write to a run; a parameter that it has stays, a metric that differs is written anew. tables: by file name.

        datasets: digest and rows by name.
        """
        from mlflow.entities import Metric, Param, RunTag
        from mlflow.utils.time import get_current_time_millis

        now = get_current_time_millis()
        have = self.client.get_run(run_id).data
        shown = {name: rows for name, rows in (tables or {}).items() if rows}
        for name, rows in shown.items():
            self.client.log_dict(run_id, _table(rows), name)
        # what makes a JSON file a table in the UI
        listed = {"mlflow.loggedArtifacts": json.dumps([{"path": name, "type": "table"} for name in shown])}
        figures = {name: value for name, value in (metrics or {}).items() if value is not None}
        new = {name: value for name, value in figures.items() if have.metrics.get(name) != value}
        self.client.log_batch(
            run_id,
            metrics=[Metric(name, value, now, STEP) for name, value in new.items()],
            params=[
                Param(name, str(value)[:500]) for name, value in (parameters or {}).items() if name not in have.params
            ],
            tags=[RunTag(name, str(value)) for name, value in {**(listed if shown else {}), **(tags or {})}.items()],
        )
        if datasets:
            self.client.log_inputs(run_id, [_dataset(name, *content) for name, content in datasets.items()])

    def run_url(self, run_id: str) -> str | None:
        """Where a person sees a run; None where no MLflow server is used."""
        if not self._uri.startswith("http"):
            return None
        experiment = self.client.get_run(run_id).info.experiment_id
        return f"{self._uri}/#/experiments/{experiment}/runs/{run_id}"

    def end(self, run_id: str, status: str = "FINISHED") -> None:
        """Close a run."""
        self.client.set_terminated(run_id, status)

    def experiment(self, name: str) -> str:
        """The id of an experiment, which is made when it is not there. Raises StateError."""
        from mlflow.exceptions import MlflowException

        try:
            found = self.client.get_experiment_by_name(name)
        except MlflowException as problem:
            words = " ".join(str(problem).replace(self._uri, self._shown).split())
            raise StateError(
                f"MLflow at {self._shown}: cannot be used ({words[:160]}). "
                "Start that server, or take MLFLOW_TRACKING_URI out of the environment."
            ) from None
        if found and found.artifact_location.startswith("mlflow-artifacts:") and not self._uri.startswith("http"):
            raise StateError(
                f"MLflow at {self._shown}: experiment '{name}' keeps its artifacts behind a server. "
                "Set MLFLOW_TRACKING_URI to that server, or start it with --no-serve-artifacts from the first night on."
            )
        return str(found.experiment_id) if found else self._make_experiment(name)

    def _make_experiment(self, name: str) -> str:
        """An experiment whose artifacts are in the state folder, unless a server says where they go."""
        database = self._uri.partition(":")[0].partition("+")[0] in DATABASES
        place = (self._folder / "artifacts" / name.replace(" ", "-")).as_uri() if database else None
        tags = {"mlflow.note.content": _about(name)}
        return str(self.client.create_experiment(name, artifact_location=place, tags=tags))

    def _search(self, experiment: str, tags: Mapping[str, str]) -> list[str]:
        wanted = " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())
        return [run.info.run_id for run in self.client.search_runs([experiment], wanted)]

    def _run(self, experiment: str, name: str, tags: Mapping[str, str]) -> str:
        code = {"mlflow.source.git.commit": self._git} if self._git else {}
        about = {"mlflow.source.name": "plumbline", "mlflow.source.type": "JOB"}
        run = self.client.create_run(experiment, run_name=name, tags={**code, **about, **tags})
        return str(run.info.run_id)


def tracking() -> Tracking:
    """The tracking store of the project we are in."""
    return _tracking(connect().project)


@cache
def _tracking(project: Project) -> Tracking:
    return Tracking(project)


def _about(experiment: str) -> str:
    kind, _, collection = experiment.partition(" ")
    if collection and kind == "collection":
        return f"Ingests and checks of the collection `{collection}` outside of any night."
    return (
        f"The nights of the assistant `{experiment}`: a run a night, with a child for each of its flows. "
        "Select nights and press Compare: every night has the same parameters and metrics. "
        "A run holds the morning report (`report.html`), its part on drift (`drift.html`), the cases (`cases.json`), "
        "the data docs of the contracts (`data_docs/`), and as traces the answers that failed or flipped."
    )


def _table(rows: Sequence[Mapping[str, object]]) -> dict[str, object]:
    columns = list(rows[0])
    return {"columns": columns, "data": [[_cell(row[name]) for name in columns] for row in rows]}


def _cell(value: object) -> object:
    return ", ".join(str(each) for each in value) if isinstance(value, list | tuple) else value


def _dataset(name: str, digest: str, rows: Sequence[Mapping[str, object]]) -> Any:
    import mlflow.data
    import pandas as pd
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.entities import DatasetInput

    source = CodeDatasetSource({"mlflow.source.name": "plumbline"})  # else it imports GitPython to find one
    made = mlflow.data.from_pandas(pd.DataFrame(list(rows)), source=source, name=name, digest=digest)
    return DatasetInput(made._to_mlflow_entity())
