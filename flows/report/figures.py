"""The figures a report shows, beside those of the night before. Summaries of earlier versions lack some keys."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

from flows.changes import is_whole

STEPS = ("ingest", "check", "evaluate")
NOTICEABLE = 0.0005  # of a measure: less does not show in the three digits it is written with

Summary = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Figure:
    """One number, how it differs from the night before (empty: not at all), and whether that is the wrong way."""

    name: str
    value: str
    difference: str = ""
    worse: bool = False


@dataclass(frozen=True, slots=True)
class Slice:
    """Some of the labelled queries: how many were judged, the mean of nDCG@10 and its 95 % interval."""

    name: str
    queries: int
    mean: float
    interval: tuple[float, float]


@dataclass(frozen=True, slots=True)
class QueryMove:
    """nDCG@10 of one labelled query, in the night before and tonight."""

    query: str
    before: float
    after: float


def pass_rate(summary: Summary) -> float | None:
    """Share of the graded cases that passed."""
    rate: float | None = summary["evaluate"]["scores"]["all"]["rate"] if _measured(summary) else None
    return rate


def interval(summary: Summary) -> tuple[float, float] | None:
    """The Wilson interval of that share."""
    found = summary["evaluate"]["scores"]["all"]["interval"] if _measured(summary) else None
    return (found[0], found[1]) if found else None


def _measured(summary: Summary) -> bool:
    """Was the whole suite asked? A canary passes more often than the suite it stands for."""
    return bool(summary.get("evaluate")) and is_whole(summary)


def documents_held(summary: Summary) -> int:
    """How many documents the sources list."""
    return sum(number for change, number in summary["ingest"]["documents"].items() if change != "deleted")


def sources_late(summary: Summary) -> int:
    """How many sources missed their freshness target."""
    return sum(not each["met"] for each in summary["check"]["freshness"])


def seconds(summary: Summary) -> dict[str, float]:
    """How long each step took."""
    return {step: summary[step]["seconds"] for step in STEPS if summary.get(step)}


def latency(summary: Summary) -> tuple[float, float] | None:
    """Median and 95th percentile of the answers' milliseconds."""
    found = [row["latency_ms"] for row in summary["evaluate"]["cases"]] if summary.get("evaluate") else []
    if not found:
        return None
    return median(found), quantiles(found, n=20, method="inclusive")[-1] if len(found) > 1 else found[0]


def models(summary: Summary) -> dict[str, int]:
    """Who answered how many cases: the served model, and why it stood in for another."""
    found: Counter[str] = Counter()
    for row in summary["evaluate"]["cases"] if summary.get("evaluate") else []:
        if row["model"] != "none":
            instead = f", as {row['fallback']}" if row.get("fallback") else ""
            found[f"{row.get('served_model') or row['model']}{instead}"] += 1
    return dict(found.most_common())


def key_figures(summary: Summary, last: Summary | None) -> Iterator[Figure]:
    """What stands at the top of the page."""
    if summary.get("evaluate"):
        yield passed_cases(summary, last)["all"]
    yield from measures(summary, last, ("nDCG@10",))
    sources = len(summary["check"]["freshness"])
    late, before = sources_late(summary), sources_late(last) if last else None
    yield _figure("Sources fresh", f"{sources - late} of {sources}", -late, None if before is None else -before)
    held, before = len(summary["ingest"]["quarantine"]), len(last["ingest"]["quarantine"]) if last else None
    yield _figure("In quarantine", f"{held}", held, before, more_is_worse=True)
    yield Figure("Cost", f"{summary['cost_usd']:.4f} USD")
    yield Figure("Duration", f"{sum(seconds(summary).values()):.0f} s")


def measures(summary: Summary, last: Summary | None, names: tuple[str, ...]) -> Iterator[Figure]:
    """Retrieval measures."""
    then = last["check"]["metrics"] if last else {}
    for name in names:
        if name in summary["check"]["metrics"]:
            value = summary["check"]["metrics"][name]
            yield _figure(name, f"{value:.3f}", value, then.get(name), digits=3)


def passed_cases(summary: Summary, last: Summary | None) -> dict[str, Figure]:
    """By kind of case: how many passed. Numbers of passes compare only where as many cases were graded."""
    then = last["evaluate"]["scores"] if last and last.get("evaluate") else {}
    found = {}
    name = "Cases passed" if is_whole(summary) else "Canary cases passed"
    for kind, score in summary["evaluate"]["scores"].items():
        same = kind in then and then[kind]["cases"] == score["cases"]
        before = then[kind]["passed"] if same else None
        found[kind] = _figure(name, f"{score['passed']} of {score['cases']}", score["passed"], before)
    return found


def slices(check: dict[str, Any]) -> list[Slice]:
    """nDCG@10 of the queries with each tag and in each language, the worst first."""
    groups = [("tag", check.get("by_tag", {})), ("language", check.get("by_language", {}))]
    found = [
        Slice(f"{kind} {name}", each["judged"], each["metrics"]["nDCG@10"], each["intervals"]["nDCG@10"])
        for kind, group in groups
        for name, each in group.items()
        if each["judged"]
    ]
    return sorted(found, key=lambda each: each.mean)


def spread(check: dict[str, Any]) -> list[int]:
    """How many queries have an nDCG@10 in each tenth, from 0 to 1."""
    tenths = Counter(min(int(10 * value), 9) for value in check.get("per_query", {}).values())
    return [tenths[tenth] for tenth in range(10)]


def moved_queries(summary: Summary, last: Summary | None) -> list[QueryMove]:
    """The labelled queries whose ranking changed, the greatest losses first."""
    then = last["check"].get("per_query", {}) if last else {}
    moves = [
        QueryMove(query, then[query], value)
        for query, value in summary["check"].get("per_query", {}).items()
        if query in then and abs(value - then[query]) >= NOTICEABLE
    ]
    return sorted(moves, key=lambda move: move.after - move.before)


def new_in_quarantine(summary: Summary, last: Summary | None) -> set[str]:
    """Documents that were not kept out in the night before; none are new in the first night."""
    if last is None:
        return set()
    now, then = ({item["doc_id"] for item in night["ingest"]["quarantine"]} for night in (summary, last))
    return now - then


def signed(difference: float, digits: int = 0) -> str:
    """A difference with its sign; empty where the digits shown do not differ."""
    text = f"{abs(difference):.{digits}f}"
    return "" if not float(text) else f"{'+' if difference > 0 else '−'}{text}"


def _figure(
    name: str, written: str, value: float, before: float | None, *, digits: int = 0, more_is_worse: bool = False
) -> Figure:
    if before is None:
        return Figure(name, written)
    change = signed(value - before, digits)
    return Figure(name, written, change, worse=bool(change) and (value > before) == more_is_worse)
