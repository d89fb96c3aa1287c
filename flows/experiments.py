"""What an experiment compares, as files for DVC: no time and no version, so that the same result is the same bytes."""

import csv
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from flows.connect import connect
from flows.results import CheckResult, EvaluateResult, IngestResult
from knowledge.errors import StateError

BIN_TOKENS = 20  # width of a bar in the histogram of passage lengths


def write_index(folder: Path, result: IngestResult) -> None:
    """What is in the index: its digest and counts, and how long its passages are."""
    collection = connect().store.open(result.collection, version=result.version)
    lengths = collection.lengths()
    bins = Counter(length // BIN_TOKENS * BIN_TOKENS for length in lengths)
    index = {
        "content": collection.content_digest(),
        "documents": result.documents.listed - len(result.quarantine),
        "quarantined": len(result.quarantine),
        "passages": len(lengths),
        "mean_tokens": round(sum(lengths) / max(len(lengths), 1), 1),
    }
    _write_json(folder / "index.json", index)
    _write_csv(folder / "passages.csv", [{"tokens": low, "passages": bins[low]} for low in sorted(bins)])


def write_retrieval(folder: Path, result: CheckResult) -> None:
    """How well labelled queries find their documents: the means, and each query's scores."""
    from flows.tracking.steps import check_metrics, slice_table

    means = _under("retrieval", check_metrics(result))
    counts = {"queries": result.queries, "stale_queries": len(result.stale_queries)}
    _write_json(folder / "retrieval.json", {"retrieval": {**means, **counts}})
    _write_csv(
        folder / "queries.csv", [{"query": name, "nDCG@10": value} for name, value in sorted(result.per_query.items())]
    )
    slices = [{"slice": row["slice"], "nDCG@10": round(row["nDCG@10"], 4)} for row in slice_table(result)]
    _write_csv(folder / "slices.csv", slices)


def write_answers(folder: Path, result: EvaluateResult) -> None:
    """How many cases pass, by kind, and which do not."""
    from flows.tracking.steps import evaluate_metrics

    rates = _under("pass_rate", evaluate_metrics(result))
    _write_json(folder / "answers.json", {"pass_rate": rates, "cases": result.scores["all"].cases})
    _write_csv(folder / "kinds.csv", [{"kind": kind, "pass_rate": rate} for kind, rate in rates.items()])
    cases = [{"case": row["case"], "kind": row["kind"], "passed": _score(row["passed"])} for row in result.cases]
    _write_csv(folder / "cases.csv", cases)


def _score(passed: bool | None) -> int | str:
    return "" if passed is None else int(passed)  # empty: not graded


def _under(family: str, metrics: Mapping[str, float | None]) -> dict[str, float]:
    """The metrics of one family, under the names MLflow has for them."""
    return {
        name.removeprefix(f"{family}/"): round(value, 4)
        for name, value in metrics.items()
        if name.startswith(f"{family}/") and value is not None
    }


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    _write(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    text = StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    _write(path, text.getvalue())


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as problem:
        raise StateError(f"{path}: cannot be written ({problem.strerror}). Name a folder with --results-to.") from None
