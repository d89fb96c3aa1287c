"""The page: a night's summary and those before it, put into the templates that stand beside this module."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from evals.retrieval import MEASURES
from flows.drift_summaries import least_drop
from flows.params import Project
from flows.report import figures
from flows.report.drift_pictures import DriftPictures
from flows.report.plots import plot_nights
from flows.report.templates import environment
from flows.state import make_folder

HISTORY = 30  # nights a plot looks back
LINKS = {"mlflow": "MLflow", "prefect": "Prefect"}


def write_report(
    project: Project,
    summary: dict[str, Any],
    before: Sequence[dict[str, Any]],
    *,
    pictures: DriftPictures | None = None,
) -> Path:
    """Render a night's summary beside the nights before it, oldest first, and return the file."""
    folder = make_folder(project.state / "reports" / summary["assistant"])
    path = folder / f"{summary['night']}.html"
    path.write_text(render(summary, before, pictures=pictures), encoding="utf-8")
    return path


def render(summary: dict[str, Any], before: Sequence[dict[str, Any]], *, pictures: DriftPictures | None = None) -> str:
    """The page as text. pictures: of the drift; a summary does not hold them."""
    last = before[-1] if before else None
    nights = [*before[-HISTORY + 1 :], summary]
    evaluated = summary.get("evaluate")
    page: str = (
        environment()
        .get_template("page.html.j2")
        .render(
            summary=summary,
            **_drift((evaluated or {}).get("drift"), pictures),
            last=last,
            links=list(safe_links(summary.get("links") or {})),
            key_figures=list(figures.key_figures(summary, last)),
            new_in_quarantine=figures.new_in_quarantine(summary, last),
            **_retrieval(summary, last),
            passed_cases=figures.passed_cases(summary, last) if evaluated else {},
            seconds=figures.seconds(summary),
            latency=figures.latency(summary),
            models=figures.models(summary),
            nights=nights,
            plots=plot_nights(nights),
        )
    )
    return page


def render_drift(drift: dict[str, Any], *, assistant: str, night: str, pictures: DriftPictures | None = None) -> str:
    """The drift part of the page, as a page of its own."""
    page: str = (
        environment()
        .get_template("drift_alone.html.j2")
        .render(assistant=assistant, night=night, **_drift(drift, pictures))
    )
    return page


def render_retrieval(check: dict[str, Any]) -> str:
    """The part on retrieval, of a check alone, as a page of its own."""
    summary = {"check": check}
    template = environment().get_template("retrieval_alone.html.j2")
    page: str = template.render(summary=summary, last=None, **_retrieval(summary, None))
    return page


def _retrieval(summary: dict[str, Any], last: dict[str, Any] | None) -> dict[str, object]:
    return {
        "measures": list(figures.measures(summary, last, tuple(reversed(MEASURES)))),
        "moved_queries": figures.moved_queries(summary, last),
        "slices": figures.slices(summary["check"]),
        "spread": figures.spread(summary["check"]),
    }


def _drift(drift: dict[str, Any] | None, pictures: DriftPictures | None) -> dict[str, object]:
    return {"drift": drift, "sees": least_drop(drift) if drift and drift["evidence"] else "", "pictures": pictures}


def safe_links(links: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Name and address of the links that lead to a web page; anything else an address can do is not wanted here."""
    for name, title in LINKS.items():
        address = str(links.get(name) or "")
        if address.startswith(("http://", "https://")):
            yield title, address
