"""Summaries of nights that never ran: plain ones to vary, and twelve in a row in which all sorts of things happen."""

import json
from datetime import UTC, date, datetime, timedelta
from math import sin

from evals.compare import Comparison, PassRate
from evals.freshness import Freshness, PendingChange
from flows.changes import what_changed
from flows.results import CheckResult, EvaluateResult, IngestResult
from knowledge.record import DocumentCounts, Rejected

EVIL = "<script>alert('x')</script>"
HOSTILE = (
    EVIL,
    '"><img src=x onerror=alert(1)>',
    "javascript:alert(1)",
    "</title></style></table><iframe src=https://example.org>",
    "invoice\u202efdp.exe",
    "nul\x00 bell\x07 escape\x1b[31m",
    "w" * 5000,
    "A long answer. " * 7000,
    "line\n" * 900,
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 Ελληνικά עברית العربية 日本語",
    "half a pair \ud800",
)
KINDS = ("answerable", "unanswerable", "ambiguous", "conflicting", "must_not", "adversarial", "messy")


CHECKED_AT = datetime(2026, 12, 1, 3, 0, tzinfo=UTC)


def fresh(source, documents, *missing, owner="documentation team", hours=0.0, quarantined=0, target=24.0):
    """How fresh a source is of which these documents have been missing for so many hours."""
    since = CHECKED_AT - timedelta(hours=hours)
    pending = tuple(PendingChange(doc_id, "missing", since) for doc_id in missing)
    return Freshness(source, owner, documents, pending, quarantined, target, CHECKED_AT)


def case_row(name, passed, **values):
    row = {
        "suite": "customers",
        "case": name,
        "kind": "answerable",
        "passed": passed,
        "question": "How long does a refund take?",
        "answer": "Five days. [1]",
        "outcome": "answered",
        "cited": ["help/refunds.md"],
        "failed": [] if passed else ["facts: missing: five days"],
        "model": "local/extractive",
        "latency_ms": 3.2,
    }
    return row | values


def flip(name, kind, before, after, **values):
    """A flipped case, as `evaluate` tells of it."""
    sides = {}
    for when, text, failed in (("before", before, kind == "gained"), ("after", after, kind == "lost")):
        sides[when] = {
            "outcome": "answered",
            "answer": text,
            "cited": ["help/refunds.md"],
            "failed": ["facts: missing: 30 days"] if failed else [],
        }
    case = {"suite": "customers", "case": name, "kind": "answerable", "question": "How long?", "flip": kind}
    return case | sides | values


def ingest_result(*, doc_id="help/empty.txt", detail="the file has no content", **values):
    parts = {
        "collection": "support",
        "version": 7,
        "documents": DocumentCounts(added=2, changed=1, unchanged=40, quarantined=1),
        "chunks": 211,
        "texts_embedded": 9,
        "quarantine": (Rejected(doc_id, "sha", "p", "empty", detail),),
        "recipe_id": "r",
        "seconds": 1.0,
    }
    return IngestResult(**parts | values)


def check_result(
    *, metrics=None, reason="40 queries, every floor holds", verdict="pass", source="help", production=7, **values
):
    parts = {
        "collection": "support",
        "version": 7,
        "freshness": (fresh(source, 43, "help/new.md", hours=30, quarantined=1),),
        "metrics": {"recall@5": 0.9, "MRR@10": 0.8, "nDCG@10": 0.85} if metrics is None else metrics,
        "queries": 40,
        "stale_queries": (),
        "verdict": verdict,
        "reason": reason,
        "production_version": production,
        "moved": True,
        "seconds": 1.0,
    }
    return CheckResult(**parts | values)


def evaluate_result(*cases, comparison=None, scores=None, **values):
    parts = {
        "assistant": "support",
        "night": "2026-12-01",
        "release": "abc",
        "collection_version": 7,
        "scores": scores or {"all": PassRate(8, 10), "answerable": PassRate(8, 10), "messy": PassRate(0, 0, 2)},
        "cases": cases,
        "comparison": comparison,
        "verdict": "not enough evidence",
        "verdict_reason": "baseline 1 of 10",
        "cost_usd": 0.0,
        "calls": {"paid": 0, "reused": 0},
        "seconds": 1.0,
    }
    return EvaluateResult(**parts | values)


def summary_of(night="2026-12-01", *, ingest=None, check=None, evaluate=None, **values):
    """A night's summary as it comes back from the state database."""
    row = {
        "night": night,
        "assistant": "support",
        "release": "abc",
        "ingest": (ingest or ingest_result()).as_row(),
        "check": (check or check_result()).as_row(),
        "evaluate": evaluate.as_row() if evaluate else None,
        "verdict": "not enough evidence",
        "verdict_reason": "baseline 1 of 10",
        "gate_failed": False,
        "cost_usd": 0.0,
        "report": "",
        "mlflow_run_id": "m",
    }
    return json.loads(json.dumps(row | values))


def twelve_nights():
    """Twelve nights of an assistant; the last one is the worst there can be."""
    nights = [_ordinary_night(number) for number in range(11)]
    nights[6]["evaluate"] = None  # the night an evaluation did not take place
    last = _worst_night()
    last["changed"] = what_changed(last, nights[-1])
    return [*nights, last]


def _night_name(number):
    return f"{date(2026, 11, 20) + timedelta(number)}"


def _release_parts(**changed):
    return dict.fromkeys(("manifest", "policy", "recipe", "graders"), "0c1d2e3f4a5b6c7d") | {"prompt": "one"} | changed


def _documents(number):
    return fresh("help-centre", 17 + number // 3)


def _ordinary_night(number):
    lost = (number * 7) % 4
    wave = round(0.9 + 0.02 * sin(number), 4)
    return summary_of(
        _night_name(number),
        ingest=ingest_result(
            version=number + 1,
            documents=DocumentCounts(changed=number % 3, unchanged=60 + number, quarantined=1 + number % 2),
            seconds=11.0 + number % 4,
        ),
        check=check_result(
            version=number + 1,
            production=number + 1,
            freshness=(_documents(number),),
            metrics={"recall@5": wave + 0.03, "MRR@10": wave + 0.01, "nDCG@10": wave},
            per_query={"q-refund-annual": 1.0, "q-free-trial": 0.63, "q-plan-prices": 0.5},
        ),
        evaluate=evaluate_result(
            *(case_row(f"case-{each}", each >= lost) for each in range(69)),
            scores={"all": PassRate(69 - lost, 69), "answerable": PassRate(26 - lost, 26)},
        ),
        release_parts=_release_parts(),
        cost_usd=round(0.11 + number / 100, 4),
    )


def _worst_night():
    hostile = [case_row(f"hostile-{place}", False, question=text, answer=text) for place, text in enumerate(HOSTILE)]
    quiet = [case_row(f"case-{place}", True, latency_ms=2.0 + place / 9) for place in range(55)]
    flips = (
        flip(
            "refund-annual-window",
            "lost",
            "Annual plans can be refunded in full within 30 days of the purchase. [1]",
            "Annual plans can be refunded in full within 45 days of the payment. [1]",
            question="How long after buying an annual plan can I get my money back?",
        ),
        flip("long-answer", "lost", "A long answer. " * 7000, "A longer answer. " * 7000),
        flip("hostile", "gained", EVIL, '"><img src=x onerror=alert(1)> ' + "w" * 5000),
    )
    return summary_of(
        _night_name(11),
        release="def",
        release_parts=_release_parts(prompt="two"),
        ingest=ingest_result(
            version=12,
            documents=DocumentCounts(
                added=2, changed=3, renamed=1, deleted=1, unchanged=58, quarantined=len(HOSTILE) + 1
            ),
            changes={
                "added": ("help/vouchers.md", f"help/{EVIL}.md"),
                "changed": ("help/refunds.md", "help/plans.html", "trust/sla.docx"),
                "renamed": ("help/time-tracking.txt -> help/tracking-time.txt",),
                "deleted": ("help/mobile-app.txt",),
            },
            quarantine=(
                Rejected("help/empty.txt", "sha", "p", "empty", "the file has no content"),
                *(Rejected(f"help/{text}.pdf", "sha", "p", "corrupt", text) for text in HOSTILE),
            ),
        ),
        check=check_result(
            version=12,
            production=11,
            verdict="fail",
            reason="nDCG@10 0.641 is under its floor 0.650",
            moved=False,
            metrics={"recall@5": 0.71, "MRR@10": 0.66, "nDCG@10": 0.641},
            per_query={"q-refund-annual": 0.43, "q-free-trial": 0.0, "q-plan-prices": 0.63},
            stale_queries=("q-mobile-app",),
            freshness=(
                _documents(11),
                fresh(
                    "operations",
                    11,
                    "operations/on-call.md",
                    owner="support team",
                    hours=30,
                    quarantined=1,
                    target=12.0,
                ),
            ),
        ),
        evaluate=evaluate_result(
            *quiet,
            *hostile,
            case_row("odd", None, failed=["grounded: could not grade"]),
            case_row("refund-annual-window", False),
            case_row("long-answer", False),
            scores={
                "all": PassRate(55, 68, 1),
                **{kind: PassRate(9 - place, 9) for place, kind in enumerate(KINDS)},
                "confidential": PassRate(0, 0, 1),
            },
            comparison=Comparison(
                _night_name(10), 66, ("customers/refund-annual-window", "customers/long-answer"), ("customers/hostile",)
            ),
            flips=flips,
        ),
        gate_failed=True,
        verdict_reason="baseline 1 of 10",
        cost_usd=0.3127,
        links={"mlflow": "http://127.0.0.1:5000/#/experiments/1/runs/m", "prefect": "javascript:alert(1)"},
    )
