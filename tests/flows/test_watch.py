"""`plumbline watch`: the verdict on a file, its exit status, its JSON and its page."""

import json
import re
import subprocess
import sys
from datetime import date, timedelta

import numpy as np
import pytest
from click.testing import CliRunner

from flows.watch import watch
from knowledge.errors import ContentError, PlumblineError

FIRST = date(2026, 3, 1)
HOSTILE = "<script>alert('x')</script>"


def results_file(folder, *, broken=0, since=20, nights=34, cases=40, score=False, name="c"):
    """Results of cases that pass 19 times in 20; from one night on some of them fail."""
    generator = np.random.default_rng(7)
    lines = ["night,case,metric,value,slice"]
    for night in range(nights):
        day = FIRST + timedelta(night)
        for case in range(cases):
            rate = 0.1 if case < broken and night >= since else 0.95
            lines.append(f"{day},{name}{case},pass,{int(generator.random() < rate)},all")
            if score:
                lines.append(f"{day},{name}{case},score,{generator.normal():.3f},all")
    path = folder / "results.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("PLUMBLINE_STATE", str(tmp_path / "state"))

    def command(*words):
        return CliRunner().invoke(watch, [str(word) for word in words], standalone_mode=False, catch_exceptions=False)

    return command


def test_a_drift_is_found_since_its_night_and_ends_with_1(run, tmp_path):
    done = run(results_file(tmp_path, broken=6), "--json")
    found = json.loads(done.stdout)
    assert done.return_value == 1
    assert (found["verdict"], found["leading_stream"], found["certain"]) == ("drift", "fail", ["fail"])
    assert abs(date.fromisoformat(found["since"]) - (FIRST + timedelta(20))) <= timedelta(2)
    assert found["since"] <= found["alarm_night"] <= found["last_night"] == str(FIRST + timedelta(33))
    assert found["evidence"]["fail"] >= found["alarm"] == 1000
    assert found["drop"]["low"] < 6 / 40 * 0.85 < found["drop"]["high"]
    assert {each["case"] for each in found["carrying_cases"][:6]} == {f"c{case}" for case in range(6)}
    assert [(each["name"], each["cases"]) for each in found["moved_slices"]] == [("all", 40)]
    assert 0 < found["minimal_detectable_drop"]["drop_points"] < 100 * 6 / 40
    assert found["baseline"]["nights"] == [str(FIRST + timedelta(night)) for night in range(10)]


@pytest.mark.parametrize(
    ("nights", "verdict", "evidence"),
    [(34, "steady", {"fail", "pass"}), (4, "not enough evidence", set())],
)
def test_steady_and_still_collecting_end_with_0(run, tmp_path, nights, verdict, evidence):
    done = run(results_file(tmp_path, nights=nights), "--json")
    found = json.loads(done.stdout)
    assert done.return_value == 0
    assert (found["verdict"], found["since"], set(found["evidence"])) == (verdict, None, evidence)


def test_a_person_reads_the_verdict_and_report_only_ends_with_0(run, tmp_path):
    done = run(results_file(tmp_path, broken=6), "--report-only")
    assert done.return_value == 0
    assert "Results      40 cases, baseline of 10 nights, 24 since, the last of them 2026-04-03" in done.stdout
    assert "Verdict      drift: since night 2026-03-2" in done.stdout
    assert re.search(r"Evidence     fail +[\d.e+]+, an alarm by itself", done.stdout)
    assert re.search(r"Case         c[0-5]: passed \d+% before, \d+% since", done.stdout)
    assert re.search(r"Sees         a drop of [\d.]+ points \(\d+ cases that break\) within 7 nights", done.stdout)


def test_a_higher_alarm_asks_for_more_evidence(run, tmp_path):
    assert run(results_file(tmp_path, broken=2), "--alarm", 10**9).return_value == 0


def test_the_kept_p_values_can_be_lost_or_broken(run, tmp_path):
    path = results_file(tmp_path, nights=14, cases=5)
    first = run(path, "--json").stdout
    (kept,) = (tmp_path / "state/cache/watch").iterdir()
    whole = kept.read_text(encoding="utf-8")
    for broken in ('{"cut', '["list"]', '{"digest": 2.0}'):
        kept.write_text(broken, encoding="utf-8")
        assert run(path, "--json").stdout == first
        assert kept.read_text(encoding="utf-8") == whole
    kept.unlink()
    assert run(path, "--json").stdout == first


def test_p_values_that_no_result_stands_behind_any_more_are_forgotten(run, tmp_path):
    path = results_file(tmp_path, nights=14, cases=5)
    run(path)
    (kept,) = (tmp_path / "state/cache/watch").iterdir()
    before = json.loads(kept.read_text(encoding="utf-8"))
    first, last = path.read_text(encoding="utf-8").rsplit("\n", 1)
    flipped = str(1 - int(last.split(",")[3]))
    path.write_text("\n".join([first, ",".join([*last.split(",")[:3], flipped, "all"])]), encoding="utf-8")
    run(path)
    after = json.loads(kept.read_text(encoding="utf-8"))
    of_last_night = {1, 2, 4}  # the lengths of the blocks that end with it
    assert len(after) == len(before)
    assert {int(key.split()[1]) for key in after.keys() - before.keys()} == of_last_night


def test_the_page_shows_every_stream_and_escapes_every_name(run, tmp_path):
    page = tmp_path / "watch.html"
    run(results_file(tmp_path, broken=6, score=True, name=HOSTILE), "--page", page)
    text = page.read_text(encoding="utf-8")
    assert "<script" not in text
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;0" in text
    assert text.count('class="threshold"') == 3
    assert text.count('class="strip"') >= 6
    assert "failed 0 of 10, then 1" in text
    assert "://" not in text


def test_the_page_of_a_baseline_that_is_still_collecting_is_whole(run, tmp_path):
    page = tmp_path / "watch.html"
    run(results_file(tmp_path, nights=4), "--page", page)
    assert "baseline 4 of 10" in page.read_text(encoding="utf-8")


def test_the_door_prints_one_object_and_never_imports_prefect(tmp_path):
    path = results_file(tmp_path, nights=12)
    program = (
        "import sys\nfrom flows.cli import main\n"
        f"sys.argv = ['plumbline', 'watch', {str(path)!r}, '--json', '--page', {str(tmp_path / 'page.html')!r}]\n"
        "try:\n    main()\nfinally:\n"
        "    print(sorted({'prefect', 'mlflow', 'lancedb', 'openai'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env={"PLUMBLINE_STATE": str(tmp_path / "state")},
    )
    assert (done.returncode, done.stderr) == (0, "[]\n")
    assert json.loads(done.stdout)["page"] == str(tmp_path / "page.html")


def test_the_page_never_takes_the_place_of_the_results(run, tmp_path):
    path = results_file(tmp_path, nights=4)
    before = path.read_bytes()
    with pytest.raises(PlumblineError, match="these are the results themselves"):
        run(path, "--page", tmp_path / "." / path.name)
    assert path.read_bytes() == before


def test_a_wrong_file_and_a_page_that_cannot_be_written_are_told(run, tmp_path):
    with pytest.raises(PlumblineError, match=r"--page .*: cannot be written \(No such file or directory\)"):
        run(results_file(tmp_path, nights=4), "--page", tmp_path / "none" / "watch.html")
    path = tmp_path / "wrong.csv"
    path.write_text("night,case,metric,value\n1,a,pass,yes\n", encoding="utf-8")
    with pytest.raises(ContentError, match=r"wrong\.csv: row 2, column 'value': 'yes' is no number"):
        run(path)
