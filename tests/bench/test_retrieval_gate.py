"""What `bench.retrieval_gate` simulates is what it says, and its verdicts are the gate's."""

import pytest

from bench.retrieval_gate import HARMFUL, HARMLESS, HEAVY, SCORES, SHARES, WORLDS, draw_weeks, verdicts


def test_a_query_scores_as_much_as_is_stated():
    assert (SHARES.sum(), float(SHARES @ SCORES), SHARES[-1]) == pytest.approx((1.0, 0.775, 0.08), abs=0.001)


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_a_world_loses_the_points_it_is_named_after(world):
    drawn = draw_weeks(world, queries=300, weeks=300)
    assert drawn.mean() == pytest.approx(-world.points, abs=0.004)


@pytest.mark.parametrize("world", [*HARMLESS, HEAVY], ids=lambda world: world.name)
def test_churn_moves_as_many_queries_up_as_down(world):
    drawn = draw_weeks(world, queries=300, weeks=100)
    up, down = (drawn > 0).mean(), (drawn < 0).mean()
    assert up == pytest.approx(down, abs=0.003)
    assert up + down == pytest.approx(0.92 * world.churn, abs=0.1 * world.churn)


def test_a_loss_stays_all_week():
    drawn = draw_weeks(HARMFUL[-1], queries=80, weeks=20)
    lost = drawn <= -1.0
    assert lost.any()
    assert (lost.all(axis=1) == lost.any(axis=1)).all()


def test_every_week_has_one_verdict_and_a_great_loss_is_stopped():
    for world, verdict in ((WORLDS[0], "pass"), (HARMFUL[-1], "fail")):
        row = verdicts(world, 300, 20)
        for way in ("one night", "pooled", "decided"):
            assert sum(row[way].values()) == pytest.approx(1.0)
            assert row[way][verdict] == 1.0
