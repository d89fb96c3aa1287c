"""What an evaluation leaves in MLflow on drift: figures and tags to compare nights by, and a page with the pictures."""

import re
from typing import Any

from flows.report import render_drift
from flows.results import EvaluateResult
from flows.tracking.runs import Tracking

PAGE = "drift.html"


def log_drift(log: Tracking, run_id: str, result: EvaluateResult) -> None:
    """Write how an assistant stands against its baseline to a run; what is logged twice stands once."""
    page = render_drift(
        result.drift,
        assistant=result.assistant,
        night=result.night,
        pictures=result.drift_pictures,
        plan=result.plan,
    )
    log.client.log_text(run_id, page, PAGE)
    log.log(run_id, metrics=drift_metrics(result.drift), tags=drift_tags(result.drift))


def drift_metrics(drift: dict[str, Any]) -> dict[str, float | None]:
    """Evidence by stream, the drop and what the suite can see, in points; none while the baseline is collecting."""
    drop, least = drift["drop"] or {}, drift["minimal_detectable_drop"] or {}
    ends = {"drift/drop_points": "drop", "drift/drop_points_low": "low", "drift/drop_points_high": "high"}
    return {
        **{f"drift/evidence/{re.sub(r'[^a-zA-Z0-9_.-]', '_', name)}": each for name, each in drift["evidence"].items()},
        **{name: 100 * drop[end] if drop else None for name, end in ends.items()},
        "drift/minimal_detectable_drop_points": least.get("drop_points"),
    }


def drift_tags(drift: dict[str, Any]) -> dict[str, object]:
    """What a night is held against, and what moved; `none` where there is nothing to say."""
    return {
        "plumbline.baseline": drift["baseline_id"] or "none",
        "plumbline.drift_since": drift["since"] or "none",
        "plumbline.leading_stream": drift["leading_stream"] or "none",
    }
