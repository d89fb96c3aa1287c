"""The short form of `bench.ingest_kill`: three of its fifty kills."""

import pytest

from bench import ingest_kill


@pytest.mark.nightly
def test_a_killed_ingest_loses_doubles_and_shows_half_of_nothing():
    result = ingest_kill.run(kills=3, commands=0, documents=None, seed=1)
    assert (sum(result["kills_by_stage"].values()), result["failures"]) == (3, [])
    assert result["reads"] > 0
