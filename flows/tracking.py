"""MLflow: one parent run a night, a child run for each of its flows. The only module that knows mlflow."""

import logging
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from evals.case import Suite
from evals.compare import PassRate
from evals.retrieval import MEASURES, RetrievalQuality
from flows.connect import connect, make_folder
from flows.params import Project
from flows.results import CheckResult, EvaluateResult, IngestResult
from knowledge.errors import StateError

# MLflow's names know no '@': nDCG@10 -> retrieval/ndcg_at_10
METRIC_NAMES = {name: f"retrieval/{name.lower().replace('@', '_at_')}" for name in MEASURES}


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


@task(cache_policy=NO_CACHE)
def log_ingest(result: IngestResult, night_run_id: str | None) -> IngestResult:
    """Log an ingest as a child of its night, or as a run of its own."""
    connections = connect()
    run_id = _begin(night_run_id, f"collection {result.collection}", "ingest")
    counts = {name: getattr(result.documents, name) for name in result.documents.__dataclass_fields__}
    metrics = {f"ingest/{name}": value for name, value in counts.items()}
    corpus = [
        {"doc_id": entry.doc_id, "doc_sha": entry.doc_sha, "chunks": entry.chunks}
        for entry in connections.store.open(result.collection, version=result.version).documents().values()
    ]
    tracking().log(
        run_id,
        parameters={
            "collection": result.collection,
            "settings": connections.settings.model_dump(mode="json"),
        },
        metrics={
            **metrics,
            "ingest/chunks": result.chunks,
            "ingest/texts_embedded": result.texts_embedded,
            "ingest/seconds": result.seconds,
        },
        tags={"plumbline.collection_version": result.version, "plumbline.recipe": result.recipe_id},
        tables={
            "quarantine.json": [
                {"document": item.doc_id, "reason": item.reason, "detail": item.detail} for item in result.quarantine
            ]
        },
        datasets={f"corpus-{result.collection}": (f"version-{result.version}", corpus)},
    )
    tracking().end(run_id)
    return result


@task(cache_policy=NO_CACHE)
def log_check(result: CheckResult, quality: RetrievalQuality, night_run_id: str | None) -> CheckResult:
    """Log a check as a child of its night, or as a run of its own."""
    run_id = _begin(night_run_id, f"collection {result.collection}", "check")
    tracking().log(
        run_id,
        parameters={"collection": result.collection, "queries": result.queries},
        metrics=check_metrics(result),
        tags={
            "plumbline.collection_version": result.version,
            "plumbline.production_version": result.production_version,
            "plumbline.verdict": result.verdict,
        },
        tables={
            "queries.json": [{"query": query, **scores} for query, scores in quality.per_query.items()],
            "freshness.json": result.as_row()["freshness"],
        },
    )
    tracking().end(run_id)
    return result


@task(cache_policy=NO_CACHE)
def log_evaluate(result: EvaluateResult, suites: Sequence[Suite], night_run_id: str | None) -> EvaluateResult:
    """Log an evaluation as a child of its night, or as a run of its own."""
    connections = connect()
    manifest = connections.manifest(result.assistant)
    run_id = _begin(night_run_id, result.assistant, "evaluate")
    tracking().log(
        run_id,
        parameters={
            "assistant": result.assistant,
            "night": result.night,
            "suites": ", ".join(suite.suite for suite in suites),
            "route": ", ".join(manifest.route),
            **{f"retrieval.{key}": value for key, value in manifest.retrieval.model_dump().items()},
        },
        metrics=evaluate_metrics(result),
        tags={
            "plumbline.collection_version": result.collection_version,
            "plumbline.release": result.release,
            "plumbline.manifest_digest": manifest.manifest_digest,
            "plumbline.prompt_digest": manifest.prompt_digest,
            "plumbline.served_model": ", ".join(served_models(result)),
            "plumbline.verdict": result.verdict,
        },
        tables={"cases.json": [{**row, "cited": ", ".join(row["cited"])} for row in result.cases]},
        datasets={
            f"suite-{suite.suite}": (
                suite.suite_digest,
                [{"case": case.id, "kind": case.kind, "question": case.question} for case in suite.cases],
            )
            for suite in suites
        },
    )
    tracking().end(run_id)
    return result


def check_metrics(result: CheckResult) -> dict[str, float | None]:
    """A check's figures under the names that every night uses."""
    ages = [each.oldest_pending_hours for each in result.freshness]
    return {
        **{METRIC_NAMES[name]: value for name, value in result.metrics.items()},
        "freshness/oldest_pending_hours": max(ages, default=0.0),
        "freshness/sources_missed": float(sum(not each.met for each in result.freshness)),
        "check/seconds": result.seconds,
    }


def evaluate_metrics(result: EvaluateResult) -> dict[str, float | None]:
    """An evaluation's figures under the names that every night uses."""
    return {
        **{f"pass_rate/{kind}": _rate(score) for kind, score in result.scores.items()},
        "evaluate/cases": float(result.scores["all"].cases),
        "evaluate/cost_usd": result.cost_usd,
        "evaluate/seconds": result.seconds,
    }


def served_models(result: EvaluateResult) -> list[str]:
    """The models that really answered."""
    return sorted({str(row["model"]) for row in result.cases} - {"none"})


def _rate(score: PassRate) -> float | None:
    return score.rate


def _begin(night_run_id: str | None, experiment: str, name: str) -> str:
    if night_run_id:
        return tracking().begin_child(night_run_id, name)
    return tracking().begin(experiment, name, {"plumbline.flow": name})


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
