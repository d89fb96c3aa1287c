"""What a run shows in the Prefect UI: summaries, the quarantine as a table, links to the report and to MLflow."""

from collections.abc import Iterable, Sequence
from typing import Any

from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

from evals.freshness import Freshness
from flows.results import CheckResult, EvaluateResult, FreshnessResult, IngestResult


def show_ingest(result: IngestResult) -> None:
    """Counts of the ingest, and everything kept out with its reason."""
    counts = result.documents
    rows = [(name, getattr(counts, name)) for name in counts.__dataclass_fields__]
    rows += [("chunks", result.chunks), ("texts embedded", result.texts_embedded)]
    create_markdown_artifact(
        f"# Collection {result.collection}, version {result.version}\n\n{table(('documents', 'count'), rows)}",
        key=key("ingest", result.collection),
        description=f"Ingest of collection {result.collection}",
    )
    kept_out = [
        {
            "document": each.doc_id,
            "reason": each.reason,
            "detail": each.detail,
            "new": "yes" if each.doc_id in result.newly_quarantined else "no",
        }
        for each in result.quarantine
    ]
    create_table_artifact(
        kept_out or [{"document": "none", "reason": "", "detail": "", "new": ""}],
        key=key("quarantine", result.collection),
        description=f"Documents kept out of collection {result.collection}",
    )


def show_check(result: CheckResult) -> None:
    """Gate, retrieval measures, freshness by source."""
    serves = "nothing" if result.production_version is None else f"version {result.production_version}"
    create_markdown_artifact(
        f"# Gate: {result.verdict}\n\n{cell(result.reason)}. Serves: {serves}.\n\n"
        + table(("measure", "value"), [(name, f"{value:.3f}") for name, value in result.metrics.items()])
        + "\n\n"
        + _freshness(result.freshness),
        key=key("check", result.collection),
        description=f"Check of collection {result.collection}, version {result.version}",
    )


def show_freshness(result: FreshnessResult) -> None:
    """Freshness by source, and the documents that are too late."""
    late = [(each.source, doc_id) for each in result.freshness for doc_id in each.late[:20]]
    text = f"# Freshness: {result.verdict}\n\nServes: version {result.version}.\n\n{_freshness(result.freshness)}"
    create_markdown_artifact(
        text + (f"\n\n{table(('source', 'past its target'), late)}" if late else ""),
        key=key("freshness", result.collection),
        description=f"Freshness of collection {result.collection}, version {result.version}",
    )


def _freshness(sources: Iterable[Freshness]) -> str:
    rows = [
        (
            each.source,
            each.documents,
            len(each.pending),
            f"{each.oldest_pending_hours:.1f} h",
            "yes" if each.met else "NO",
        )
        for each in sources
    ]
    return table(("source", "documents", "pending", "oldest", "target met"), rows)


def show_evaluate(result: EvaluateResult) -> None:
    """Pass rates by kind of case, and the flips since the last night."""
    rates = [
        (kind, f"{each.passed} of {each.cases}", "-" if each.rate is None else f"{each.rate:.0%}")
        for kind, each in result.scores.items()
    ]
    text = f"# {result.verdict}\n\n{cell(result.verdict_reason)}\n\n{table(('kind', 'passed', 'rate'), rates)}"
    if result.missing:
        text += "\n\n## Without an answer\n\n"
        text += table(("case", "why"), [(f"{each['suite']}/{each['case']}", each["reason"]) for each in result.missing])
    if result.comparison:
        flips = [("lost", name) for name in result.comparison.lost]
        flips += [("gained", name) for name in result.comparison.gained]
        text += f"\n\n## Since {result.comparison.night}\n\n"
        text += table(("flip", "case"), flips) if flips else "No case flipped."
    create_markdown_artifact(
        text, key=key("evaluate", result.assistant), description=f"Cases put to {result.assistant}, {result.night}"
    )


def show_night(summary: dict[str, Any], links: dict[str, str]) -> None:
    """The night in one table, and where to read on."""
    check, ingest, evaluated = summary["check"], summary["ingest"], summary["evaluate"]
    rows: list[Sequence[object]] = [
        ("verdict", f"{summary['verdict']}: {summary['verdict_reason']}"),
        ("gate", f"{check['verdict']}: {check['reason']}"),
        ("serves", f"version {check['production_version']} of collection {check['collection']}"),
        ("documents", ", ".join(f"{count} {name}" for name, count in ingest["documents"].items() if count)),
        ("retrieval", ", ".join(f"{name} {value:.3f}" for name, value in check["metrics"].items()) or "not measured"),
    ]
    if evaluated:
        every = evaluated["scores"]["all"]
        missing = f", {len(evaluated['missing'])} without an answer" if evaluated["missing"] else ""
        rows.append(("cases", f"{every['passed']} of {every['cases']} passed{missing}"))
    rows += [("cost", f"{summary['cost_usd']:.4f} USD"), *((name, url) for name, url in links.items())]
    head = f"# {summary['assistant']}, night {summary['night']}"
    create_markdown_artifact(
        f"{head}\n\n{cell(summary.get('changed', ''))}\n\n{table(('', ''), rows)}",
        key=key("night", summary["assistant"]),
        description=f"Night {summary['night']} of {summary['assistant']}",
    )
    for name, url in links.items():
        create_link_artifact(
            url, link_text=f"{name} of {summary['night']}", key=key(name, summary["assistant"]), description=name
        )


def key(*words: str) -> str:
    """An artifact's key: Prefect takes lower-case letters, digits and dashes."""
    return "-".join(words).lower().replace("_", "-")


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    lines += ["| " + " | ".join(cell(value) for value in row) + " |" for row in rows]
    return "\n".join(lines)


def cell(value: object) -> str:
    """Text that stays inside its cell and is never read as HTML."""
    words = " ".join(str(value).split())
    for sign, stand_in in (("&", "&amp;"), ("<", "&lt;"), ("|", "&#124;"), ("`", "&#96;"), ("[", "&#91;")):
        words = words.replace(sign, stand_in)
    return words
