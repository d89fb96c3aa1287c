"""Manifests: what an assistant is made of, and what is refused before a night starts."""

import pytest

from knowledge.errors import ContentError
from knowledge.manifest import Prompt, read_manifest, read_manifests

_GOOD = """\
assistant: desk
collection: support
route: [local/extractive]
prompt:
  variables: [question, passages]
  system: "Answer from the passages. {{ passages }}"
  user: "{{question}}"
policy: support
suites: [customers]
"""
_REORDERED = """\
# The help desk.
suites: [customers]   # one for now
policy: support
prompt:
  user: '{{question}}'
  system: 'Answer from the passages. {{ passages }}'
  variables:
    - question
    - passages
collection: support
assistant: desk
"""


def _read(folder, text=_GOOD, assistant="desk"):
    (folder / "desk.yaml").write_text(text, encoding="utf-8")
    return read_manifest(folder, assistant)


def test_a_manifest_has_its_defaults(tmp_path):
    manifest = _read(tmp_path)
    assert (manifest.retrieval.limit, manifest.retrieval.max_context_tokens) == (6, 1500)
    assert manifest.replies.refusal == "The documents do not tell."


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("{{question}}", "{{context}}", "prompt uses {{context}} but declares only question, passages"),
        ("[question, passages]", "[]", "prompt uses {{passages}} but declares only nothing"),
        ("[local/extractive]", "[openai/gpt-5]", "this version answers with local/extractive alone"),
        ("[local/extractive]", "[local/extractive, openai/gpt-5]", "answers with local/extractive alone"),
        ("[local/extractive]", "[]", "answers with local/extractive alone"),
        ("suites: [customers]", "suites: []", "'suites' is []: Tuple should have at least 1 item"),
        ("policy: support", "polcy: support", "key 'policy' is missing"),
        ("policy: support", "policy: support\nretrieval: {limits: 3}", "unknown key 'retrieval.limits'"),
        ("policy: support", "policy: support\nretrieval: {limit: 0}", "'retrieval.limit' is 0"),
        ("policy: support", "policy: support\njudge: {name: correctness}", "key 'judge.route' is missing"),
        (
            "policy: support",
            "policy: support\njudge: {name: correctness, route: []}",
            "'judge.route' is []: Tuple should",
        ),
        (
            "policy: support",
            "policy: support\njudge: {name: j, route: [gpt-5]}",
            "'judge.route.0' is 'gpt-5': String should",
        ),
        ("assistant: desk", "assistant: Desk 1", "'assistant' is 'Desk 1'"),
        ("assistant: desk", "assistant: other", "assistant is 'other'. The file must have the same name"),
    ],
)
def test_a_wrong_manifest_is_refused_with_its_file(tmp_path, old, new, told):
    assert old in _GOOD
    with pytest.raises(ContentError) as error:
        _read(tmp_path, _GOOD.replace(old, new))
    assert told in str(error.value)
    assert "desk.yaml" in str(error.value)


def test_a_manifest_may_name_its_judge(tmp_path):
    manifest = _read(tmp_path, _GOOD + "judge: {name: correctness, route: [openai/gpt-5-mini, open/router/large]}\n")
    assert manifest.judge
    assert (manifest.judge.name, manifest.judge.route) == ("correctness", ("openai/gpt-5-mini", "open/router/large"))


def test_an_unknown_assistant_is_told_which_there_are(tmp_path):
    (tmp_path / "hr.yaml").write_text(_GOOD.replace("desk", "hr"), encoding="utf-8")
    with pytest.raises(ContentError, match=r"assistant 'shop': no .*/shop\.yaml\. There are: desk, hr\."):
        _read(tmp_path, assistant="shop")


def test_without_manifests_there_are_none(tmp_path):
    assert read_manifests(tmp_path) == {}
    with pytest.raises(ContentError, match="There are: none"):
        read_manifest(tmp_path, "desk")


def test_the_digest_is_the_same_after_comments_order_and_quoting(tmp_path):
    first, second = _read(tmp_path), _read(tmp_path, _REORDERED)
    assert first.manifest_digest == second.manifest_digest
    assert first.prompt_digest == second.prompt_digest


def test_the_digest_is_that_of_the_nights_before_there_were_judges(tmp_path):
    assert _read(tmp_path).manifest_digest == "500bd61a7ec37325"


@pytest.mark.parametrize(
    ("old", "new", "same_prompt"),
    [
        ("[customers]", "[customers]\njudge: {name: correctness, route: [openai/gpt-5-mini]}", True),
        ("passages. ", "passages alone. ", False),
        ("[customers]", "[customers, staff]", True),
        ("policy: support", "policy: strict", True),
    ],
)
def test_the_digest_changes_with_the_content(tmp_path, old, new, same_prompt):
    first, second = _read(tmp_path), _read(tmp_path, _GOOD.replace(old, new))
    assert first.manifest_digest != second.manifest_digest
    assert (first.prompt_digest == second.prompt_digest) is same_prompt


def _prompt(system, user="{{b}}"):
    return Prompt(variables=("a", "b"), system=system, user=user)


@pytest.mark.parametrize(
    ("system", "a", "filled"),
    [
        ("{{a}}", "x", "x"),
        ("{{ a }}{{a}}", "x", "xx"),
        ("{{a}} and {{b}}", "{{b}}", "{{b}} and B"),
        ("{{a}}", "{{a}}", "{{a}}"),
        ("{{a}}", r"\1 \g<0> \n", r"\1 \g<0> \n"),
        ("{a} {{{a}}}", "x", "{a} {x}"),
        ("no variable", "x", "no variable"),
    ],
)
def test_a_value_is_never_read_as_a_variable(system, a, filled):
    assert _prompt(system).fill(a=a, b="B") == (filled, "B")
