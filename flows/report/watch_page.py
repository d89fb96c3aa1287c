"""The page of `plumbline watch`: verdict, pictures and every night's figures, in need of nothing else."""

from typing import Any

from evals.drift.results import Results
from evals.drift.verdict import Standing
from flows.drift_summaries import least_drop
from flows.report.drift_pictures import draw_drift
from flows.report.templates import environment


def render_watch(content: dict[str, Any], results: Results, standing: Standing) -> str:
    """The page as text. content: what the command prints."""
    page: str = (
        environment()
        .get_template("watch.html.j2")
        .render(content=content, sees=least_drop(content), pictures=draw_drift(results, standing))
    )
    return page
