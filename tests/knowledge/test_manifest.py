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
        ("[local/extractive]", "[local/extractive, openai/gpt-5]", "nothing after it is ever asked; put it last"),
        ("[local/extractive]", "[openai/gpt-5, openai/gpt-5]", "'openai/gpt-5' stands twice; once is enough"),
        ("[local/extractive]", "[local/llama]", "'local/llama' is not embedded here; local/extractive is"),
        *(
            ("[local/extractive]", f"['{name}']", f"'{name}' is no model; write PROVIDER/MODEL")
            for name in ("gpt-5", "openai/", "/gpt-5", "OpenAI/gpt-5", "openai/gpt 5", "")
        ),
        ("[local/extractive]", "[]", "'route' is []: Tuple should have at least 1 item"),
        ("policy: support", "policy: support\ngeneration: {options: {n: 2}}", "'n' is set by the assistant itself"),
        (
            "policy: support",
            "policy: support\ngeneration: {options: {stream: true}}",
            "'stream' is set by the assistant",
        ),
        ("policy: support", "policy: support\ngeneration: {options: {stop: [a]}}", "'generation.options.stop"),
        ("policy: support", "policy: support\ngeneration: {options: {temperature: .nan}}", "temperature.str' is nan"),
        (
            "policy: support",
            "policy: support\ngeneration: {max_output_tokens: 0}",
            "'generation.max_output_tokens' is 0",
        ),
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


@pytest.mark.parametrize(
    "route",
    [
        "[openai/gpt-5]",
        "[openai/gpt-5, local/extractive]",
        "[openai/gpt-5, own-1/org/model:free]",
        "[own_1/Meta-Llama-3.1]",
    ],
)
def test_a_route_names_models_as_their_providers_call_them(tmp_path, route):
    manifest = _read(tmp_path, _GOOD.replace("[local/extractive]", route))
    assert list(manifest.route) == route.strip("[]").split(", ")


def test_options_go_to_the_model_as_they_are_written(tmp_path):
    options = (
        "generation: {max_output_tokens: 50, options: {temperature: 0, reasoning_effort: low, top_p: 0.5, x: true}}"
    )
    generation = _read(tmp_path, f"{_GOOD}{options}\n").generation
    assert generation.max_output_tokens == 50
    assert dict(generation.options) == {"temperature": 0, "reasoning_effort": "low", "top_p": 0.5, "x": True}
    assert type(generation.options["temperature"]) is int


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


@pytest.mark.parametrize("retrieval", ["{limit: 6}", "{collapse: false}", "{neighbours: 0}", "{min_score: null}"])
def test_a_setting_of_retrieval_that_changes_nothing_leaves_the_digest(tmp_path, retrieval):
    plain = _read(tmp_path).manifest_digest
    assert _read(tmp_path, f"{_GOOD}\nretrieval: {retrieval}\n").manifest_digest == plain


@pytest.mark.parametrize("retrieval", ["{limit: 7}", "{collapse: true}", "{neighbours: 1}", "{min_score: 0}"])
def test_a_setting_of_retrieval_that_changes_answers_changes_the_digest(tmp_path, retrieval):
    plain = _read(tmp_path).manifest_digest
    assert _read(tmp_path, f"{_GOOD}\nretrieval: {retrieval}\n").manifest_digest != plain


@pytest.mark.parametrize("retrieval", ["{neighbours: 11}", "{min_score: 1.5}", "{min_score: .nan}", "{max_tokens: 9}"])
def test_an_odd_setting_of_retrieval_is_refused(tmp_path, retrieval):
    with pytest.raises(ContentError, match=r"desk\.yaml: .*retrieval"):
        _read(tmp_path, f"{_GOOD}\nretrieval: {retrieval}\n")
