"""The page of `plumbline watch`: verdict, pictures and every night's figures, in need of nothing else."""

from typing import Any

from evals.drift.results import Results
from evals.drift.verdict import Standing, written
from flows.report.drift_pictures import RECENT, draw_evidence, draw_flips, plot_mean, plot_pass_rate
from flows.report.templates import environment
from flows.summaries import least_drop


def render_watch(content: dict[str, Any], results: Results, standing: Standing) -> str:
    """The page as text. content: what the command prints."""
    columns = [*results.baseline, *results.nights]
    runs = len(results.baseline)
    since = results.nights.index(standing.drift.since) if standing.drift else None
    decisions = standing.decisions
    binary = next((each.history for each in results.metrics if each.kind == "binary"), None)
    page: str = (
        environment()
        .get_template("watch.html.j2")
        .render(
            content=content,
            sees=least_drop(content),
            columns=columns,
            runs=runs,
            written=written,
            recent=RECENT,
            edge=100 * runs / len(columns),
            since=100 * (runs + since) / len(columns) if since is not None else None,
            evidence=draw_evidence(decisions, alarm=standing.alarm, baseline_runs=runs) if decisions else [],
            plots=[
                plot_pass_rate(each.history) if each.kind == "binary" else plot_mean(each.name, each.history)
                for each in results.metrics
            ],
            strips=draw_flips(binary, since=since) if binary and decisions else [],
        )
    )
    return page
