"""The verdict: weights, the alarm that stays, what leads it, and since when."""

import pytest
from drift_nights import drawn_nights, flaky

from evals.drift.decision import ALARM, Stream, decide, weights
from evals.drift.detector import NIGHTLY, SCALES
from evals.drift.streams import p_values


def _streams(history, *, share=1.0):
    return [Stream(name, weight * share, p_values(history, name, name)) for name, weight in weights(()).items()]


def _stream(*nightly, name="fail", weight=1.0):
    return Stream(name, weight, [{NIGHTLY: p} for p in nightly])


@pytest.mark.parametrize(
    ("real", "expected"),
    [
        ((), {"fail": 2 / 3, "pass": 1 / 3}),
        (("length",), {"fail": 0.4, "pass": 0.2, "length": 0.4}),
        (("length", "cost"), {"fail": 0.4, "pass": 0.2, "length": 0.2, "cost": 0.2}),
    ],
)
def test_the_weights_sum_to_1_and_the_real_valued_streams_share_theirs(real, expected):
    assert weights(real) == pytest.approx(expected)
    assert sum(weights(real).values()) == pytest.approx(1)


def test_weights_that_sum_to_more_than_1_are_refused():
    with pytest.raises(ValueError, match="sum to more than 1"):
        decide([_stream(0.5, name="fail", weight=0.8), _stream(0.5, name="pass", weight=0.3)])


def test_an_alarm_stays_through_calm_nights_until_a_reset():
    streams = [_stream(0.5, 1e-9, *[0.999] * 6)]
    found = decide(streams)
    assert [each.verdict for each in found] == ["steady", *["drift"] * 7]
    assert {each.alarm_night for each in found[1:]} == {1}
    assert found[-1].leading == found[1].leading
    assert found[-1].certain == ()
    after = decide(streams, resets=frozenset({4}))
    assert [each.verdict for each in after] == ["steady", *["drift"] * 3, *["steady"] * 4]
    assert after[-1].alarm_night is None


def test_the_alarm_sounds_at_the_weighted_evidence_of_one_component_and_not_at_their_sum():
    p_value = 1e-9
    sure = decide([_stream(p_value)])[0]
    assert sure.leading.evidence > ALARM
    edge = sure.leading.evidence
    two = [_stream(p_value, name=name, weight=0.5) for name in ("fail", "pass")]
    assert decide(two, alarm=edge * 0.49)[0].verdict == "drift"
    assert decide(two, alarm=edge * 0.51)[0].verdict == "steady"
    assert decide(two)[0].evidence == pytest.approx({"fail": edge / 2, "pass": edge / 2})


def test_ten_broken_cases_of_200_are_found_on_the_fail_stream_within_two_nights():
    history = drawn_nights(flaky(200), seed=4, nights=9, since=5, broken=range(100, 110))
    found = decide(_streams(history))
    alarm = found[-1].alarm_night
    assert [each.verdict for each in found[:5]] == ["steady"] * 5
    assert alarm in (5, 6)
    assert found[-1].leading.stream == "fail"
    assert found[-1].leading.since == 5
    assert len(found[alarm].certain) >= 1


def test_ten_repaired_cases_of_200_are_found_on_the_pass_stream():
    history = drawn_nights(flaky(200), seed=4, nights=9, since=5, broken=range(10))
    assert decide(_streams(history))[-1].leading.stream == "pass"


def test_a_year_of_null_nights_is_steady():
    found = decide(_streams(drawn_nights(flaky(8), seed=8, baseline=5, nights=365)))
    assert {each.verdict for each in found} == {"steady"}


def test_without_any_night_there_is_no_decision():
    assert decide([_stream()]) == []
    assert decide([]) == []


def test_the_weight_of_a_stream_is_shared_by_all_its_scales():
    alone = decide([_stream(0.01)])[0]
    half = decide([_stream(0.01, weight=0.5)])[0]
    assert half.leading.evidence == pytest.approx(alone.leading.evidence / 2)
    assert len(SCALES) == 9
