"""Nights that can wait, against the Batch API of the fault server: paid once, at half the price, whatever happens."""

import multiprocessing
import signal
from pathlib import Path

import pytest
from waiting import CASES, STEPS, Morning, Night, sleep_over

from faults.running import RunningServer
from faults.settings import Rule
from knowledge.errors import BatchError

# the killed process is a fork; it asks no store, so Lance's warning is not for it
pytestmark = pytest.mark.filterwarnings("ignore:lance is not fork-safe")

BATCH = "batch:/v1/chat/completions"
LOOKS = "/v1/batches/{id}"
WHOLE = dict.fromkeys(range(CASES), "You wrote")


@pytest.fixture
def night(fault_server: RunningServer, tmp_path: Path) -> Night:
    fault_server.set(batch_seconds=0.05)
    return Night(fault_server.base_url, f"sqlite:///{tmp_path / 'state.db'}")


def at_once() -> bool:
    return True


def change(night: Night, **fields: object) -> Night:
    return Night(**{**{name: getattr(night, name) for name in night.__dataclass_fields__}, **fields})


def die_at(night: Night, step: str) -> None:
    """The night in a process of its own, up to where it is killed."""
    # forked: it has all imports, and a tenth of a second is enough for it
    process = multiprocessing.get_context("fork").Process(target=sleep_over, args=(change(night, dies_at=step),))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL


def assert_whole(night: Night, morning: Morning, server: RunningServer) -> None:
    """Every case is answered, every request was charged once, and the ledger says what the server charged."""
    assert {number: text[:9] for number, text in morning.answers.items()} == WHOLE
    tallies = [server.calls(BATCH), server.calls()]
    assert sum(each.repeated for each in tallies) == 0
    assert sum(each.distinct for each in tallies) == 2 * CASES
    rows = night.rows()
    assert {row["status"] for row in rows} <= {"settled", "failed"}
    assert sum(row["cost_usd"] for row in rows) == pytest.approx(sum(each.cost_usd for each in tallies))
    assert all(job["ended_at"] for job in night.jobs())


def test_answers_and_then_their_judgements_are_bought_at_the_price_of_a_batch(
    night: Night, fault_server: RunningServer
) -> None:
    morning = sleep_over(night)
    assert_whole(night, morning, fault_server)
    assert (morning.paid_in_batches, morning.paid_directly) == (2 * CASES, 0)
    assert [(job["status"], job["model"]) for job in night.jobs()] == [("completed", "openai/small")] * 2
    rows = night.rows()
    dear = [(0.15 * row["input_tokens"] + 0.60 * row["output_tokens"]) / 1e6 for row in rows]
    assert [row["cost_usd"] for row in rows] == pytest.approx([each / 2 for each in dear])
    assert {row["batch"] for row in rows} == {job["id"] for job in night.jobs()}
    submitted = [line for line in morning.said if "submitted" in line]
    assert len(submitted) == 2
    assert all("12 calls to openai/small submitted, batch batch_" in line for line in submitted)


def test_a_night_that_is_run_again_submits_nothing(night: Night, fault_server: RunningServer) -> None:
    sleep_over(night)
    morning = sleep_over(night)
    assert_whole(night, morning, fault_server)
    assert (morning.paid_in_batches, morning.paid_directly, len(night.jobs())) == (0, 0, 2)


@pytest.mark.parametrize("step", STEPS)
def test_a_killed_night_goes_on_and_pays_nothing_twice(step: str, night: Night, fault_server: RunningServer) -> None:
    die_at(night, step)
    assert not all(job["ended_at"] for job in night.jobs())
    morning = sleep_over(night)
    assert_whole(night, morning, fault_server)
    assert len(night.jobs()) == 2
    assert fault_server.calls().received == 0
    assert fault_server.calls(BATCH).answered == 2 * CASES


def test_near_the_deadline_the_rest_is_bought_directly_once_the_batch_has_ended(
    night: Night, fault_server: RunningServer
) -> None:
    fault_server.set(batch_seconds=3)
    morning = sleep_over(change(night, over=lambda: fault_server.calls(BATCH).answered > 1))
    assert_whole(night, morning, fault_server)
    (job,) = night.jobs()
    assert job["status"] == "cancelled"
    assert 0 < morning.paid_in_batches < CASES
    assert morning.paid_directly == 2 * CASES - morning.paid_in_batches
    first_direct, last_look = (
        fault_server.calls().first_received_seconds,
        fault_server.calls(LOOKS).last_answered_seconds,
    )
    assert first_direct is not None
    assert last_look is not None
    assert last_look < first_direct
    assert {row["status"] for row in night.rows() if row["batch"]} == {"settled", "failed"}


def test_a_killed_night_that_goes_on_after_its_deadline_cancels_its_batch_first(
    night: Night, fault_server: RunningServer
) -> None:
    die_at(night, "begun")
    morning = sleep_over(change(night, over=at_once))
    assert_whole(night, morning, fault_server)
    assert [job["status"] for job in night.jobs()] in (["cancelled"], ["completed"])


def test_a_job_that_was_never_begun_is_dropped_after_the_deadline(night: Night, fault_server: RunningServer) -> None:
    die_at(night, "reserved")
    morning = sleep_over(change(night, over=at_once))
    assert_whole(night, morning, fault_server)
    assert (morning.paid_directly, fault_server.calls(BATCH).received) == (2 * CASES, 0)


def test_a_batch_that_does_not_end_stops_the_night_and_the_next_run_waits_on(
    night: Night, fault_server: RunningServer
) -> None:
    fault_server.set(batch_seconds=3)
    with pytest.raises(BatchError, match=r"it is still '.*Run the same command again"):
        sleep_over(change(night, over=lambda: fault_server.calls(LOOKS).received > 1, cancel_wait_minutes=0))
    assert fault_server.calls().received == 0
    assert_whole(night, sleep_over(change(night, over=at_once)), fault_server)


@pytest.mark.parametrize(
    ("ends", "answered"), [pytest.param("expired", CASES // 2, id="expired"), pytest.param("failed", 0, id="failed")]
)
def test_what_a_batch_leaves_is_bought_directly_and_not_in_a_batch_again(
    ends: str, answered: int, night: Night, fault_server: RunningServer
) -> None:
    fault_server.set(batch_seconds=0.05, batch_ends=ends)
    morning = sleep_over(change(night, min_calls=CASES))
    assert_whole(night, morning, fault_server)
    assert [job["status"] for job in night.jobs()] == [ends]
    assert (morning.paid_in_batches, morning.paid_directly) == (answered, 2 * CASES - answered)


def test_failed_rows_of_a_batch_are_bought_directly(night: Night, fault_server: RunningServer) -> None:
    fault_server.set(batch_seconds=0.05, faults=[Rule(kind="server_error", path="batch:", every=3)])
    morning = sleep_over(night)
    assert_whole(night, morning, fault_server)
    failed = [row for row in night.rows() if row["status"] == "failed"]
    assert failed
    assert all(row["cost_usd"] == 0 and "HTTP 500" in row["reason"] for row in failed)


def test_rows_that_a_broken_output_file_does_not_tell_cost_their_reservation(
    night: Night, fault_server: RunningServer
) -> None:
    fault_server.set(batch_seconds=0.05, faults=[Rule(kind="malformed", path="/v1/files/{id}/content", first=1)])
    morning = sleep_over(night)
    assert {number: text[:9] for number, text in morning.answers.items()} == WHOLE
    lost = [row for row in night.rows() if row["status"] == "unknown"]
    assert 0 < len(lost) < CASES
    assert all(row["cost_usd"] == row["reserved_usd"] > 0 for row in lost)
    charged = fault_server.calls(BATCH).cost_usd + fault_server.calls().cost_usd
    assert sum(row["cost_usd"] for row in night.rows()) > charged


@pytest.mark.parametrize(
    ("rule", "batches"),
    [
        pytest.param(Rule(kind="reset", path="/v1/batches", first=1), 2, id="a batch begun, the reply lost"),
        pytest.param(Rule(kind="server_error", path="/v1/batches", first=1), 2, id="a batch not begun"),
        pytest.param(Rule(kind="rate_limit", path="/v1/batches", first=1, retry_after=0), 2, id="refused once"),
        pytest.param(Rule(kind="reset", path="/v1/files", first=1), 2, id="an upload lost"),
        pytest.param(Rule(kind="malformed", path="/v1/batches/{id}", first=1), 2, id="a look that says nothing"),
        pytest.param(Rule(kind="server_error", path="/v1/files/{id}", first=3), 2, id="a file not read at once"),
        pytest.param(Rule(kind="server_error", path="/v1/files"), 0, id="no files are taken"),
    ],
)
def test_a_provider_that_fails_is_asked_again_and_no_batch_is_made_twice(
    rule: Rule, batches: int, night: Night, fault_server: RunningServer
) -> None:
    fault_server.set(batch_seconds=0.05, faults=[rule])
    morning = sleep_over(night)
    assert_whole(night, morning, fault_server)
    assert sum(job["batch_id"] is not None for job in night.jobs()) == batches
    assert (morning.paid_in_batches == 0) == (batches == 0)


def test_the_batch_of_a_night_that_nobody_finishes_is_cancelled_and_paid(
    night: Night, fault_server: RunningServer
) -> None:
    fault_server.set(batch_seconds=0.5)
    die_at(night, "in_progress")
    fault_server.set(batch_seconds=0.05)
    later = change(night, name="2026-11-22")
    assert [sleep_over(later).paid_in_batches for _ in range(2)] == [2 * CASES, 0]
    first, *_ = night.jobs()
    assert (first["status"], bool(first["ended_at"])) == ("cancelled", True)
    assert {row["status"] for row in night.rows()} <= {"settled", "failed"}
    charged = fault_server.calls(BATCH).cost_usd
    assert sum(row["cost_usd"] for row in night.rows()) == pytest.approx(charged)


def test_a_budget_holds_at_the_price_of_a_batch(night: Night, fault_server: RunningServer) -> None:
    budget = 6e-5
    morning = sleep_over(change(night, budget_usd=budget, min_calls=2))
    assert any(text.startswith("missing") and "budget" in text for text in morning.answers.values())
    assert morning.paid_in_batches > 0
    assert fault_server.calls(BATCH).cost_usd + fault_server.calls().cost_usd <= budget
