"""When a call may go: slots, rates, circuits, and the waits between attempts."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual_time import run_in_virtual_time

from pipelines.calling.limits import MOST, START, Circuit, CircuitSettings, Concurrency, Rate
from pipelines.calling.request import RETRIED, Kind, ModelError
from pipelines.calling.retries import MOST_SECONDS, Retries

# when a call comes, how long it holds its slot, and when it gives up (None: never)
TIMES = st.integers(0, 12)
COMERS = st.lists(st.tuples(TIMES, st.integers(1, 6), st.none() | TIMES), min_size=1, max_size=14)


@settings(max_examples=60)
@given(COMERS, st.integers(1, 4))
def test_slots_are_never_too_many_go_in_turn_and_none_is_lost(comers, limit):
    went: list[int] = []

    async def play(_clock):
        slots = Concurrency(limit)

        async def call(number, comes, holds):
            await asyncio.sleep(comes + number / 1000)
            await slots.acquire()
            went.append(number)
            assert slots.in_flight <= limit
            try:
                await asyncio.sleep(holds)
            finally:
                slots.release()

        tasks = [asyncio.create_task(call(number, comes, holds)) for number, (comes, holds, _) in enumerate(comers)]
        for task, (_, _, leaves) in zip(tasks, comers, strict=True):
            if leaves is not None:
                asyncio.get_running_loop().call_later(leaves + 0.5, task.cancel)
        await asyncio.gather(*tasks, return_exceptions=True)
        assert slots.in_flight == 0
        for _ in range(limit):
            await asyncio.wait_for(slots.acquire(), 1)

    run_in_virtual_time(play)
    in_turn = sorted(went, key=lambda number: (comers[number][0], number))
    assert went == in_turn


def test_a_slot_handed_to_one_who_gives_up_at_that_moment_goes_to_the_next():
    async def play(_clock):
        slots = Concurrency(1)
        await slots.acquire()
        second = asyncio.create_task(slots.acquire())
        third = asyncio.create_task(slots.acquire())
        await asyncio.sleep(0)
        slots.release()  # hands the slot to the second
        second.cancel()
        await asyncio.wait_for(third, 1)
        assert slots.in_flight == 1

    run_in_virtual_time(play)


def _served(slots, clock, *, calls, seconds, workers=300, refuse_above=10**9, most=None):
    """So many calls by a server whose replies take `seconds(in flight)`, and which refuses above a number in flight."""
    state = {"in_flight": 0, "most": 0}

    async def one():
        await slots.acquire()
        try:
            state["in_flight"] += 1
            state["most"] = max(state["most"], state["in_flight"])
            refused = state["in_flight"] > refuse_above
            took = 0.01 if refused else seconds(state["in_flight"])
            await asyncio.sleep(took)
            state["in_flight"] -= 1
            slots.refused() if refused else slots.good(took * 1000)
        finally:
            slots.release()

    async def worker(left):
        for _ in left:
            await one()

    async def all_of_them():
        left = iter(range(calls))
        await asyncio.gather(*(worker(left) for _ in range(workers)))
        return state["most"]

    return all_of_them()


def _limit_after(**server):
    async def play(clock):
        slots = Concurrency(clock=clock)
        most = await _served(slots, clock, **server)
        return slots.limit, most

    return run_in_virtual_time(play)


def test_the_limit_doubles_each_round_while_replies_stay_fast():
    limit, _ = _limit_after(calls=8 + 16 + 32 + 64 + 128, seconds=lambda _: 0.5)
    assert 128 <= limit <= MOST


def test_the_limit_stays_near_what_a_server_takes_before_it_slows_down():
    limit, _ = _limit_after(calls=3000, seconds=lambda in_flight: 0.2 * max(1.0, in_flight / 40))
    assert 40 <= limit <= 100  # twice the latency is at 80


def test_the_limit_stays_near_what_a_server_takes_before_it_refuses():
    limit, _ = _limit_after(calls=3000, seconds=lambda _: 0.2, refuse_above=50)
    assert 25 <= limit <= 60


def test_a_fixed_limit_learns_nothing():
    async def play(clock):
        slots = Concurrency(5, clock=clock)
        most = await _served(slots, clock, calls=300, seconds=lambda _: 0.2, refuse_above=3)
        return slots.limit, most

    assert run_in_virtual_time(play) == (5, 5)


def test_replies_that_are_slower_for_another_reason_do_not_bring_the_limit_to_the_ground():
    async def play(clock):
        slots = Concurrency(clock=clock)
        await _served(slots, clock, calls=50, seconds=lambda _: 0.1)
        await _served(slots, clock, calls=2000, seconds=lambda _: 1.0)  # longer answers, or a slower day
        return slots.limit

    assert run_in_virtual_time(play) > START


def test_slow_sorts_of_calls_are_not_measured_against_fast_ones():
    async def play(clock):
        slots = Concurrency(clock=clock)
        for number in range(200):
            await slots.acquire()
            slots.in_flight = slots.limit  # all of them are used
            slots.good(20.0 if number % 2 else 2000.0, of="embedding" if number % 2 else "answer")
            slots.release()
        return slots.limit

    assert run_in_virtual_time(play) > 100


def test_an_adaptive_limit_never_leaves_its_bounds():
    slots = Concurrency(clock=lambda: 0.0)
    slots.in_flight = 10_000
    for _ in range(2 * MOST):
        slots.good(1.0)
    assert slots.limit == MOST
    for _ in range(100):
        slots.refused()
    assert slots.limit >= 1


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.floats(0, 20), st.integers(1, 50)), min_size=1, max_size=60),
    st.sampled_from([1.0, 7.0, 60.0, 600.0, 90_000.0]),
)
def test_no_minute_has_more_than_the_rate(takes, per_minute):
    async def play(clock):
        rate, went = Rate(per_minute), []

        async def take(after, amount):
            await asyncio.sleep(after)
            await rate.take(amount)
            went.append((clock(), amount))

        await asyncio.gather(*(take(*each) for each in takes))
        return went

    went = run_in_virtual_time(play)
    assert len(went) == len(takes)
    for start, _ in went:
        inside = [amount for at, amount in went if start <= at < start + 60 - 1e-6]
        # the last one may reach beyond the minute: what it takes is waited for by the next
        assert sum(inside[:-1]) <= per_minute * (1 + 1e-9)


def test_without_a_rate_nobody_waits():
    async def play(clock):
        for _ in range(1000):
            await Rate(None).take(10**9)
        return clock()

    assert run_in_virtual_time(play) == 0.0


CIRCUIT = CircuitSettings(failures=3, cool_down_seconds=10, probes=2)


@pytest.mark.parametrize(
    ("story", "state"),
    [
        ("", "closed"),
        ("f f", "closed"),
        ("f f f", "open"),
        ("f f a f f", "closed"),  # in a row
        ("f f f +9", "open"),
        ("f f f +10", "closed"),
        ("f f f +10 enter", "open"),  # one tries, the others wait
        ("f f f +10 enter leave", "closed"),  # it did not go after all
        ("f f f +10 enter a", "closed"),
        ("f f f +10 enter pf", "open"),
        ("f f f +10 enter pf +10", "closed"),
        ("f f f +10 enter pf +10 enter pf", "dead"),
        ("f f f +10 enter pf +10 enter pf +1000", "dead"),
        ("f f f +10 enter pf +10 enter a f f", "closed"),
        ("f f f +10 enter pf a f f f +10 enter pf", "open"),  # the count of probes begins anew
        ("f f f f f +10", "closed"),  # stragglers do not put it off
        ("f f f +10 enter f f", "open"),  # nor count as the one that tries
        ("f f f +10 enter pf f f +10 enter", "open"),
        ("f f f a", "closed"),  # a straggler that is answered
    ],
)
def test_a_circuit_opens_tries_and_closes(story, state):
    now = [0.0]
    circuit = Circuit(CIRCUIT, clock=lambda: now[0])
    calls = []
    for word in story.split():
        match word:
            case "f" | "pf":
                circuit.failed(probe=word == "pf")
                if word == "pf":
                    calls.pop().__exit__(None, None, None)
            case "a":
                circuit.answered()
            case "enter":
                calls.append(circuit.call())
                assert calls[-1].__enter__()
            case "leave":
                calls.pop().__exit__(None, None, None)
            case _:
                now[0] += float(word)
    assert circuit.state() == state


def test_without_probes_an_open_circuit_stays_open():
    circuit = Circuit(CircuitSettings(failures=1, probes=0))
    circuit.failed(probe=False)
    assert circuit.state() == "dead"


@pytest.mark.parametrize(
    ("kind", "after", "failed", "least", "most"),
    [
        ("server_error", None, 1, 0.25, 0.5),
        ("server_error", None, 2, 0.5, 1.0),
        ("timeout", None, 3, 1.0, 2.0),
        ("connection", None, 99, 10.0, MOST_SECONDS),
        ("rate_limit", 0.0, 1, 0.0, 0.0),
        ("rate_limit", 3.0, 1, 3.0, 3.1),
        ("rate_limit", 30.0, 5, 30.0, 30.0),  # never above max_wait_seconds
        ("rate_limit", 31.0, 1, None, None),  # too long: another model, or none
        ("server_error", 3.0, 1, 3.0, 3.1),
        ("rejected", 3.0, 1, None, None),
        *((kind, None, 1, None, None) for kind in ("rejected", "content_filter", "over_budget", "circuit_open")),
    ],
)
def test_a_failed_call_is_tried_again_after(kind, after, failed, least, most):
    retries = Retries(max_wait_seconds=30)
    for _ in range(20):
        wait = retries.wait_seconds(failed, ModelError(kind, "", retry_after_seconds=after))
        assert wait is None if least is None else least <= wait <= most


@given(
    kind=st.sampled_from(Kind.__args__),
    after=st.none() | st.floats(0, 1e6),
    failed=st.integers(1, 100),
    most=st.floats(0, 1000),
)
def test_no_wait_is_longer_than_allowed_nor_shorter_than_told(kind, after, failed, most):
    retries = Retries(max_wait_seconds=most)
    wait = retries.wait_seconds(failed, ModelError(kind, "", retry_after_seconds=after))
    assert (wait is None) == (kind not in RETRIED or (after is not None and after > most))
    assert wait is None or (after or 0.0) <= wait <= most
