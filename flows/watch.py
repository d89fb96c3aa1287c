"""`plumbline watch`: the drift decision for results of any harness. A plain call that never imports Prefect."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flows import drift_summaries
from flows.doors import FAILED, GOOD, json_option, report_only, show
from flows.params import find_project
from knowledge.errors import PlumblineError

if TYPE_CHECKING:
    from evals.drift.results import Results
    from evals.drift.verdict import Standing


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--metric", "metrics", multiple=True, metavar="NAME", help="Follow only this metric; repeat for more.")
@click.option(
    "--alarm",
    type=click.IntRange(2, 1_000_000_000),
    default=1000,
    show_default=True,
    help="The evidence that is an alarm: one false alarm in so many nights, or fewer.",
)
@click.option("--page", type=click.Path(path_type=Path), metavar="FILE.html", help="Write a page with pictures.")
@report_only
@json_option
def watch(
    *, file: Path, metrics: tuple[str, ...], alarm: int, page: Path | None, report_only: bool, as_json: bool
) -> int:
    """Has anything drifted in the results in FILE?

    FILE is a CSV with the columns night, case, metric, value and, if wanted, baseline and slice.
    """
    from evals.drift.results_file import read_results
    from evals.drift.verdict import judge
    from flows.known_p_values import known_p_values

    if page and page.resolve() == file.resolve():
        raise PlumblineError(f"--page {page}: these are the results themselves. Name another file for the page.")
    results = read_results(file, metrics=metrics)
    with known_p_values(find_project().state / "cache" / "watch" / f"{results.baseline_id}.json") as known:
        standing = judge(results, alarm=alarm, known=known)
    content = content_of(file, results, standing)
    if page:
        from flows.report.watch_page import render_watch

        _write(page, render_watch(content, results, standing))
        content["page"] = str(page.absolute())
    show(content, drift_summaries.watch, as_json)
    return FAILED if standing.verdict == "drift" and not report_only else GOOD


def content_of(file: Path, results: "Results", standing: "Standing") -> dict[str, Any]:
    """What the command prints with --json."""
    return {
        "file": str(file),
        **standing.as_row(),
        "cases": results.cases,
        "baseline": {"runs": len(results.baseline), "wanted": results.wanted, "nights": list(results.baseline)},
        "nights": len(results.nights),
        "last_night": results.nights[-1] if results.nights else None,
        "not_followed": list(results.not_followed),
        "page": None,
    }


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as problem:
        raise PlumblineError(
            f"--page {path}: cannot be written ({problem.strerror}). Name a file in a folder that can be written."
        ) from None
