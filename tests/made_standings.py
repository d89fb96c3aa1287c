"""How an assistant stands after nights that never ran, of which the last may have broken cases."""

from datetime import date, timedelta

from evals.drift.results import Metric, Results
from evals.drift.streams import History
from evals.drift.verdict import judge

RUNS, STEADY, CASES = 5, 6, 20


def standing_after(broken, *, name="case", nights=3, cases=CASES):
    """The standing when, after steady nights, the first `broken` cases fail in so many nights. One case is flaky."""

    def run(failing, number):
        results = {f"{name}-{case:02d}": [float(case >= failing)] for case in range(cases)}
        return results | {f"{name}-{cases - 1:02d}": [float(number % 2)]}

    columns = [f"{date(2026, 11, 1) + timedelta(number)}" for number in range(RUNS + STEADY + nights)]
    runs = [run(broken if number >= RUNS + STEADY else 0, number) for number in range(len(columns))]
    history = History("first", tuple(runs[:RUNS]), tuple(runs[RUNS:]), tuple(columns[RUNS:]))
    slices = {f"{name}s": frozenset(runs[0])}
    metrics = (Metric("pass", "binary", history),)
    return judge(Results(metrics, "first", tuple(columns[:RUNS]), RUNS, tuple(columns[RUNS:]), slices, ()))
