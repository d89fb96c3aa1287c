"""The flow `take runs`: a baseline at once, by asking every case as often as nights are missing."""

from dataclasses import replace

from prefect import flow

from flows.changes import counted
from flows.collecting import collected, make_baseline, nights_wanted
from flows.connect import connect
from flows.evaluate import answer_cases, prepare_exam
from flows.exam import Exam
from flows.screen import say
from flows.state import hold_state
from knowledge.baseline import Baseline
from knowledge.errors import StateError


@flow(name="take runs", flow_run_name="baseline of {assistant}")
def take_runs(assistant: str, runs: int) -> Baseline:
    """Take the runs that a baseline of so many still lacks, and freeze it. Stopped, it goes on where it was."""
    connections = connect()
    with hold_state(connections.project, f"baseline {assistant}"):
        exam = prepare_exam(assistant, None, False)
        taken = take_missing(exam, runs)
        return make_baseline(connections, assistant, runs=runs, by="person", taken=taken)


def take_missing(exam: Exam, runs: int) -> tuple[str, ...]:
    """Ask every case once for each run that is missing. The names of these runs. Raises StateError."""
    connections = connect()
    finished = len(collected(connections, exam.assistant))
    lacking = max(nights_wanted(connections, runs=runs) - finished, 0)
    say(f"baseline: {counted(finished, 'night')} finished, {counted(lacking, 'run')} of {exam.cases} cases to take")
    number = connections.baselines.made(exam.assistant) + 1
    names = tuple(f"baseline {number} run {each}" for each in range(1, lacking + 1))
    for place, name in enumerate(names, 1):
        say(f"baseline: run {place} of {lacking}")
        outcome = answer_cases(replace(exam, night=name))
        if outcome.missing:
            missing, why = counted(len(outcome.missing), "case"), outcome.missing[0].reason.rstrip(".")
            raise StateError(f"{name}: {missing} missing: {why}. The same command goes on from there.")
    return names
