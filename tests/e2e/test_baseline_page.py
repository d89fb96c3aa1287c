"""docs/baselines.md is true: its commands, over recorded nights, say what it shows, but for figures."""

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from checkout import ROOT, Checkout, assert_quiet, copy_project

from flows.connect import Connections
from flows.drift import standing_of
from flows.params import Project

PAGE = (ROOT / "docs/baselines.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r'^```bash title="with a baseline"\n(.*?)\n```', PAGE, re.MULTILINE | re.DOTALL)
SHOWN = re.findall(r"^```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


class Nights:
    """Nights of `support`, one a day from the first of November, each judged before it is finished."""

    def __init__(self, checkout: Checkout):
        self._checkout = checkout
        self._day = date(2026, 11, 1)

    def run(self, *, broken: int = 0) -> str:
        """A night in which the first so many of 69 cases fail, and the line its screen shows."""
        state = self._checkout.folder / "state"
        state.mkdir(exist_ok=True)
        connections = Connections(Project(self._checkout.folder, state, f"sqlite:///{state / 'plumbline.db'}", None))
        night = connections.history.begin_night("support", self._day, 1)
        self._day += timedelta(1)
        release = connections.release(connections.manifest("support"))
        row = {"assistant": "support", "night": night.name, "suite": "customers", "repeat": 0, "kind": "answerable"}
        row |= {"case_digest": "d", "release": release, "collection_version": 3, "scores": [], "latency_ms": 1.0}
        row |= {"cost_usd": 0.001, "recorded_at": datetime.now(UTC), "spans": []}
        row |= {"answer": {"text": "ten days", "usage": {"input_tokens": 9, "output_tokens": 2}}}
        cases = [{**row, "case_id": f"case-{number}", "passed": number >= broken} for number in range(69)]
        connections.history.record_results(cases)
        standing = standing_of(connections, "support", tonight=night.name)
        connections.history.note_night(night, status="finished", summary={"release": release})
        return f"Verdict      {standing.verdict}: {standing.reason}\n"


def form(screen: str) -> str:
    """Without its digests and figures, and which stream leads: ties are broken by the baseline's random name."""
    plain = re.sub(r"stream '\w+'", "stream #", screen)
    return re.sub(r"\d[\d.,:e+-]*", "#", re.sub(r"\b[0-9a-f]{16}\b", "#", plain))


def test_the_page_shows_what_nights_and_commands_say(tmp_path: Path) -> None:
    checkout = copy_project(tmp_path)
    nights = Nights(checkout)
    show, accept, reset, make = [command.split(" --reason ")[0].split()[1:] for command in COMMANDS]
    assert "there is none" in checkout.error(*show)
    said = [[nights.run() for _ in range(10)][-1], nights.run()]
    said.append(checkout.run(*show).stdout)
    said.append(nights.run(broken=8))
    assert checkout.run(*reset, "--reason", "a grader was wrong").stdout.splitlines()[-1] == "Reset after  2026-11-12"
    assert nights.run().startswith("Verdict      steady")
    checkout.edit("knowledge/manifests/support.yaml", "limit: 6", "limit: 4")
    said.append(nights.run())
    said.append(checkout.run(*accept, "--reason", "four passages").stdout)
    said.append(checkout.error(*make) + "\n")
    assert [form(each) for each in said] == [form(each) for each in SHOWN]
    assert_quiet("".join(said))
