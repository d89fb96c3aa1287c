"""What drift follows of a night's results, read without their texts, on both databases."""

from datetime import UTC, datetime

from knowledge.history import History, Measured


def test_results_of_a_release_are_read_as_numbers(database_url: str) -> None:
    history = History(database_url)
    answer = {"text": "Five days. Großzügig!", "usage": {"input_tokens": 9, "output_tokens": 7}}
    row = {"assistant": "measured", "suite": "s", "repeat": 0, "kind": "answerable", "case_digest": "d"}
    row |= {"collection_version": 1, "answer": answer, "scores": [], "latency_ms": 1.0, "cost_usd": 0.5}
    row |= {"recorded_at": datetime.now(UTC), "spans": [], "case_id": "c"}
    history.record_results(
        [
            {**row, "night": "1", "release": "r", "passed": True},
            {**row, "night": "2", "release": "r", "passed": None},
            {**row, "night": "2", "release": "other", "passed": False, "case_id": "x"},
            {**row, "night": "3", "release": "r", "passed": False},
        ]
    )
    assert history.measured("measured", ("1", "2"), release="r") == [
        Measured("1", "s/c@d", "answerable", True, 21, 7, 0.5),
        Measured("2", "s/c@d", "answerable", None, 21, 7, 0.5),
    ]
