"""What changed since the last night, and what moved with it, in one sentence. Pure: two summaries in, words out."""

from collections.abc import Iterator
from typing import Any

from evals.retrieval import MEASURES

DOCUMENT_CHANGES = ("changed", "added", "deleted", "renamed", "copied")


def what_changed(summary: dict[str, Any], before: dict[str, Any] | None) -> str:
    """The sentence a night begins with; `before` is the last finished night's summary, None at the first.

    Summaries of earlier versions lack some of the keys; what is not known is not told.
    """
    if before is None:
        return "The first night: there is none before it to compare with."
    parts = [
        *_documents(summary["ingest"], before["ingest"]),
        *_quarantine(summary["ingest"], before["ingest"]),
        *_freshness(summary["check"], before["check"]),
        *_retrieval(summary["check"], before["check"]),
        *_gate(summary["check"], before["check"]),
        *_answers(summary.get("evaluate"), before.get("evaluate")),
        *_release(summary, before),
    ]
    return f"Since {before['night']}: {'; '.join(parts) or 'nothing changed'}."


def is_whole(summary: dict[str, Any]) -> bool:
    """Was the night that says this no canary alone?"""
    plan = (summary.get("evaluate") or {}).get("plan")
    return plan is None or plan["asked"] >= plan["cases"]


def counted(number: int, noun: str) -> str:
    """A number with its noun, in the plural where it needs one."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def listed(words: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def joint_cases(tonight: dict[str, Any], before: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """The rows of the cases that ask the same question in two nights' evaluations: last night's and tonight's."""
    then = {(row["suite"], row["case"], row["question"]): row for row in before["cases"]}
    for row in tonight["cases"]:
        if old := then.get((row["suite"], row["case"], row["question"])):
            yield old, row


def _documents(tonight: dict[str, Any], before: dict[str, Any]) -> Iterator[str]:
    counts = [(tonight["documents"].get(name, 0), name) for name in DOCUMENT_CHANGES]
    told = [f"{number} {name}" for number, name in counts if number]
    if told:
        number, _, name = told[0].partition(" ")
        yield ", ".join([f"{counted(int(number), 'document')} {name}", *told[1:]])
    elif tonight["version"] != before["version"] and tonight["collection"] == before["collection"]:
        # by hand, or before the night was cut short: tonight's own plan then finds nothing left to do
        yield f"documents changed before this run (version {before['version']} -> {tonight['version']})"


def _quarantine(tonight: dict[str, Any], before: dict[str, Any]) -> Iterator[str]:
    now, then = ({item["doc_id"] for item in each["quarantine"]} for each in (tonight, before))
    if now - then:
        yield f"{len(now - then)} new in quarantine"
    if then - now:
        yield f"{len(then - now)} out of quarantine"


def _freshness(tonight: dict[str, Any], before: dict[str, Any]) -> Iterator[str]:
    now, then = ({each["source"]: each["met"] for each in night["freshness"]} for night in (tonight, before))
    late = sorted(name for name, met in now.items() if not met and then.get(name, True))
    fresh = sorted(name for name, met in now.items() if met and not then.get(name, True))
    if late:
        yield f"{listed(late)} missed {'their' if len(late) > 1 else 'its'} freshness target"
    if fresh:
        yield f"{listed(fresh)} {'are' if len(fresh) > 1 else 'is'} fresh again"


def _retrieval(tonight: dict[str, Any], before: dict[str, Any]) -> Iterator[str]:
    """The measure that weighs ranks most finely speaks for all, unless it alone stood still."""
    for name in reversed(MEASURES):
        now, then = (
            f"{each['metrics'][name]:.3f}" if name in each["metrics"] else "none" for each in (tonight, before)
        )
        if now != then:
            yield f"{name} {then} -> {now}"
            break
    if tonight["queries"] != before["queries"]:
        yield f"labelled queries {before['queries']} -> {tonight['queries']}"


def _gate(tonight: dict[str, Any], before: dict[str, Any]) -> Iterator[str]:
    if tonight["verdict"] != before["verdict"]:
        yield f"gate {before['verdict']} -> {tonight['verdict']}"


def _answers(tonight: dict[str, Any] | None, before: dict[str, Any] | None) -> Iterator[str]:
    if tonight is None or before is None:
        if tonight or before:
            yield "answers are evaluated again" if tonight else "answers were not evaluated"
        return
    comparison = tonight["comparison"] or {"lost": [], "gained": [], "compared": len(tonight["cases"])}
    lost, gained = len(comparison["lost"]), len(comparison["gained"])
    if lost:
        yield f"{counted(lost, 'case')} lost" + (f", {gained} gained" if gained else "")
    elif gained:
        yield f"{counted(gained, 'case')} gained"
    flipped = {*comparison["lost"], *comparison["gained"]}
    reworded = sum(
        old["answer"] != new["answer"] and f"{new['suite']}/{new['case']}" not in flipped
        for old, new in joint_cases(tonight, before)
    )
    if reworded:
        yield f"{counted(reworded, 'other answer' if flipped else 'answer')} reworded"
    if apart := len(tonight["cases"]) - comparison["compared"]:
        yield f"{counted(apart, 'case')} could not be compared"


def _release(tonight: dict[str, Any], before: dict[str, Any]) -> Iterator[str]:
    now, then = (each.get("release_parts") for each in (tonight, before))
    if now and then:
        new = [f"the {name}" for name in now if name in then and now[name] != then[name]]
        if new:
            yield f"{listed(new)} {'is' if len(new) == 1 and not new[0].endswith('s') else 'are'} new"
    elif tonight["release"] != before["release"] and "none" not in (tonight["release"], before["release"]):
        yield "the release is new"
