"""docs/evidence.md shows what `bench.drift_pictures` makes: its figures and, byte for byte, its pictures."""

from pathlib import Path

import pytest

from bench import drift_pictures

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs/pictures"
PAGE = (ROOT / "docs/evidence.md").read_text(encoding="utf-8")


def test_the_drift_that_the_page_shows_is_the_one_that_is_simulated(tmp_path):
    drift = drift_pictures.follow_drift()
    assert "\n".join(drift_pictures.drift_rows(drift)) in PAGE
    drift_pictures.save(drift_pictures.draw_drift(drift), tmp_path / "drift.svg")
    assert (tmp_path / "drift.svg").read_bytes() == (PICTURES / "evidence-drift.svg").read_bytes()


def test_the_false_alarms_of_other_rules_are_those_that_are_counted():
    found = {world: drift_pictures.peers_alarms(world) for world in drift_pictures.WORLDS}
    for rule in drift_pictures.SHOWN:
        assert drift_pictures.alarm_row(rule, found) in PAGE


@pytest.mark.nightly
def test_the_script_makes_the_page_again(tmp_path, capsys):
    drift_pictures.make(tmp_path)
    assert f"```text\n{capsys.readouterr().out}```" in PAGE
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert len(made) == 3
    assert made == {name: (PICTURES / name).read_bytes() for name in made}
