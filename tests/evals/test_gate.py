"""Gates: which version may serve, and which floors are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.gate import Gate, Gates, hold_for_quarantine, judge_differences, judge_retrieval, read_gates
from evals.paired import Paired
from evals.retrieval import MEASURES, RetrievalQuality, SetQuality
from knowledge.errors import ContentError

FLOORS = {"recall@5": 0.7, "MRR@10": 0.6}


def _quality(queries, recall=0.8, reciprocal=0.7):
    metrics = {"recall@5": recall, "MRR@10": reciprocal, "nDCG@10": 0.65} if queries else {}
    per_query = {f"q{number}": metrics for number in range(queries)}
    return RetrievalQuality(SetQuality(queries, queries, metrics), per_query)


@pytest.mark.parametrize(
    ("quality", "floors", "verdict", "opens", "reason"),
    [
        (_quality(20), FLOORS, "pass", True, "20 queries, every floor holds"),
        (_quality(20, recall=0.7, reciprocal=0.6), FLOORS, "pass", True, "20 queries, every floor holds"),
        (_quality(20, recall=0.69), FLOORS, "fail", False, "recall@5 0.690 is under its floor 0.700"),
        (
            _quality(99, recall=0.1, reciprocal=0.2),
            FLOORS,
            "fail",
            False,
            "recall@5 0.100 is under its floor 0.700; MRR@10 0.200 is under its floor 0.600",
        ),
        (_quality(0), FLOORS, "not enough evidence", True, "no labelled queries"),
        (_quality(0), {}, "not enough evidence", True, "no labelled queries"),
        (_quality(19), FLOORS, "not enough evidence", True, "19 labelled queries, 20 are needed"),
        (_quality(19, recall=0.0), FLOORS, "not enough evidence", True, "19 labelled queries, 20 are needed"),
        (_quality(20), {}, "not enough evidence", True, "no floors in gates.yaml"),
        (_quality(20, recall=0.0), {"nDCG@10": 0.65}, "pass", True, "20 queries, every floor holds"),
    ],
)
def test_a_version_may_serve_unless_enough_queries_find_it_under_a_floor(quality, floors, verdict, opens, reason):
    gate = judge_retrieval(quality, Gates(floors={"support": floors}), "support")
    assert (gate.verdict, gate.opens, gate.reason) == (verdict, opens, reason)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("floors: {support: {recal@5: 0.7}}", f"no measure is called 'recal@5'; there are {', '.join(MEASURES)}"),
        ("floors: {support: {recall@5: 1.01}}", "support: the floor of recall@5 is 1.01; it must be between 0 and 1"),
        ("floors: {support: {recall@5: 70}}", "support: the floor of recall@5 is 70.0; it must be between 0 and 1"),
        ("floors: {support: {recall@5: -0.1}}", "support: the floor of recall@5 is -0.1"),
        ("floors: {support: {recall@5: .nan}}", "'floors.support.recall@5' is nan"),
        ("floors: {support: {recall@5: high}}", "'floors.support.recall@5' is 'high'"),
        ("floors: {support: 0.7}", "'floors.support' is 0.7"),
        ("min_queries: 0", "'min_queries' is 0"),
        ("min_queries: few", "'min_queries' is 'few'"),
        ("margin: 0", "'margin' is 0"),
        ("margin: 2", "'margin' is 2"),
        ("max_stale: 1.1", "'max_stale' is 1.1"),
        ("margin: small", "'margin' is 'small'"),
        ("minimum: 20", "unknown key 'minimum'. Known there: floors, margin, max_stale, min_queries."),
    ],
)
def test_wrong_gates_are_refused_with_file_and_key(tmp_path, text, named):
    path = tmp_path / "gates.yaml"
    path.write_text(text)
    with pytest.raises(ContentError) as caught:
        read_gates(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "min_queries", "margin", "floors"),
    [
        ("min_queries: 5", 5, 0.02, {}),
        ("margin: 0.05", 20, 0.05, {}),
        ("floors: {}", 20, 0.02, {}),
        ("floors: {support: {recall@5: 0, MRR@10: 1}}", 20, 0.02, {"support": {"recall@5": 0.0, "MRR@10": 1.0}}),
    ],
)
def test_gates_are_read_as_written(tmp_path, text, min_queries, margin, floors):
    path = tmp_path / "gates.yaml"
    path.write_text(text)
    gates = read_gates(path)
    assert (gates.min_queries, gates.margin, gates.floors) == (min_queries, margin, floors)


@pytest.mark.parametrize(
    ("fact", "new", "listed", "verdict"),
    [
        ("nothing is new", 0, 100, "pass"),
        ("at the limit", 5, 100, "pass"),
        ("over the limit", 6, 100, "fail"),
        ("nothing is listed", 0, 0, "pass"),
    ],
)
def test_too_many_newly_kept_out_documents_hold_a_version(fact, new, listed, verdict):
    gate = hold_for_quarantine(Gate("pass", "ok"), [f"d/{n}" for n in range(new)], listed, max_share=0.05)
    assert gate.verdict == verdict, fact


def test_a_version_held_for_its_quarantine_names_the_first_documents_beside_what_else_failed():
    gate = hold_for_quarantine(Gate("fail", "MRR@10 is low"), ["a", "b", "c", "d"], 40, max_share=0.05)
    assert gate.reason == (
        "MRR@10 is low; 4 of 40 documents are newly in quarantine, over the limit of 5%: a, b, c and 1 more"
    )


def _night(queries, *moved):
    """nDCG@10 less that of production: 0 but for the first queries."""
    return {f"q{number:03}": moved[number] if number < len(moved) else 0.0 for number in range(queries)}


@pytest.mark.parametrize(
    ("fact", "night", "verdict"),
    [
        ("nothing moved", _night(40), "pass"),
        ("one of many went down a rank", _night(80, -0.37), "pass"),
        ("one of few went down a rank", _night(40, -0.37), "not enough evidence"),
        ("as many went up as down", _night(80, -0.37, 0.37, -0.13, 0.13), "pass"),
        ("all went up", _night(40, *[0.1] * 40), "pass"),
        ("two of forty lost their document", _night(40, -1.0, -1.0), "not enough evidence"),
        ("five of forty lost their document", _night(40, *[-1.0] * 5), "fail"),
        ("five of 300 did", _night(300, *[-1.0] * 5), "not enough evidence"),
        ("every query fell, for certain, and within the margin", _night(40, *[-0.019] * 40), "pass"),
        ("every query fell, and beyond the margin", _night(40, *[-0.021] * 40), "fail"),
        ("nearly every query fell, within the margin", _night(40, *[-0.02] * 36), "pass"),
        ("half are lost and half found", _night(40, *[-1.0, 1.0] * 20), "not enough evidence"),
    ],
)
def test_a_candidate_is_held_when_it_is_worse_and_passes_when_it_is_not_by_the_margin(fact, night, verdict):
    assert judge_differences([night], margin=0.02).verdict == verdict, fact


@pytest.mark.parametrize(
    ("fact", "nights", "verdict"),
    [
        ("the same two queries all week: one night's evidence", [_night(40, -1.0, -1.0)] * 7, "not enough evidence"),
        ("ranks went down and up again", [_night(40, -0.37), *[_night(40, 0.0, 0.1)] * 5, _night(40, -0.3)], "pass"),
        (
            "others were lost each night, and are still",
            [_night(40, *[-1.0] * 5, -1.0), _night(40, -1.0, -1.0, -0.4, -0.4)],
            "fail",
        ),
        ("what was lost is mended tonight", [*[_night(40, *[-1.0] * 5)] * 6, _night(40)], "pass"),
        (
            "what was lost is mended tonight but for a rank",
            [*[_night(40, *[-1.0] * 5)] * 6, _night(40, -0.37)],
            "not enough evidence",
        ),
        ("nights that were good hide no new loss", [*[_night(40)] * 6, _night(40, -1.0, -1.0)], "not enough evidence"),
        ("what is older than seven nights", [_night(40, *[-1.0] * 20), *[_night(40, -0.3, 0.3)] * 7], "pass"),
    ],
)
def test_a_night_without_evidence_is_judged_with_those_before_it(fact, nights, verdict):
    gate = judge_differences(nights, margin=0.02)
    assert gate.verdict == verdict, f"{fact}: {gate.reason}"


def test_too_few_joint_queries_are_not_enough_evidence_however_bad():
    gate = judge_differences([_night(19, *[-1.0] * 19)], margin=0.02, min_queries=20)
    assert (gate.verdict, gate.reason) == ("not enough evidence", "19 queries judged on both, 20 are needed")


@pytest.mark.parametrize(
    ("fact", "options", "verdict", "reason"),
    [
        ("nothing serves yet: floors decide", {}, "pass", "40 queries, every floor holds"),
        ("not worse", {"tonight": Paired(_night(40))}, "pass", "nDCG@10 +0.000 against what is proven on 40 queries"),
        ("worse", {"tonight": Paired(_night(40, *[-1.0] * 9))}, "fail", "nDCG@10 -0.225 against what is proven"),
        ("unproven", {"tonight": Paired(_night(40, -1.0))}, "not enough evidence", "(-0.108 to +0.000, margin 0.020)"),
        (
            "unproven, with a wider margin",
            {"tonight": Paired(_night(40, -1.0)), "margin": 0.11},
            "pass",
            "margin 0.110",
        ),
        ("forbidden", {"problems": ["it leaks"]}, "fail", "it leaks"),
        ("forbidden, and not worse", {"problems": ["leak"], "tonight": Paired(_night(40))}, "fail", "leak; nDCG@10 +0"),
        (
            "floors and all",
            {"problems": ["leak"], "recall": 0.1},
            "fail",
            "leak; recall@5 0.100 is under its floor 0.700",
        ),
        ("some are gone", {"tonight": Paired(_night(36), (), tuple("abcd"))}, "pass", "(4): a, b, c and 1 more"),
        (
            "too many are gone",
            {"tonight": Paired(_night(35), (), tuple("abcde"))},
            "fail",
            "of 5 of 40 labelled queries every labelled document is gone, over the limit of 10%: a, b, c and 2 more",
        ),
        (
            "nearly all are gone",
            {"queries": 3, "tonight": Paired(_night(3), (), tuple("abcdefg"))},
            "fail",
            "of 7 of 10",
        ),
        ("under a floor, and not worse", {"recall": 0.1, "tonight": Paired(_night(40))}, "fail", "is under its floor"),
        ("few queries and a leak", {"queries": 3, "problems": ["leak"]}, "fail", "leak"),
        ("few queries", {"queries": 3, "tonight": Paired(_night(3))}, "not enough evidence", "3 labelled queries, 20"),
        (
            "left out",
            {"tonight": Paired(_night(40), ("new",), ("old",))},
            "pass",
            "alone (1): new; judged on what is proven",
        ),
        ("few joint", {"tonight": Paired(_night(2), ("new",))}, "not enough evidence", "2 queries judged on both, 20"),
        (
            "pooled",
            {"tonight": Paired(_night(40, -0.3)), "earlier": [_night(40, 0.3)]},
            "pass",
            "pooled with the nights",
        ),
    ],
)
def test_what_holds_a_version_and_what_lets_it_serve(fact, options, verdict, reason):
    quality = _quality(options.pop("queries", 40), recall=options.pop("recall", 0.8))
    gates = Gates(floors={"support": FLOORS}, **{name: options.pop(name) for name in ("margin",) if name in options})
    gate = judge_retrieval(quality, gates, "support", **options)
    assert (gate.verdict, gate.opens) == (verdict, verdict != "fail"), f"{fact}: {gate.reason}"
    assert reason in gate.reason, fact


DIFFERENCES = st.lists(st.sampled_from([-1.0, -0.37, -0.13, 0.0, 0.0, 0.0, 0.13, 0.37, 1.0]), min_size=2, max_size=80)


@given(DIFFERENCES, st.randoms())
def test_the_order_of_the_queries_does_not_change_a_verdict(differences, random):
    night = {f"q{number}": each for number, each in enumerate(differences)}
    shuffled = dict(random.sample(list(night.items()), len(night)))
    assert judge_differences([shuffled], margin=0.02) == judge_differences([night], margin=0.02)


@given(DIFFERENCES)
def test_a_better_candidate_is_never_held_and_a_worse_one_never_both_ways(differences):
    night = {f"q{number}": each for number, each in enumerate(differences)}
    swapped = {query: -each for query, each in night.items()}
    verdicts = [judge_differences([each], margin=0.02).verdict for each in (night, swapped)]
    assert verdicts.count("fail") <= 1
    assert sum(differences) < 0 or verdicts[0] != "fail"


@given(DIFFERENCES, st.integers(2, 9))
def test_the_same_night_again_is_no_more_evidence(differences, nights):
    night = {f"q{number}": each for number, each in enumerate(differences)}
    alone, again = (judge_differences([night] * number, margin=0.02) for number in (1, nights))
    assert again.verdict == alone.verdict
