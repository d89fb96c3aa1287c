"""Suites and cases: what is refused, and what names exactly one case."""

import pytest
import yaml

from evals.case import Case, read_suite
from knowledge.errors import ContentError

GOOD = {
    "id": "refund-days",
    "kind": "answerable",
    "question": "How long does a refund take?",
    "groups": [],
    "outcome": "answered",
    "facts": ["five days", ["bank account", "account"]],
    "forbidden": ["ten days"],
    "gold": ["help/refunds.md"],
    "answer": "A refund reaches the bank account within five days.",
    "tags": ["refunds"],
}
OTHER = {
    "id": "refund-time",
    "kind": "messy",
    "question": "how long is a refund??",
    "groups": ["support"],
    "outcome": "refused",
    "facts": ["five days", ["account", "bank account"]],
    "forbidden": [],
    "gold": [],
    "answer": "Within five days.",
    "tags": [],
}


def _write(folder, *cases, suite="small", **keys):
    (folder / "small.yaml").write_text(yaml.safe_dump({"suite": suite, "cases": cases, **keys}))
    return folder


def _refusal(folder):
    with pytest.raises(ContentError) as caught:
        read_suite(folder, "small")
    return str(caught.value)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"id": "Refund Days"}, "'cases.0.id' is 'Refund Days'"),
        ({"kind": "rude"}, "'cases.0.kind' is 'rude'"),
        ({"question": ""}, "'cases.0.question' is ''"),
        ({"groups": ["Support Team"]}, "'cases.0.groups' is ['Support Team']: group 'Support Team' must be lower-case"),
        ({"groups": ["x') OR ('a'='a"]}, "cases.0.groups"),
        ({"groups": None}, "cases.0.groups"),
        ({"outcome": "ignored"}, "'cases.0.outcome' is 'ignored'"),
        ({"answer": ""}, "'cases.0.answer' is ''"),
        ({"gold": "help/refunds.md"}, "'cases.0.gold' is 'help/refunds.md'"),
        ({"facts": [7]}, "cases.0.facts.0"),
        ({"golds": []}, "unknown key 'cases.0.golds'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_wrong_value_in_a_case_is_refused_with_file_and_key(tmp_path, change, named):
    message = _refusal(_write(tmp_path, GOOD | change))
    assert message.startswith(f"{tmp_path / 'small.yaml'}: ")
    assert named in message
    assert "\n" not in message


@pytest.mark.parametrize("field", GOOD)
def test_a_missing_field_is_refused_by_name(tmp_path, field):
    case = {name: value for name, value in GOOD.items() if name != field}
    message = _refusal(_write(tmp_path, OTHER, case))
    assert message == f"{tmp_path / 'small.yaml'}: key 'cases.1.{field}' is missing. Add it."


def test_an_unknown_key_is_refused_with_the_keys_that_are_known(tmp_path):
    message = _refusal(_write(tmp_path, GOOD | {"golds": []}))
    assert f"Known there: {', '.join(sorted(Case.model_fields))}." in message


def test_a_doubled_case_id_is_refused_by_name(tmp_path):
    message = _refusal(_write(tmp_path, GOOD, OTHER, GOOD))
    assert message.startswith(f"{tmp_path / 'small.yaml'}: ")
    assert "case id 'refund-days' stands twice" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("suite: small\ncases: []\n", "'cases' is []"),
        ("suite: small\n", "key 'cases' is missing"),
        ("suite: other\ncases: [{}]\n".replace("{}", yaml.safe_dump(GOOD, default_flow_style=True)), "'other'"),
        ("suite: Small Suite\ncases: []\n", "'suite' is 'Small Suite'"),
        ("suite: small\ncases: [{id: a}]\ncase: []\n", "cases.0.kind"),
        ("suite: small\ncases: [\n", "small.yaml:3: unreadable YAML"),
        ("- suite: small\n", "expected keys and values, found list"),
        ("", "expected keys and values, found NoneType"),
    ],
)
def test_a_wrong_suite_file_is_refused_with_what_is_wrong(tmp_path, text, named):
    (tmp_path / "small.yaml").write_text(text)
    message = _refusal(tmp_path)
    assert str(tmp_path / "small.yaml") in message
    assert named in message
    assert "\n" not in message


def test_a_suite_that_is_not_there_is_refused_by_its_file(tmp_path):
    assert _refusal(tmp_path).startswith(f"{tmp_path / 'small.yaml'}: no such file.")


def test_a_suite_keeps_its_cases_in_their_order_with_every_value(tmp_path):
    suite = read_suite(_write(tmp_path, OTHER, GOOD, description="Two."), "small")
    assert [case.id for case in suite.cases] == ["refund-time", "refund-days"]
    assert suite.description == "Two."
    assert suite.cases[1].facts == ("five days", ("bank account", "account"))
    assert suite.cases[1].model_dump(mode="json") == GOOD


@pytest.mark.parametrize("field", list(Case.model_fields))
def test_the_case_digest_changes_with_every_field(field):
    assert Case.model_validate(GOOD).case_digest != Case.model_validate(GOOD | {field: OTHER[field]}).case_digest


def test_the_case_digest_is_the_same_for_the_same_words_in_another_order_of_keys():
    assert Case.model_validate(GOOD).case_digest == Case.model_validate(dict(reversed(GOOD.items()))).case_digest


@pytest.mark.parametrize(
    "cases",
    [(OTHER, GOOD), (GOOD,), (GOOD, OTHER | {"question": "how long?"})],
    ids=["another order", "a case less", "another question"],
)
def test_the_suite_digest_changes_with_its_cases(tmp_path, cases):
    before = read_suite(_write(tmp_path, GOOD, OTHER), "small").suite_digest
    assert read_suite(_write(tmp_path, *cases), "small").suite_digest != before


def test_the_suite_digest_does_not_change_with_a_comment(tmp_path):
    before = read_suite(_write(tmp_path, GOOD, OTHER), "small").suite_digest
    path = tmp_path / "small.yaml"
    path.write_text(f"# reviewed in October\n{path.read_text()}")
    assert read_suite(tmp_path, "small").suite_digest == before
