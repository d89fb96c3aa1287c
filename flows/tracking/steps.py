"""What each flow leaves in MLflow: parameters, metrics under the names every night uses, tables and datasets."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from typing import Any

from evals.case import Suite
from evals.retrieval import MEASURES, RetrievalQuality
from flows.connect import connect
from flows.nights import TONIGHT
from flows.report import render_retrieval
from flows.results import CheckResult, EvaluateResult, IngestResult
from flows.retrieved import CONTRACT
from flows.step import step
from flows.tracking.drift import log_drift
from flows.tracking.runs import tracking
from knowledge.contracts import Validated

NAMED = 1_000  # documents with one kind of finding in the table: more than anybody reads
# MLflow's names know no '@': nDCG@10 -> retrieval/ndcg_at_10
METRIC_NAMES = {name: f"retrieval/{name.lower().replace('@', '_at_')}" for name in MEASURES}


@step
def log_ingest(result: IngestResult) -> None:
    """Log an ingest as a child of its night, or as a run of its own."""
    connections = connect()
    run_id = _begin(f"collection {result.collection}", "ingest")
    opened = connections.store.open(result.collection, version=result.version)
    corpus = {"documents": result.documents.listed, "chunks": result.chunks, "recipe": result.recipe_id}
    tracking().log(
        run_id,
        parameters={
            "collection": result.collection,
            **flat(connections.settings.model_dump(mode="json", include={"parsing", "splitting", "hygiene"})),
        },
        metrics=ingest_metrics(result),
        tags={"plumbline.collection_version": result.version, "plumbline.recipe": result.recipe_id},
        tables={
            "quarantine.json": [
                {"document": item.doc_id, "reason": item.reason, "detail": item.detail} for item in result.quarantine
            ],
            "near_duplicates.json": [asdict(pair) for pair in result.near_duplicates.pairs],
            "findings.json": finding_table(opened.findings()),
        },
        datasets={f"corpus-{result.collection}": (f"version-{result.version}", [corpus])},
    )
    if result.rows_validated:
        for page in sorted(connections.project.data_docs(result.collection).glob("*.html")):
            tracking().client.log_text(run_id, page.read_text(encoding="utf-8"), f"data_docs/{page.name}")
    tracking().end(run_id)


def log_broken_contracts(collection: str, validated: Sequence[Validated]) -> None:
    """Log the data docs of an ingest that its contracts stopped, and what they found, on a run that failed."""
    run_id = _begin(f"collection {collection}", "ingest")
    broken = [each for contract in validated for each in contract.broken]
    for each in validated:
        tracking().client.log_text(run_id, each.page, f"data_docs/{each.contract}.html")
    tracking().log(
        run_id,
        parameters={"collection": collection},
        metrics={"contracts/broken": float(len(broken))},
        tags={"plumbline.broken_contract": broken[0]},
        tables={"broken.json": [asdict(each) for each in broken]},
    )
    tracking().end(run_id, "FAILED")


@step
def log_check(result: CheckResult, quality: RetrievalQuality) -> None:
    """Log a check as a child of its night, or as a run of its own."""
    run_id = _begin(f"collection {result.collection}", "check")
    tracking().log(
        run_id,
        parameters={"collection": result.collection, "queries": result.queries},
        metrics=check_metrics(result),
        tags={
            "plumbline.collection_version": result.version,
            "plumbline.production_version": result.production_version,
            "plumbline.proven_version": result.proven_version,
            "plumbline.verdict": result.verdict,
        },
        tables={
            "queries.json": [{"query": query, **scores} for query, scores in quality.per_query.items()],
            "slices.json": slice_table(result),
            "freshness.json": result.as_row()["freshness"],
            "leaks.json": [asdict(leak) for leak in result.leaks],
        },
    )
    tracking().client.log_text(run_id, render_retrieval(result.as_row()), "retrieval.html")
    page = connect().project.data_docs(result.collection) / f"{CONTRACT}.html"
    if page.exists():
        tracking().client.log_text(run_id, page.read_text(encoding="utf-8"), f"data_docs/{page.name}")
    tracking().end(run_id)


@step
def log_evaluate(result: EvaluateResult, suites: Sequence[Suite]) -> None:
    """Log an evaluation as a child of its night, or as a run of its own."""
    connections = connect()
    manifest = connections.manifest(result.assistant)
    run_id = _begin(result.assistant, "evaluate")
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
        tables={"cases.json": case_table(result)},
        datasets={
            f"suite-{suite.suite}": (
                suite.suite_digest,
                [{"case": case.id, "kind": case.kind, "question": case.question} for case in suite.cases],
            )
            for suite in suites
        },
    )
    log_drift(tracking(), run_id, result)
    tracking().end(run_id)


def ingest_metrics(result: IngestResult) -> dict[str, float | None]:
    """An ingest's figures under the names that every night uses."""
    counts = {name: getattr(result.documents, name) for name in result.documents.__dataclass_fields__}
    reasons = Counter(item.reason for item in result.quarantine)
    return {
        **{f"ingest/{name}": float(value) for name, value in counts.items()},
        **{f"quarantine/{reason}": float(number) for reason, number in reasons.items()},
        "ingest/chunks": float(result.chunks),
        "ingest/texts_embedded": float(result.texts_embedded),
        "ingest/rows_validated": float(result.rows_validated),
        "ingest/near_duplicates": float(result.near_duplicates.count),
        # MLflow on Windows refuses a colon
        **{f"findings/{kind.replace(':', '/')}": float(number) for kind, number in result.findings.items()},
        "ingest/seconds": result.seconds,
    }


def finding_table(findings: Mapping[str, Mapping[str, int]]) -> list[dict[str, object]]:
    """Documents by kind of finding, with how many passages; of a common kind the first so many. No value is in it."""
    return [
        {"finding": kind, "document": doc_id, "passages": number}
        for kind, documents in findings.items()
        for doc_id, number in islice(documents.items(), NAMED)
    ]


def check_metrics(result: CheckResult) -> dict[str, float | None]:
    """A check's figures under the names that every night uses; by tag and by language nDCG@10 alone."""
    ages = [each.oldest_pending_hours for each in result.freshness]
    whole = result.whole
    return {
        **{METRIC_NAMES[name]: value for name, value in result.metrics.items()},
        **{f"{METRIC_NAMES[name]}_low": low for name, (low, _) in whole.intervals.items()},
        **{f"{METRIC_NAMES[name]}_high": high for name, (_, high) in whole.intervals.items()},
        **{f"retrieval_{row['slice']}/ndcg_at_10": row["nDCG@10"] for row in slice_table(result)},
        "retrieval/empty_rate": whole.empty_rate,
        "retrieval/coverage": whole.coverage,
        "retrieval/leaks": float(len(result.leaks)),
        **{f"retrieval/best_score_{name}": value for name, value in whole.best_score.items()},
        **{f"search/latency_ms_{name}": value for name, value in whole.latency_ms.items()},
        "freshness/oldest_pending_hours": max(ages, default=0.0),
        "freshness/sources_missed": float(sum(not each.met for each in result.freshness)),
        "check/seconds": result.seconds,
    }


def slice_table(result: CheckResult) -> list[dict[str, Any]]:
    """The judged queries with each tag and in each language: how many, and the mean of each measure."""
    slices = {f"tag/{name}": each for name, each in result.by_tag.items()}
    slices |= {f"language/{name}": each for name, each in result.by_language.items()}
    return [{"slice": name, "queries": each.judged, **each.metrics} for name, each in slices.items() if each.judged]


def evaluate_metrics(result: EvaluateResult) -> dict[str, float | None]:
    """An evaluation's figures under the names that every night uses."""
    rates = "pass_rate" if result.whole else "canary_pass_rate"  # a canary passes more often than its suite
    return {
        **{f"{rates}/{kind}": score.rate for kind, score in result.scores.items()},
        "evaluate/lost": float(len(result.comparison.lost) if result.comparison else 0),
        "evaluate/gained": float(len(result.comparison.gained) if result.comparison else 0),
        "evaluate/cases": float(result.scores["all"].cases),
        "evaluate/missing": float(len(result.missing)),
        **({"evaluate/cases_saved": float(result.plan["saved"])} if result.plan else {}),
        "evaluate/calls_paid": float(result.calls["paid"]),
        "evaluate/cost_usd": result.cost_usd,
        "evaluate/seconds": result.seconds,
    }


def case_table(result: EvaluateResult) -> list[dict[str, Any]]:
    """The cases as rows, those that failed first."""
    order = {False: 0, None: 1, True: 2}
    return sorted(result.cases, key=lambda row: order[row["passed"]])


def flat(content: Mapping[str, Any], above: str = "") -> dict[str, object]:
    """Nested settings under one name each: `splitting.max_tokens`."""
    found: dict[str, object] = {}
    for key, value in content.items():
        found |= flat(value, f"{above}{key}.") if isinstance(value, Mapping) else {f"{above}{key}": value}
    return found


def served_models(result: EvaluateResult) -> list[str]:
    """The models that really answered."""
    return sorted({str(row["served_model"]) for row in result.cases} - {"none"})


def _begin(experiment: str, name: str) -> str:
    night = TONIGHT.get()
    if night and night.mlflow_run_id:
        return tracking().begin_child(night.mlflow_run_id, name)
    return tracking().begin(experiment, name, {"plumbline.flow": name})
