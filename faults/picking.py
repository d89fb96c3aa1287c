"""Which calls meet with which fault. The draws depend on the number of the call alone, so a run can be repeated."""

from collections.abc import Mapping, Sequence
from typing import Any

from faults.settings import Rule, Seconds, Spread
from faults.words import draw

CHAT = "/v1/chat/completions"
EMBEDDINGS = "/v1/embeddings"
_CHAT_ONLY = {"empty_choices", "content_filter", "content_filter_prompt", "wrong_schema"}
_ON_THE_WIRE = {"hang", "reset", "reset_midway", "slow_drip", "malformed"}  # nothing of it can stand in a batch's file


class Picker:
    """Applies the rules in their order; the shares of rules that cover the same call add up."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = [(rule, [0]) for rule in rules]

    def pick(self, path: str, content: Mapping[str, Any], *, number: int | str) -> Rule | None:
        """The rule for a call; None: it goes well. number: of the call since the reset, or what else it is known by."""
        if not self._rules:
            return None
        at, low = draw("fault", number), 0.0
        picked = None
        for rule, covered in self._rules:
            if not rule.covers(path, str(content.get("model", ""))) or not _applies(rule, path, content):
                continue
            covered[0] += 1
            if rule.share is not None:
                hit = low <= at < low + rule.share
                low += rule.share
            elif rule.every is not None:
                hit = covered[0] % rule.every == 0
            else:
                hit = rule.first is None or covered[0] <= rule.first
            picked = picked or (rule if hit else None)
        return picked


def _applies(rule: Rule, path: str, content: Mapping[str, Any]) -> bool:
    if rule.kind in _CHAT_ONLY and not path.endswith(CHAT):
        return False
    if rule.kind in _ON_THE_WIRE and not path.startswith("/"):
        return False
    form = content.get("response_format")
    return rule.kind != "wrong_schema" or (isinstance(form, dict) and form.get("type") == "json_schema")


def seconds_of(given: Seconds, number: int) -> float:
    """A fixed time, or the one within the spread that belongs to the call of this number."""
    if isinstance(given, Spread):
        return given.low + (given.high - given.low) * draw("seconds", number)
    return given
