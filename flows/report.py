"""The morning report: one HTML page that needs nothing else, escaped everywhere."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from evals.retrieval import MEASURES
from flows.connect import make_folder
from flows.params import Project

HISTORY = 30  # nights a plot looks back


def write_report(project: Project, summary: dict[str, Any], before: Sequence[dict[str, Any]]) -> Path:
    """Render a night's summary, with the plots over the nights before it, and return the file."""
    folder = make_folder(project.state / "reports" / summary["assistant"])
    path = folder / f"{summary['night']}.html"
    path.write_text(render(summary, before), encoding="utf-8")
    return path


def render(summary: dict[str, Any], before: Sequence[dict[str, Any]]) -> str:
    """The page as text."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    nights = [*before[-HISTORY + 1 :], summary]
    page: str = environment.get_template("report.html.j2").render(
        summary=summary,
        nights=[each["night"] for each in nights],
        plots=[
            ("Share of cases passed", [_pass_rate(each) for each in nights]),
            *((name, [each["check"]["metrics"].get(name) for each in nights]) for name in MEASURES),
        ],
        line=polyline,
    )
    return page


def _pass_rate(summary: dict[str, Any]) -> float | None:
    return summary["evaluate"]["scores"]["all"]["rate"] if summary["evaluate"] else None


def polyline(values: Sequence[float | None], *, width: float, height: float) -> list[tuple[float, float]]:
    """Points of values between 0 and 1 in a box, oldest left; nights without a value leave no point."""
    step = width / max(len(values) - 1, 1)
    return [
        (round(place * step, 1), round((1 - value) * height, 1))
        for place, value in enumerate(values)
        if value is not None
    ]
