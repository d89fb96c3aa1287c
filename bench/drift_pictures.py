"""The pictures of docs/evidence.md, and the figures that it quotes.

    python -m bench.drift_pictures [DIR]

Prints the figures and, given a folder, writes the pictures there. Takes three to six minutes on two cores; seeds are
fixed and no date is written, so with the locked versions a second run makes the same files, byte for byte. The null
nights are those of `bench.drift` for G1 and G2 at 200 cases.
"""

import argparse
import multiprocessing
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.drift import YEAR, null_cells
from bench.drift_rules import OURS, SEED, history_of, mcnemar_p_values, our_alarms, peers
from bench.drift_worlds import Change, Nights, World, changed_nights, null_nights
from evals.drift.decision import ALARM, Decision, Stream, decide, weights
from evals.drift.streams import p_values

MCNEMAR = "McNemar p < .05, one run"
SHOWN = (MCNEMAR, "CUSUM on plugged-in rates", "3 sigma over 14 nights", "score 5 points below")
CHANGE_NIGHT, LAST_NIGHT = 30, 60
BROKEN = Change(lost=0.02)
WORLDS = {"null": 0, "shocked": 2}  # where the cells of 200 cases stand in the table of `bench.drift`

LEAST_EVIDENCE, MOST_EVIDENCE = 0.01, 1e6  # where the axis ends; what is beyond is drawn there

BLUE, RED, GREY, PALE = "#1f5fa8", "#c2410c", "#6b7280", "#e5e7eb"
STYLE = {
    "svg.hashsalt": "plumbline",  # ids of the file come from it, else from chance
    "svg.fonttype": "none",  # text stays text: a third of the size
    "font.sans-serif": ["DejaVu Sans", "sans-serif"],
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.titlesize": 10,
    "ytick.minor.size": 0,
    "axes.titlelocation": "left",
}


@dataclass(frozen=True, slots=True)
class Followed:
    """Nights, what plumbline decided after each, and McNemar's p-value of each against the first baseline run."""

    nights: Nights
    decisions: Sequence[Decision]
    mcnemar: Sequence[float]

    @property
    def evidence(self) -> list[float]:
        return [max(each.evidence.values()) for each in self.decisions]


def year_of(world: str, number: int) -> Nights:
    """The year with this number of those in which nothing changes."""
    place = WORLDS[world]
    cell = null_cells(short=False)[place]
    return null_nights(cell.world, cell.nights, np.random.default_rng([SEED, place, number]))


def peers_alarms(world: str) -> dict[str, list[int]]:
    """By rule, the false alarms of each year."""
    years = [year_of(world, number) for number in range(null_cells(short=False)[WORLDS[world]].replications)]
    return {rule: [len(peers()[rule](nights)) for nights in years] for rule in SHOWN}


def our_alarms_of(world: str, number: int) -> int:
    """Our false alarms of a year, with a reset after each."""
    return len(our_alarms(year_of(world, number), f"{SEED} {WORLDS[world]} {number}"))


def count_alarms() -> dict[str, dict[str, list[int]]]:
    """By world and rule, the false alarms of each year."""
    found = {world: peers_alarms(world) for world in WORLDS}
    years = [(world, number) for world in WORLDS for number in range(len(found[world][MCNEMAR]))]
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        ours = list(pool.map(our_alarms_of, *zip(*years, strict=True)))
    for (world, _), alarms in zip(years, ours, strict=True):
        found[world].setdefault(OURS, []).append(alarms)
    return found


def usual_year(alarms: Sequence[int]) -> int:
    """The year whose number of alarms is nearest the mean of all."""
    return int(np.argmin(np.abs(np.array(alarms) - np.mean(alarms))))


def follow(nights: Nights, name: str) -> Followed:
    history, shares = history_of(nights, name), weights([])
    streams = [Stream(kind, shares[kind], p_values(history, kind, kind)) for kind in ("fail", "pass")]
    return Followed(nights, decide(streams), mcnemar_p_values(nights))


def follow_year(number: int) -> Followed:
    return follow(year_of("null", number), f"{SEED} {WORLDS['null']} {number}")


def follow_drift() -> Followed:
    nights = changed_nights(
        World(), BROKEN, LAST_NIGHT - CHANGE_NIGHT + 1, np.random.default_rng(SEED), before=CHANGE_NIGHT - 1
    )
    return follow(nights, f"{SEED} drift")


def alarm_table(found: Mapping[str, Mapping[str, Sequence[int]]]) -> list[str]:
    """A row a rule: of the years the mean, the median and the worst, for each world."""
    cell = null_cells(short=False)[WORLDS["null"]]
    suite = f"{cell.world.cases} cases, a baseline of {cell.world.baseline_runs} runs, {cell.replications} years"
    return [
        suite,
        "",
        f"{'False alarms a year':<28}{'nothing changes':>24}{'and nights are shocked':>26}",
        f"{'':<28}{'mean  median   worst':>24}{'mean  median   worst':>26}",
        *(alarm_row(rule, found) for rule in found["null"]),
    ]


def alarm_row(rule: str, found: Mapping[str, Mapping[str, Sequence[int]]]) -> str:
    years = [np.array(found[world][rule]) for world in WORLDS]
    cells = [f"{of.mean():>8.2f}{np.median(of):>8g}{of.max():>8}" for of in years]
    return f"{rule:<28}" + "  ".join(cells)


def year_row(year: Followed) -> str:
    low = sum(p < 0.05 for p in year.mcnemar)
    return f"The year shown: McNemar p < .05 in {low} nights, the evidence at most {max(year.evidence):,.0f}"


def drift_rows(drift: Followed) -> list[str]:
    """The nights, counted from 1, in which each rule sounds."""
    rates = drift.nights.nights.mean(axis=1)
    before, since = rates[: drift.nights.before].mean(), rates[drift.nights.before :].mean()
    cases = drift.nights.results.shape[1]
    last = drift.decisions[-1]
    alarm = "never" if last.alarm_night is None else f"{last.alarm_night + 1}, since {last.leading.since + 1}"
    return [
        f"The drift shown: {round(BROKEN.lost * cases)} of {cases} cases break in night {CHANGE_NIGHT}",
        f"{'cases passed, mean':<28}{before:.1%} before, {since:.1%} since",
        *(f"{rule:<28}{_nights(peers()[rule](drift.nights))}" for rule in SHOWN),
        f"{OURS:<28}{alarm}",
    ]


def _nights(found: Sequence[int], most: int = 5) -> str:
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(str(night + 1) for night in found[:most]) + more or "never"


@matplotlib.rc_context(STYLE)
def draw_year(year: Followed) -> Figure:
    """p-values of the nights, and under them the evidence of the same nights."""
    figure = Figure(figsize=(8, 4.8), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    nights = np.arange(1, YEAR + 1)
    p = np.array(year.mcnemar)
    low = p < 0.05
    above.plot(nights[~low], p[~low], ".", color=GREY, markersize=2.5)
    above.plot(nights[low], p[low], "o", color=RED, markersize=5)
    above.axhline(0.05, color=RED, linestyle="--", linewidth=1)
    above.set_yscale("log")
    above.set_ylim(p.min() / 1.6, 1.6)
    above.set_yticks([0.01, 0.05, 0.2, 1], ["0.01", "0.05", "0.2", "1"])
    above.set_ylabel("p-value (log)")
    above.set_title(f"McNemar against one baseline run: {low.sum()} nights below .05, every one a false alarm")
    draw_evidence(below, year, "The evidence of the same nights")
    below.set_xlabel("night of a year in which nothing changes")
    below.set_xlim(0, YEAR + 1)
    return figure


@matplotlib.rc_context(STYLE)
def draw_drift(drift: Followed) -> Figure:
    """The pass rate of baseline and nights, and under it the evidence."""
    figure = Figure(figsize=(8, 4.8), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    rates = 100 * drift.nights.results.mean(axis=1)
    runs = drift.nights.baseline_runs
    places = np.arange(len(rates)) - runs + 1
    above.plot(places[:runs], rates[:runs], "o-", color=GREY, markersize=3, linewidth=1)
    above.plot(places[runs:], rates[runs:], "o-", color=BLUE, markersize=3, linewidth=1)
    above.text(1 - runs, rates.min(), "baseline", color=GREY)
    above.set_ylabel("cases passed, %")
    above.set_title(f"Pass rate: {100 * BROKEN.lost:g} % of the cases break in night {CHANGE_NIGHT}")
    draw_evidence(below, drift, "Evidence")
    for axes in (above, below):
        axes.axvline(CHANGE_NIGHT - 0.5, color=RED, linewidth=1, linestyle=":")
        axes.axvline(0.5, color=GREY, linewidth=0.8)
    below.set_xlabel("night")
    return figure


def draw_evidence(axes: Axes, followed: Followed, title: str) -> None:
    evidence = np.array(followed.evidence)
    shown = np.clip(evidence, LEAST_EVIDENCE, MOST_EVIDENCE)
    axes.plot(np.arange(1, len(evidence) + 1), shown, color=BLUE, linewidth=1.4)
    axes.axhline(ALARM, color=RED, linestyle="--", linewidth=1)
    axes.text(1, ALARM * 1.6, "alarm at 1,000", color=RED)
    axes.set_yscale("log")
    axes.set_ylim(LEAST_EVIDENCE, 2 * MOST_EVIDENCE)
    axes.set_yticks([0.01, 1, 100, 1e4, 1e6], ["0.01", "1", "100", "10,000", "1,000,000"])
    axes.set_ylabel("evidence (log)")
    sounded = followed.decisions[-1].alarm_night
    axes.set_title(f"{title}: " + ("no alarm" if sounded is None else f"alarm in night {sounded + 1}"))


@matplotlib.rc_context(STYLE)
def draw_alarms(found: Mapping[str, Mapping[str, Sequence[int]]]) -> Figure:
    """False alarms a year by rule, one bar for each world."""
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    axes = figure.subplots()
    rules = list(found["null"])
    labels = {"null": "nothing changes", "shocked": "nothing changes, nights shocked by 1 point"}
    for offset, (world, colour) in zip((-0.19, 0.19), (("null", BLUE), ("shocked", PALE)), strict=True):
        means = [float(np.mean(found[world][rule])) for rule in rules]
        places = np.arange(len(rules)) + offset
        axes.barh(places, means, 0.36, color=colour, edgecolor=BLUE, linewidth=0.8, label=labels[world])
        for place, mean in zip(places, means, strict=True):
            axes.text(mean + 0.3, place, f"{mean:.2f}", va="center", color=GREY)
    axes.set_yticks(np.arange(len(rules)), rules)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.08 * max(np.mean(alarms) for of_world in found.values() for alarms in of_world.values()))
    axes.set_xlabel("false alarms a year")
    axes.legend(frameon=False, loc="lower right")
    return figure


@matplotlib.rc_context(STYLE)
def save(figure: Figure, path: Path) -> None:
    figure.savefig(path, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))


def make(folder: Path | None) -> None:
    """Print the figures, and write the pictures into the folder."""
    found = count_alarms()
    year, drift = follow_year(usual_year(found["null"][MCNEMAR])), follow_drift()
    print("\n".join([*alarm_table(found), "", year_row(year), "", *drift_rows(drift)]))
    if folder:
        save(draw_year(year), folder / "evidence-year.svg")
        save(draw_drift(drift), folder / "evidence-drift.svg")
        save(draw_alarms(found), folder / "evidence-alarms.svg")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", metavar="DIR")
    make(parser.parse_args().folder)


if __name__ == "__main__":
    main()
