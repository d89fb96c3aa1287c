"""What a person reads on the screen after a command."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from flows.changes import counted

NAMED = 20  # documents in quarantine that an ingest names on the screen


def ingest(row: dict[str, Any]) -> str:
    """Documents and chunks indexed, and what was kept out and why."""
    counts = row["documents"]
    done = ", ".join(f"{counts[name]} {name}" for name in counts if counts[name]) or "no documents"
    lines = [
        f"Collection   {row['collection']}, version {row['version']} (candidate)",
        f"Documents    {done}",
        f"Chunks       {row['chunks']}, {row['texts_embedded']} texts embedded",
    ]
    if corpus := row["corpus"]:
        lines.append(f"Corpus       {corpus['documents']} documents kept, revision {corpus['revision'][:12]}")
        lines += [f"Unsent       {corpus['unsent']}"] if corpus["unsent"] else []
    lines += _hygiene(row)
    kept_out = row["quarantine"]
    lines += [f"Quarantine   {each['doc_id']}: {each['reason']} ({each['detail']})" for each in kept_out[:NAMED]]
    if len(kept_out) > NAMED:
        reasons = by_reason(Counter(each["reason"] for each in kept_out))
        lines.append(f"Quarantine   {len(kept_out) - NAMED} more; of all {len(kept_out)}: {reasons}")
    return "\n".join(lines)


def _hygiene(row: dict[str, Any]) -> Iterator[str]:
    """What was found in the documents; nights of earlier releases do not tell of it."""
    found = row.get("near_duplicates")
    if found and found["count"]:
        first = found["pairs"][0]
        left_out = ", left out of searches" if found["collapsed"] else ""
        yield (
            f"Duplicates   {counted(found['count'], 'near-duplicate')}{left_out}; the first is {first['doc_id']}, "
            f"{first['similarity']:.2f} as {first['duplicate_of']}"
        )
    if findings := row.get("findings"):
        told = (f"{kind} in {counted(number, 'passage')}" for kind, number in findings.items())
        yield f"Findings     {', '.join(told)}"


def check(row: dict[str, Any]) -> str:
    """Freshness by source, retrieval scores, what serves."""
    lines = _freshness(row)
    scores = ", ".join(f"{name} {value:.3f}" for name, value in row["metrics"].items())
    lines.append(f"Retrieval    {scores or 'not measured'} ({row['queries']} labelled queries)")
    lines.append(f"Gate         {row['verdict']} ({row['reason']})")
    production = row["production_version"]
    just_now = " (moved just now)" if row["moved"] else " (went back just now)" if row.get("rolled_back") else ""
    lines.append(f"Serves       version {production}{just_now}" if production else "Serves       nothing yet")
    return "\n".join(lines)


def freshness(row: dict[str, Any]) -> str:
    """Freshness by source, and the documents that are past their target."""
    lines = _freshness(row)
    for each in row["freshness"]:
        lines += [f"Late         {doc_id}" for doc_id in each["late"][:NAMED]]
        lines += [f"Late         {len(each['late']) - NAMED} more of {each['source']}"] if each["late"][NAMED:] else []
    return "\n".join([*lines, f"Serves       version {row['version']}"])


def _freshness(row: dict[str, Any]) -> list[str]:
    lines = []
    for each in row["freshness"]:
        kinds = ("stale", "missing", "orphaned")  # nights of earlier releases know only `pending`
        counts = ", ".join(f"{len(each[kind])} {kind}" for kind in kinds if each.get(kind))
        counts = counts or (f"{len(each['pending'])} pending" if each["pending"] else "")
        state = f"{counts}, oldest {each['oldest_pending_hours']:.1f} h" if counts else "fresh"
        missed = "" if each["met"] else f", MISSED its target of {each['target_hours']:g} h"
        lines.append(f"Freshness    {each['source']}: {each['documents']} documents, {state}{missed}")
        if superseded := each.get("superseded"):
            lines.append(f"Superseded   and still found: {', '.join(superseded[:NAMED])}")
    return lines


def evaluate(row: dict[str, Any]) -> str:
    """Pass rate by kind of case, flips, verdict."""
    lines = []
    for kind, score in row["scores"].items():
        low, high = score["interval"] or (0.0, 1.0)
        rate = "not graded" if score["rate"] is None else f"{score['rate']:4.0%}  ({low:.0%} to {high:.0%})"
        lines.append(f"Cases        {kind:<18} {score['passed']:>3} of {score['cases']:<3} {rate}")
    if comparison := row["comparison"]:
        lines.append(
            f"Compared     with night {comparison['night']}: {len(comparison['lost'])} lost, "
            f"{len(comparison['gained'])} gained of {comparison['compared']} cases"
        )
        lines += [f"             lost {name}" for name in comparison["lost"]]
        lines += [f"             gained {name}" for name in comparison["gained"]]
    for reason, names in _by_reason(row["missing"]).items():
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        lines.append(f"Missing      {', '.join(names[:5])}{more}: {reason}")
    if plan := row.get("plan"):
        tonight = f"{-plan['saved']:,} more than there are" if plan["saved"] < 0 else f"{plan['saved']:,} saved tonight"
        since = f"{plan['saved_since_baseline']:,} saved since the baseline"
        lines.append(f"Asked        {plan['asked']} for {plan['cases']} cases, {tonight}, {since}: {plan['reason']}")
    lines.append(f"Verdict      {row['verdict']}: {row['verdict_reason']}")
    lines.append(f"Cost         {row['cost_usd']:.4f} USD")
    return "\n".join(lines)


def _by_reason(missing: list[dict[str, Any]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for each in missing:
        found.setdefault(each["reason"], []).append(f"{each['suite']}/{each['case']}")
    return found


def night(row: dict[str, Any]) -> str:
    """The whole night."""
    parts = [
        f"Night        {row['night']} of '{row['assistant']}'",
        *([f"Changed      {row['changed']}"] if "changed" in row else []),
        ingest(row["ingest"]),
        check(row["check"]),
    ]
    if row["evaluate"]:
        parts.append(evaluate(row["evaluate"]))
    else:
        parts.append(f"Verdict      {row['verdict']}: {row['verdict_reason']}")
    if row.get("assessments"):
        parts.append(f"People       {_people(row['assessments'])}")
    parts.append(f"Report       {row['report']}\nMLflow run   {row['mlflow_run_id']}")
    return "\n".join(parts)


def _people(assessments: list[dict[str, Any]]) -> str:
    named = ", ".join(
        f"{each['suite']}/{each['case_id']} {each['name']}: {each['value']} ({each['source']})"
        for each in assessments[:3]
    )
    more = f" and {len(assessments) - 3} more" if len(assessments) > 3 else ""
    return f"said in MLflow: {named}{more}"


def search(content: dict[str, Any]) -> str:
    """Passages, best first."""
    if not content["passages"]:
        return "No passage that this reader may see matches, within the bounds that were given."
    return "\n\n".join(
        f"{number}. {each['title']}  ({each['doc_id']}, {', '.join(_of_passage(each))})\n{each['text']}"
        for number, each in enumerate(content["passages"], start=1)
    )


def _of_passage(row: dict[str, Any]) -> Iterator[str]:
    """What a passage says of itself."""
    yield f"score {row['score']:.2f}"
    yield f"cosine {row['vector_score']:.2f}"
    if row["superseded_by"]:
        yield f"superseded by {row['superseded_by']}"
    if row["collapsed"]:
        yield f"and {counted(row['collapsed'], 'near-duplicate')}"
    if row["joined"]:
        yield f"with {counted(len(row['joined']), 'passage')} around it"


def answer(content: dict[str, Any]) -> str:
    """The answer with what it cites."""
    lines = [content["text"], ""]
    lines += [f"[{each['number']}] {each['doc_id']}" for each in content["citations"]]
    model = content["model"]
    served = f" as {content['served_model']}" if content["served_model"] not in (model, model.partition("/")[2]) else ""
    cost = f", {content['cost_usd']:.6f} USD" if content["cost_usd"] else ""
    instead = f"; instead of {content['fallback']}" if content["fallback"] else ""
    about = f"{model}{served}, {content['latency_ms']:.0f} ms{cost}{instead}"
    lines.append(f"({content['outcome']}: {content['reason']}; {about})")
    return "\n".join(lines)


def status(content: dict[str, Any]) -> str:
    """What serves and how the last nights went."""
    lines = []
    for each in content["pointers"]:
        versions = ", ".join(f"{name} version {version}" for name, version in each["versions"].items())
        lines.append(f"Serves       {each['assistant']}: {versions}, since {each['moved_at']} ({each['reason']})")
    for each in content["nights"]:
        end = f"{each['verdict']}: {each['verdict_reason']}" if each["verdict"] else each["status"]
        lines.append(f"Last night   {each['assistant']} {each['night']}: {end}")
        if each["report"]:
            lines.append(f"Report       {each['report']}")
    lines += [f"Server       {name}: {where}" for name, where in content["servers"].items()]
    return "\n".join(lines) or "Nothing has run yet. `make nightly` runs the first night."


def by_reason(reasons: Mapping[str, int]) -> str:
    """`2 corrupt, 1 empty`."""
    return ", ".join(f"{number} {reason}" for reason, number in reasons.items())


def up(content: dict[str, Any]) -> str:
    """Where the servers are."""
    urls = {each["name"]: each["url"] for each in content["servers"]}
    lines = []
    if "prefect" in urls:
        lines.append(f"Prefect      {urls['prefect']}")
    if "mlflow" in urls:
        lines.append(f"MLflow       {urls['mlflow']}")
    lines.append("Worker       polls the work pool 'plumbline'; `plumbline down` stops them all, and the state stays")
    return "\n".join(lines)


def down(content: dict[str, Any]) -> str:
    """What was stopped."""
    return f"Stopped      {', '.join(content['stopped']) or 'nothing: no server of this state folder was running'}"


def snapshots(content: dict[str, Any]) -> str:
    """The nights of a collection and what is kept of them."""
    lines = [
        f"{each['night']:<27}version {each['version']:<5}{each['documents']} documents, "
        + (f"revision {each['revision'][:12]}" if each["revision"] else "not kept: no source is versioned")
        for each in content["snapshots"]
    ]
    return "\n".join(lines) or f"No night of collection '{content['collection']}' is kept yet."


def spending(content: dict[str, Any]) -> str:
    """What the calls cost."""
    if not content["spending"]:
        return "No call has been paid" + (f" since {content['since'][:10]}." if content["since"] else " yet.")
    lines = [
        f"{each['assistant']:<14} {each['purpose']:<8} {each['model']:<24} {each['calls']:>7} calls, "
        f"{each['input_tokens']} tokens in, {each['output_tokens']} out, {each['cost_usd']:.4f} USD" + _odd(each)
        for each in content["spending"]
    ]
    return "\n".join([*lines, f"Cost         {content['cost_usd']:.4f} USD in {content['calls']} calls"])


def _odd(row: dict[str, Any]) -> str:
    told = (("failed", "failed"), ("unknown", "of unknown outcome"), ("open", "under way"))
    found = ", ".join(f"{row[name]} {words}" for name, words in told if row[name])
    return f" ({found})" if found else ""


def exported(content: dict[str, Any]) -> str:
    """Where the audit trail is."""
    return f"Exported     {content['calls']} calls to {content['file']}, {content['bytes'] / 1e6:.1f} MB"


def restored(content: dict[str, Any]) -> str:
    """What came back, and where it is."""
    return f"Restored     {content['documents']} documents of night {content['night']} to {content['folder']}"
