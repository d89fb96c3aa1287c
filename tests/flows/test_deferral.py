"""Until when a night can wait."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from flows.deferral import next_time


@pytest.mark.parametrize(
    ("now", "zone", "expected"),
    [
        ("2026-11-21 01:00", "UTC", "2026-11-21T06:00:00+00:00"),
        ("2026-11-21 05:59", "UTC", "2026-11-21T06:00:00+00:00"),
        ("2026-11-21 06:00", "UTC", "2026-11-22T06:00:00+00:00"),
        ("2026-11-21 23:30", "Europe/Berlin", "2026-11-22T06:00:00+01:00"),
        ("2026-12-31 22:00", "America/New_York", "2027-01-01T06:00:00-05:00"),
        ("2026-03-28 22:00", "Europe/Berlin", "2026-03-29T06:00:00+02:00"),  # the clocks go forward in that night
    ],
)
def test_the_deadline_is_the_next_such_time_of_day(now: str, zone: str, expected: str) -> None:
    moment = datetime.fromisoformat(now).replace(tzinfo=ZoneInfo(zone))
    assert next_time("06:00", moment).isoformat() == expected
