"""What a person reads on the screen of baselines and of watched results."""

from typing import Any

from flows.changes import counted


def baseline(content: dict[str, Any]) -> str:
    """What nights are held against."""
    ended = f", ended {content['ended_at']}" if content["ended_at"] else ""
    lines = [
        f"Baseline     {content['id']}, release {content['release']}{ended}",
        f"Runs         {', '.join(content['runs'])}",
    ]
    if content["canary"]:
        lines.append(f"Canary       {len(content['canary'])} cases, chosen from {', '.join(content['pilot'])}")
    if content["resets"]:
        lines.append(f"Reset after  {', '.join(content['resets'])}")
    return "\n".join(lines)


def watch(content: dict[str, Any]) -> str:
    """Whether something drifted, and the evidence of each stream."""
    baseline = content["baseline"]
    last = f", the last of them {content['last_night']}" if content["last_night"] else ""
    since = f"{content['nights']} since{last}"
    lines = [
        f"Results      {counted(content['cases'], 'case')}, baseline of {counted(baseline['runs'], 'night')}, {since}",
        f"Verdict      {content['verdict']}: {content['reason']}",
    ]
    for stream, evidence in content["evidence"].items():
        certain = ", an alarm by itself" if stream in content["certain"] else ""
        lines.append(f"Evidence     {stream:<18} {evidence:>12.3g}{certain}")
    if drop := content["drop"]:
        low, high = 100 * drop["low"], 100 * drop["high"]
        lines.append(f"Drop         {100 * drop['drop']:.1f} points since ({low:.1f} to {high:.1f}, valid every night)")
    for each in content["moved_slices"][:5]:
        means = f"{each['before']:.3g} before, {each['since']:.3g} since"
        lines.append(f"Slice        {_one_line(each['name'])}, {each['cases']} cases: {means}")
    for each in content["carrying_cases"][:5]:
        lines.append(
            f"Case         {_one_line(each['case'])}: passed {each['before']:.0%} before, {each['since']:.0%} since"
        )
    if content["evidence"]:
        lines.append(f"Sees         {least_drop(content)}")
    if content["not_followed"]:
        lines.append(f"Not followed {', '.join(content['not_followed'])}: no value in the baseline")
    if content["page"]:
        lines.append(f"Page         {content['page']}")
    return "\n".join(lines)


def _one_line(name: str, longest: int = 60) -> str:
    shown = "".join(sign if sign.isprintable() else " " for sign in name)
    return shown if len(shown) <= longest else f"{shown[:longest]}…"


def least_drop(content: dict[str, Any]) -> str:
    """What a watched suite can see, so that nobody reads silence as health."""
    least = content["minimal_detectable_drop"]
    if least:
        share = f"{least['share']:.0%} of {least['replications']} simulations"
        return (
            f"a drop of {least['drop_points']:.1f} points ({least['cases']} cases that break) within {least['nights']} "
            f"nights, in {share}"
        )
    if "fail" in content["evidence"]:
        return "no drop within 7 nights, whatever breaks: add cases, or runs to the baseline"
    return "nothing of passes and failures: no metric is 0 or 1"
