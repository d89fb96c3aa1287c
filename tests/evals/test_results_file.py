"""A results file: what is read from it, and the one line that a wrong one gets."""

import random

import pytest

from evals.drift.results_file import read_results
from evals.drift.verdict import judge
from knowledge.errors import ContentError

HEADER = "night,case,metric,value"


def written(tmp_path, *lines, header=HEADER, name="results.csv"):
    path = tmp_path / name
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def nights(count, *, cases=3, metric="pass", value=1, first=1):
    return [
        f"2026-03-{night:02d},c{case},{metric},{value}"
        for night in range(first, first + count)
        for case in range(cases)
    ]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("", "the file is empty. Its first row names the columns: night,case,metric,value and, if wanted, baseline"),
        ("\n\n", "the file is empty."),
        (HEADER, "there is no row below the header."),
        ("night;case;metric;value\n1;a;pass;1", "row 1 holds no comma. Separate the columns"),
        ("nigth,case,metric,value\n1,a,pass,1", "row 1: there is no column 'nigth'. Did you mean 'night'?"),
        ("Night,case,metric,value\n1,a,pass,1", "row 1: there is no column 'Night'. Did you mean 'night'?"),
        ("night,case,metric,value,basline\n1,a,pass,1,0", "no column 'basline'. Did you mean 'baseline'?"),
        ("night,case,metric,value,owner\n1,a,pass,1,x", "no column 'owner'. There is 'baseline', 'slice'."),
        ("night,case,metric\n1,a,pass", "row 1: the column 'value' is missing."),
        ("night,case,metric,value,value\n1,a,pass,1,1", "row 1: the column 'value' is there twice."),
        (f"{HEADER}\n1,a,pass,1\n1,b,pass", "row 3 has 3 cells, the header 4."),
        (f"{HEADER}\n1,a,pass,1\n\n1,b,pass,0,5", "row 4 has 5 cells, the header 4."),
        (f"{HEADER}\n1,a,pass,1\n,b,pass,1", "row 3, column 'night': it is empty."),
        (f"{HEADER}\n1, ,pass,1", "row 2, column 'case': it is empty."),
        (
            f"{HEADER}\n2026-03-09,a,pass,1\n2026-3-10,a,pass,1",
            "row 3, column 'night': '2026-3-10' is no date, as '2026-03",
        ),
        (f'{HEADER}\n"1\n2",a,pass,1', "row 2, column 'night': '1\\n2' holds a character that cannot be shown."),
        (f"{HEADER}\n1,a,,1", "row 2, column 'metric': it is empty."),
        (f"{HEADER}\n1,a,pass,True", "row 2, column 'value': 'True' is no number. Write 1 for passed, 0 for failed"),
        (f"{HEADER}\n1,a,cost,nan", "row 2, column 'value': 'nan' is no number."),
        (f"{HEADER}\n1,a,cost,1e999", "row 2, column 'value': '1e999' is no number."),
        (f'{HEADER}\n1,a,cost,"0,5"', "row 2, column 'value': '0,5' is no number."),
        (f"{HEADER}\n1,a,pass,1\n2,a,pass,0.5", "row 3, column 'value': 0.5, but the metric 'pass' is 0 or 1."),
        (f"{HEADER}\n1,a,ok,1\n1,a,right,0", "the metrics 'ok', 'right' are all 0 or 1 in the baseline, and one such"),
        (f"{HEADER}\n1,a,fail,1", "row 2, column 'metric': 'fail' would not tell what 1 means. Name it 'pass'"),
        (f'{HEADER}\n1,a,pass,1\n1,"b,pass,1', "row 3 is no CSV (unexpected end of data)."),
        (f"{HEADER},baseline\n1,a,pass,1,yes", "row 2, column 'baseline': 'yes' is neither 0 nor 1."),
        (
            f"{HEADER},baseline\n1,a,pass,1,1\n1,b,pass,1,0",
            "row 3, column 'baseline': 0 for night '1', and 1 in row 2.",
        ),
        (
            f"{HEADER},baseline\n1,a,pass,1,1\n2,a,pass,1,0\n3,a,pass,1,1",
            "row 4, column 'baseline': night '3' is marked 1 and comes after night '2', which is not.",
        ),
    ],
)
def test_a_wrong_file_is_told_in_one_line_with_its_row_and_column(tmp_path, content, line):
    path = tmp_path / "results.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ContentError) as problem:
        read_results(path)
    said = str(problem.value)
    assert said.startswith(f"{path}: ")
    assert line in said
    assert "\n" not in said


def test_a_file_that_is_not_there_or_no_text_is_told_in_one_line(tmp_path):
    with pytest.raises(ContentError, match=r"none\.csv: cannot be read \(No such file or directory\)"):
        read_results(tmp_path / "none.csv")
    with pytest.raises(ContentError, match=r"cannot be read \(Is a directory\)"):
        read_results(tmp_path)
    path = tmp_path / "utf16.csv"
    path.write_bytes(f"{HEADER}\n1,a,pass,1\n1,".encode() + "é,pass,1".encode("latin-1"))
    with pytest.raises(ContentError, match="row 3 is not UTF-8"):
        read_results(path)


def test_a_metric_that_is_not_in_the_file_is_refused_with_the_nearest(tmp_path):
    path = written(tmp_path, *nights(2, metric="correct"))
    with pytest.raises(ContentError, match=r"no row has the metric 'corect'\. Did you mean 'correct'\?"):
        read_results(path, metrics=["corect"])


def test_a_metric_of_0_and_1_takes_no_score_after_the_baseline(tmp_path):
    path = written(tmp_path, *nights(10, metric="ok"), "2026-03-11,c0,ok,0.5")
    with pytest.raises(ContentError, match=r"row 32, column 'value': 0\.5, but the metric 'ok' is 0 or 1 all"):
        read_results(path)


def test_one_of_two_binary_metrics_can_be_chosen(tmp_path):
    path = written(tmp_path, *nights(12), *nights(12, metric="polite"), *nights(12, metric="score", value=0.5))
    chosen = read_results(path, metrics=["polite", "score"])
    assert [(each.name, each.kind) for each in chosen.metrics] == [("polite", "binary"), ("score", "real")]


@pytest.mark.parametrize(
    ("names", "ordered"),
    [
        (["2026-03-10", "2026-03-09", "2026-02-28"], ["2026-02-28", "2026-03-09", "2026-03-10"]),
        (["2026-03-10T02:00", "2026-03-10T01:30+00:00"], ["2026-03-10T01:30+00:00", "2026-03-10T02:00"]),
        (["10", "9", "1.5"], ["1.5", "9", "10"]),
        (["run b", "run a", "10"], ["run b", "run a", "10"]),
    ],
)
def test_nights_are_sorted_where_all_are_dates_or_numbers(tmp_path, names, ordered):
    path = written(tmp_path, *(f"{name},a,pass,1" for name in names))
    assert list(read_results(path).baseline) == ordered


def test_the_order_of_rows_does_not_matter(tmp_path):
    generator = random.Random(5)
    rows = [
        f"2026-03-{night:02d},c{case},{metric},{value}"
        for night in range(1, 20)
        for case in range(8)
        for _ in range(2)
        for metric, value in (("pass", generator.randrange(2)), ("score", generator.randrange(9) / 3 + 0.1))
    ]
    first = read_results(written(tmp_path, *rows))
    generator.shuffle(rows)
    assert read_results(written(tmp_path, *rows)) == first


def test_the_first_ten_nights_with_a_result_are_the_baseline(tmp_path):
    rows = ["2026-03-01,c0,pass,", *nights(12, first=2)]
    results = read_results(written(tmp_path, *rows))
    assert (results.baseline[0], results.baseline[-1], len(results.baseline)) == ("2026-03-02", "2026-03-11", 10)
    assert results.nights == ("2026-03-12", "2026-03-13")
    assert judge(read_results(written(tmp_path, *nights(7)))).reason == "baseline 7 of 10"
    assert judge(read_results(written(tmp_path, *nights(10)))).reason == "baseline 10 of 10, and no result since"
    assert judge(read_results(written(tmp_path, *nights(11)))).verdict == "steady"


@pytest.mark.parametrize(("runs", "verdict"), [(2, "not enough evidence"), (3, "steady")])
def test_three_marked_nights_are_a_baseline(tmp_path, runs, verdict):
    rows = [f"{night},c0,pass,1,{int(night < runs)}" for night in range(runs + 2)]
    results = read_results(written(tmp_path, *rows, header=f"{HEADER},baseline"))
    assert (len(results.baseline), len(results.nights)) == (runs, 2)
    assert judge(results).verdict == verdict


def test_an_empty_value_is_missing_and_a_repeated_row_another_run(tmp_path):
    rows = [*nights(10), "2026-03-11,c0,pass,", "2026-03-11,c1,pass,1", "2026-03-11,c1,pass,0"]
    (metric,) = read_results(written(tmp_path, *rows)).metrics
    assert metric.history.nights == ({"c1": [0.0, 1.0]},)


def test_a_case_may_stand_in_several_slices(tmp_path):
    rows = [f"{line},{names}" for line, names in zip(nights(1), ("en; refunds", "en", ""), strict=True)]
    results = read_results(written(tmp_path, *rows, "2026-03-02,c2,pass,1,de", header=f"{HEADER},slice"))
    assert results.slices == {"de": {"c2"}, "en": {"c0", "c1"}, "refunds": {"c0"}}


def test_a_metric_without_a_baseline_is_named_and_not_followed(tmp_path):
    rows = [*nights(12), *nights(1, metric="late", first=12, value=0.3)]
    results = read_results(written(tmp_path, *rows))
    assert [each.name for each in results.metrics] == ["pass"]
    assert results.not_followed == ("late",)


@pytest.mark.parametrize(
    ("metrics", "streams"),
    [
        ({"pass": 1}, {"fail", "pass"}),
        ({"pass": 1, "cost": 0.2}, {"fail", "pass", "cost"}),
        ({"cost": 0.2, "length": 80}, {"cost", "length"}),
    ],
)
def test_the_streams_that_are_followed(tmp_path, metrics, streams):
    rows = [line for name, value in metrics.items() for line in nights(12, metric=name, value=value)]
    assert set(judge(read_results(written(tmp_path, *rows))).evidence) == streams


def test_what_is_known_is_looked_up_and_a_changed_past_is_computed_again(tmp_path):
    rows = [line.replace("c0,pass,1", f"c0,pass,{number % 2}") for number, line in enumerate(nights(14))]
    known = {}
    first = judge(read_results(written(tmp_path, *rows)), known=known)
    count = len(known)
    assert count > 0
    assert judge(read_results(written(tmp_path, *rows)), known=known) == first
    assert len(known) == count
    changed = [*rows[:-4], "2026-03-13,c2,pass,0", *rows[-3:]]
    again = read_results(written(tmp_path, *changed))
    assert judge(again, known=known) == judge(again) != first
    assert len(known) > count
